"""The delivery plan: promised days per reward and batch, and how they may move.

`domain.md` 6: products are produced, packed, delivered, in that order; services start and end. A
day moves later only inside an update that explains it, earlier or soon after it was promised
freely with a reason. Every move is an entry of the public promise log, which is never edited.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from updates.domain.errors import Refused
from updates.domain.plan_terms import USUAL_PLAN_TERMS, PlanTerms
from updates.domain.reminders import next_question, question_due

BATCHES_MAX = 999
LINES_MAX = 500
REASON_CHARACTERS_MAX = 1_000
# So far from both ends of time that every question about a day, and every move, is a day as well.
YEARS = range(1970, 3000)


class Provision(StrEnum):
    PRODUCT = "product"
    SERVICE = "service"


class Step(StrEnum):
    PRODUCTION = "production"
    PACKAGING = "packaging"
    DELIVERY = "delivery"
    START = "start"
    END = "end"


STEPS: dict[Provision, tuple[Step, ...]] = {
    Provision.PRODUCT: (Step.PRODUCTION, Step.PACKAGING, Step.DELIVERY),
    Provision.SERVICE: (Step.START, Step.END),
}


class PromiseState(StrEnum):
    OPEN = "open"
    DONE = "done"


TRANSITIONS: dict[PromiseState, frozenset[PromiseState]] = {
    PromiseState.OPEN: frozenset({PromiseState.DONE}),
    PromiseState.DONE: frozenset(),
}


class Answer(StrEnum):
    CONFIRMED = "confirmed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Promise:
    """One step's day; `first` is the day that was promised at first, `promised_at` when this was.

    `confirmed_at` is when the creator said that it stands, since it was last asked about.
    `held` is the day that backers had relied on before what was changed a moment ago.
    `asked` holds for which of the days before it the creator was asked already.
    """

    step: Step
    day: date
    first: date
    held: date
    promised_at: datetime
    state: PromiseState = PromiseState.OPEN
    confirmed_at: datetime | None = None
    asked: frozenset[int] = frozenset()

    @property
    def slip_days(self) -> int:
        """How many days later than promised at first; negative where it is earlier."""
        return (self.day - self.first).days


@dataclass(frozen=True, slots=True)
class Line:
    """What is promised for one batch of one reward; `promises` in the order of its steps."""

    reward_id: str
    batch: int
    provision: Provision
    promises: tuple[Promise, ...]
    published_by: str
    published_at: datetime

    def promise(self, step: Step) -> Promise:
        """Return the promise of a step; raises `Refused` for one that it has not."""
        found = next((one for one in self.promises if one.step is step), None)
        if found is None:
            raise Refused("step-unknown", f"a {self.provision} has no step {step}")
        return found


@dataclass(frozen=True, slots=True)
class DeliveryPlan:
    """A campaign's plan, there from its launch; `lines` fill it.

    `rewards` are those on offer, with their titles. `moves` counts the entries of the promise log.
    `ended` says that nothing is promised any more. `next_due` is when the creator is to be asked
    about some promise next, None for never. `version` is the guard of every save.
    """

    campaign_id: str
    zone: str
    rewards: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()
    asked_at: datetime | None = None
    ended: bool = False
    moves: int = 0
    next_due: datetime | None = None
    version: int = 0

    @property
    def missing(self) -> tuple[str, ...]:
        """The rewards for which nothing is promised yet."""
        planned = {line.reward_id for line in self.lines}
        return tuple(reward for reward in self.rewards if reward not in planned)

    def is_missing(self, now: datetime, terms: PlanTerms = USUAL_PLAN_TERMS) -> bool:
        """Whether the page says that the plan is missing: asked for, and not there in time."""
        if self.ended or self.asked_at is None or not self.missing:
            return False
        return now >= self.asked_at + terms.missing_after

    def line(self, reward_id: str, batch: int) -> Line:
        """Return the line of a batch; raises `Refused` where nothing is promised."""
        found = next((one for one in self.lines if _is(one, reward_id, batch)), None)
        if found is None:
            raise Refused("plan-unknown", "nothing is promised for this batch of this reward")
        return found


@dataclass(frozen=True, slots=True)
class Move:
    """A step's new day, and why; `dependents` moves the steps behind it by as many days.

    `old` is the day that it was known to have, where that was said.
    """

    reward_id: str
    batch: int
    step: Step
    day: date
    reason: str
    dependents: bool = False
    old: date | None = None


@dataclass(frozen=True, slots=True)
class PlanAsked:
    """The plan was asked for; from `missing_from` on the page says that it is missing."""

    plan: DeliveryPlan
    missing_from: datetime


@dataclass(frozen=True, slots=True)
class PlanPublished:
    """What is promised for a batch, and how many rewards have no plan then.

    `missing` is None of what a release before this one told.
    """

    campaign_id: str
    line: Line
    missing: int | None = None


@dataclass(frozen=True, slots=True)
class PromiseMoved:
    """An entry of the promise log; `number` is its place, from 1."""

    campaign_id: str
    number: int
    reward_id: str
    batch: int
    step: Step
    old: date
    new: date
    reason: str
    update_id: str | None
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PromiseAnswered:
    campaign_id: str
    reward_id: str
    batch: int
    step: Step
    answer: Answer
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PromiseDue:
    """The creator is to be asked about a promise, so many days before it."""

    campaign_id: str
    reward_id: str
    batch: int
    step: Step
    day: date
    days_before: int
    at: datetime


PlanFact = PlanAsked | PlanPublished | PromiseMoved | PromiseAnswered | PromiseDue


@dataclass(frozen=True, slots=True)
class PlanDecision:
    """The plan as it is now, and what there is to tell of it."""

    plan: DeliveryPlan
    facts: tuple[PlanFact, ...] = ()

    @property
    def moved(self) -> tuple[PromiseMoved, ...]:
        """The entries that the promise log gets."""
        return tuple(fact for fact in self.facts if isinstance(fact, PromiseMoved))


def due_next(plan: DeliveryPlan, terms: PlanTerms = USUAL_PLAN_TERMS) -> DeliveryPlan:
    """Return the plan with the instant of its next question, as the terms are now."""
    questions = (
        next_question(one.day, one.asked, one.promised_at, plan.zone, terms.asked_before)
        for _, one in open_promises(plan)
        if not plan.ended
    )
    return replace(plan, next_due=min((at for at in questions if at is not None), default=None))


def ask(plan: DeliveryPlan, now: datetime, terms: PlanTerms = USUAL_PLAN_TERMS) -> PlanDecision:
    """The goal is met: ask for what is missing, once."""
    if plan.asked_at is not None or plan.ended:
        return PlanDecision(plan)
    asked = replace(plan, asked_at=now)
    return PlanDecision(
        asked, (PlanAsked(asked, now + terms.missing_after),) if asked.missing else ()
    )


def end(plan: DeliveryPlan) -> DeliveryPlan:
    """The campaign failed or was cancelled: nothing is promised any more, and nobody is asked."""
    return replace(plan, ended=True)


def promise(
    plan: DeliveryPlan,
    reward_id: str,
    batch: int,
    provision: Provision,
    days: Mapping[Step, date],
    by: str,
    now: datetime,
) -> PlanDecision:
    """Publish the days of a batch; the same again is the same, other days are moved instead."""
    _check_runs(plan)
    if reward_id not in plan.rewards:
        raise Refused("reward-unknown", "the campaign has no such reward")
    if set(days) != set(STEPS[provision]):
        wanted = ", ".join(STEPS[provision])
        raise Refused("incomplete-plan", f"a {provision} needs exactly a day for {wanted}")
    known = next((one for one in plan.lines if _is(one, reward_id, batch)), None)
    if known is not None:
        if (known.provision, {one.step: one.first for one in known.promises}) == (provision, days):
            return PlanDecision(plan)
        raise Refused("already-promised", "what is promised is moved, with a reason")
    if len(plan.lines) >= LINES_MAX:
        raise Refused("too-many-batches", f"a plan has at most {LINES_MAX} batches")
    promises = tuple(_first_promise(step, days[step], now) for step in STEPS[provision])
    for one in promises:
        _check_day(one.day)
    line = Line(reward_id, batch, provision, promises, by, now)
    _check_order(line)
    lines = sorted((*plan.lines, line), key=lambda one: (one.reward_id, one.batch))
    published = replace(plan, lines=tuple(lines))
    fact = PlanPublished(plan.campaign_id, line, len(published.missing))
    return PlanDecision(published, (fact,))


def move_freely(
    plan: DeliveryPlan, move: Move, by: str, now: datetime, terms: PlanTerms = USUAL_PLAN_TERMS
) -> PlanDecision:
    """Move a day without an update: earlier at any time, later only soon after it was promised.

    Soon after a plan was published its days are still free; soon after a day moved earlier it may
    go back, and no further.
    """
    line = plan.line(move.reward_id, move.batch)
    decided = _move(plan, move, None, by, now, terms)
    _check_orders(decided.plan)
    for fact in decided.moved:
        known = line.promise(fact.step)
        fresh = now < line.published_at + terms.freely
        back = now < known.promised_at + terms.freely and fact.new <= known.held
        if fact.new > fact.old and not (fresh or back):
            why = "a day moves later only with a delay notice or a recovery plan"
            raise Refused("later-needs-update", why)
    return decided


def move_with_update(
    plan: DeliveryPlan,
    moves: Sequence[Move],
    update_id: str,
    by: str,
    now: datetime,
    terms: PlanTerms = USUAL_PLAN_TERMS,
) -> PlanDecision:
    """Move days as an update explains it, in the step in which it is published.

    The days must follow each other once all of them have moved.
    """
    facts: list[PlanFact] = []
    for one in moves:
        decided = _move(plan, one, update_id, by, now, terms)
        plan = decided.plan
        facts += decided.facts
    _check_orders(plan)
    return PlanDecision(plan, tuple(facts))


def answer(
    plan: DeliveryPlan,
    reward_id: str,
    batch: int,
    step: Step,
    given: Answer,
    by: str,
    now: datetime,
) -> PlanDecision:
    """The creator says that a promise stands, or is kept; the same again changes nothing."""
    _check_runs(plan)
    known = plan.line(reward_id, batch).promise(step)
    if given is Answer.DONE:
        if known.state is PromiseState.DONE:
            return PlanDecision(plan)
        answered = settle(known)
    else:
        if known.state is PromiseState.DONE:
            raise Refused("already-done", "the step is done, its day stands no more")
        if known.confirmed_at is not None:
            return PlanDecision(plan)
        answered = replace(known, confirmed_at=now)
    fact = PromiseAnswered(plan.campaign_id, reward_id, batch, step, given, by, now)
    return PlanDecision(_with(plan, reward_id, batch, answered), (fact,))


def settle(promise: Promise) -> Promise:
    """Return the promise as kept: the only way in which its state changes."""
    if PromiseState.DONE not in TRANSITIONS[promise.state]:
        raise Refused("impossible-transition", f"{promise.state} does not become done")
    return replace(promise, state=PromiseState.DONE)


def ask_about_due(
    plan: DeliveryPlan, now: datetime, terms: PlanTerms = USUAL_PLAN_TERMS
) -> PlanDecision:
    """Ask about each open promise that is near, each number of days before it once.

    After a pause only the nearest question is asked; who has moved the day or is done is not.
    """
    facts: list[PlanFact] = []
    for line, one in open_promises(plan):
        due = question_due(one.day, one.asked, one.promised_at, plan.zone, now, terms.asked_before)
        if due is None:
            continue
        asked = replace(one, asked=due.asked, confirmed_at=None)
        plan = _with(plan, line.reward_id, line.batch, asked)
        about = (plan.campaign_id, line.reward_id, line.batch, one.step, one.day)
        facts.append(PromiseDue(*about, due.days_before, due.at))
    return PlanDecision(plan, tuple(facts))


def overdue_days(promise: Promise, today: date) -> int:
    """How many days ago the promised day was over and the step is still open; 0 for not at all."""
    return 0 if promise.state is PromiseState.DONE else max(0, (today - promise.day).days)


def open_promises(plan: DeliveryPlan) -> Iterable[tuple[Line, Promise]]:
    """Return what is promised and not done yet."""
    for line in plan.lines:
        for one in line.promises:
            if one.state is PromiseState.OPEN:
                yield line, one


def _move(
    plan: DeliveryPlan,
    move: Move,
    update_id: str | None,
    by: str,
    now: datetime,
    terms: PlanTerms,
) -> PlanDecision:
    _check_runs(plan)
    if not 1 <= len(move.reason.strip()) <= REASON_CHARACTERS_MAX:
        raise Refused("no-reason", f"a reason has 1 to {REASON_CHARACTERS_MAX} characters")
    line = plan.line(move.reward_id, move.batch)
    known = line.promise(move.step)
    if known.state is PromiseState.DONE:
        raise Refused("already-done", "what is done is not promised again")
    if move.old not in (None, known.day):
        raise Refused("day-changed", f"{move.step} is promised for {known.day}, not {move.old}")
    shift = move.day - known.day
    if not shift:
        return PlanDecision(plan)
    behind = line.promises[line.promises.index(known) :]
    moving = behind if move.dependents else (known,)
    promises = tuple(
        _promised(one, _shifted(one.day, shift), now, terms)
        if one in moving and one.state is known.state
        else one
        for one in line.promises
    )
    moved = replace(line, promises=promises)
    facts = tuple(
        PromiseMoved(
            plan.campaign_id,
            plan.moves + place,
            line.reward_id,
            line.batch,
            new.step,
            old.day,
            new.day,
            move.reason,
            update_id,
            by,
            now,
        )
        for place, (old, new) in enumerate(_changed(line, moved), start=1)
    )
    lines = tuple(moved if one is line else one for one in plan.lines)
    return PlanDecision(replace(plan, lines=lines, moves=plan.moves + len(facts)), facts)


def _changed(old: Line, new: Line) -> list[tuple[Promise, Promise]]:
    pairs = zip(old.promises, new.promises, strict=True)
    return [(before, after) for before, after in pairs if before.day != after.day]


def _promised(promise: Promise, day: date, now: datetime, terms: PlanTerms) -> Promise:
    # Another day is another promise: it may be confirmed, and is asked about, anew.
    held = promise.held if now < promise.promised_at + terms.freely else promise.day
    return replace(
        promise, day=day, held=held, promised_at=now, confirmed_at=None, asked=frozenset()
    )


def _first_promise(step: Step, day: date, now: datetime) -> Promise:
    return Promise(step, day, first=day, held=day, promised_at=now)


def _with(plan: DeliveryPlan, reward_id: str, batch: int, changed: Promise) -> DeliveryPlan:
    line = plan.line(reward_id, batch)
    promises = tuple(changed if one.step is changed.step else one for one in line.promises)
    lines = tuple(replace(one, promises=promises) if one is line else one for one in plan.lines)
    return replace(plan, lines=lines)


def _is(line: Line, reward_id: str, batch: int) -> bool:
    return (line.reward_id, line.batch) == (reward_id, batch)


def _shifted(day: date, shift: timedelta) -> date:
    """Return the day so much later or earlier; raises `Refused` where none is promised."""
    try:
        shifted = day + shift
    except OverflowError:
        shifted = date.max
    _check_day(shifted)
    return shifted


def _check_day(day: date) -> None:
    if day.year not in YEARS:
        years = f"{YEARS.start} to {YEARS.stop - 1}"
        raise Refused("invalid-time", f"what is promised is for a year from {years}")


def _check_runs(plan: DeliveryPlan) -> None:
    if plan.ended:
        raise Refused("campaign-ended", "the campaign is over, nothing is promised any more")


def _check_orders(plan: DeliveryPlan) -> None:
    for line in plan.lines:
        _check_order(line)


def _check_order(line: Line) -> None:
    days = [one.day for one in line.promises]
    if days != sorted(days):
        order = ", ".join(one.step for one in line.promises)
        raise Refused("days-out-of-order", f"the days follow each other: {order}")
