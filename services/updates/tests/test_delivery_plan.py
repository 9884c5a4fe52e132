"""The rules of promised days: their order, how they move, and what is asked about them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from updates.domain.delivery_plan import (
    LINES_MAX,
    STEPS,
    TRANSITIONS,
    Answer,
    DeliveryPlan,
    Move,
    PlanAsked,
    PlanDecision,
    PlanPublished,
    Promise,
    PromiseDue,
    PromiseState,
    Provision,
    Step,
    answer,
    ask,
    ask_about_due,
    due_next,
    end,
    move_freely,
    move_with_update,
    overdue_days,
    promise,
    settle,
)
from updates.domain.errors import Refused
from updates.domain.plan_terms import USUAL_PLAN_TERMS, PlanTerms

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LAST = date(2999, 12, 31)
FREELY = USUAL_PLAN_TERMS.freely
LATER = NOW + FREELY
DAYS = {
    Step.PRODUCTION: date(2026, 6, 1),
    Step.PACKAGING: date(2026, 7, 1),
    Step.DELIVERY: date(2026, 8, 1),
}
EMPTY = DeliveryPlan("c1", "Europe/Paris", {"lamp": "A lamp", "visit": "A visit"})


def promised(plan: DeliveryPlan = EMPTY, reward: str = "lamp", batch: int = 1) -> PlanDecision:
    return promise(plan, reward, batch, Provision.PRODUCT, DAYS, "creator-1", NOW)


PLAN = promised().plan


def moved(day: date, step: Step = Step.DELIVERY, *, dependents: bool = False) -> Move:
    return Move("lamp", 1, step, day, "The mould broke.", dependents)


def days_of(plan: DeliveryPlan) -> list[date]:
    return [one.day for one in plan.line("lamp", 1).promises]


def reason_of(refused: pytest.ExceptionInfo[Refused]) -> str:
    return refused.value.reason


@pytest.mark.parametrize("target", PromiseState)
@pytest.mark.parametrize("state", PromiseState)
def test_a_promise_moves_by_the_table_alone(state: PromiseState, target: PromiseState) -> None:
    """Every pair of states is in the table or refused; open again is nothing that there is."""
    known = replace(PLAN.line("lamp", 1).promise(Step.DELIVERY), state=state)
    if target in TRANSITIONS[state]:
        assert settle(known).state is target
    elif target is PromiseState.OPEN:
        assert all(target not in targets for targets in TRANSITIONS.values())
    else:
        with pytest.raises(Refused) as refused:
            settle(known)
        assert reason_of(refused) == "impossible-transition"


@pytest.mark.row("S10")
@pytest.mark.parametrize("provision", Provision)
def test_a_plan_needs_every_step_of_its_kind(provision: Provision) -> None:
    """A day for each step and for no other, as they follow each other; equal days are allowed."""
    day = date(2026, 6, 1)
    whole = dict.fromkeys(STEPS[provision], day)
    assert promise(EMPTY, "lamp", 1, provision, whole, "c", NOW).plan.lines
    for step in whole:
        less = {one: day for one in whole if one is not step}
        with pytest.raises(Refused) as refused:
            promise(EMPTY, "lamp", 1, provision, less, "c", NOW)
        assert reason_of(refused) == "incomplete-plan"
    backwards = {step: day - timedelta(days=place) for place, step in enumerate(whole)}
    with pytest.raises(Refused) as refused:
        promise(EMPTY, "lamp", 1, provision, backwards, "c", NOW)
    assert reason_of(refused) == "days-out-of-order"


@pytest.mark.row("S10")
def test_a_plan_says_how_many_rewards_have_none_yet() -> None:
    """Another batch of the same reward leaves as many; with the last one none is missing."""
    first, second = promised(), promised(PLAN, batch=2)
    last = promised(second.plan, "visit")
    facts = [one for decided in (first, second, last) for one in decided.facts]
    assert [one.missing for one in facts if isinstance(one, PlanPublished)] == [1, 1, 0]


def test_what_is_promised_is_not_rewritten() -> None:
    """The same again is the same, another day is a move; other batches and rewards are free."""
    assert promised(PLAN) == PlanDecision(PLAN)
    other = DAYS | {Step.DELIVERY: date(2026, 9, 1)}
    with pytest.raises(Refused) as refused:
        promise(PLAN, "lamp", 1, Provision.PRODUCT, other, "c", NOW)
    assert reason_of(refused) == "already-promised"
    both = promised(promised(PLAN, "visit").plan, batch=2).plan
    assert [(line.reward_id, line.batch) for line in both.lines] == [
        ("lamp", 1),
        ("lamp", 2),
        ("visit", 1),
    ]
    with pytest.raises(Refused) as refused:
        promised(PLAN, "nothing")
    assert reason_of(refused) == "reward-unknown"


def test_a_plan_has_so_many_batches_and_no_more() -> None:
    """The same as the last one is still the same."""
    full = EMPTY
    for batch in range(1, LINES_MAX + 1):
        full = promised(full, batch=batch).plan
    assert promised(full, batch=LINES_MAX) == PlanDecision(full)
    with pytest.raises(Refused) as refused:
        promised(full, "visit")
    assert reason_of(refused) == "too-many-batches"


@pytest.mark.row("S6")
def test_a_day_moves_later_only_with_an_update() -> None:
    """Refused without one once half an hour is over; with one it moves, and the log says so."""
    later = moved(date(2026, 9, 15))
    with pytest.raises(Refused) as refused:
        move_freely(PLAN, later, "creator-1", LATER)
    assert reason_of(refused) == "later-needs-update"
    decision = move_with_update(PLAN, [later], "u7", "creator-1", LATER)
    (entry,) = decision.moved
    assert (entry.number, entry.old, entry.new) == (1, date(2026, 8, 1), date(2026, 9, 15))
    assert (entry.reason, entry.update_id, entry.by) == ("The mould broke.", "u7", "creator-1")
    delivery = decision.plan.line("lamp", 1).promise(Step.DELIVERY)
    assert (delivery.slip_days, delivery.first) == (45, date(2026, 8, 1))
    assert decision.plan.moves == 1


@pytest.mark.row("S6")
def test_a_day_moves_freely_earlier_or_soon_after_it_was_promised() -> None:
    """Earlier at any time; later within half an hour of the plan, not of an earlier day."""
    earlier = move_freely(PLAN, moved(date(2026, 7, 20)), "creator-1", LATER).plan
    assert days_of(earlier)[2] == date(2026, 7, 20)
    soon = LATER - timedelta(seconds=1)
    assert days_of(move_freely(PLAN, moved(date(2026, 12, 1)), "c", soon).plan)[2].month == 12
    after = LATER + timedelta(minutes=1)
    back = move_freely(earlier, moved(date(2026, 8, 1)), "c", after).plan
    assert days_of(back) == days_of(PLAN)
    for beyond, at in ((date(2026, 8, 2), after), (date(2026, 8, 1), LATER + FREELY)):
        with pytest.raises(Refused) as refused:
            move_freely(earlier, moved(beyond), "c", at)
        assert reason_of(refused) == "later-needs-update"


@pytest.mark.row("S6")
def test_what_was_promised_for_so_long_is_what_a_day_goes_back_to() -> None:
    """Moved twice in a row it goes back to the first of them; moved twice apart to the second."""
    once = move_freely(PLAN, moved(date(2026, 7, 20)), "c", LATER).plan
    soon, then = LATER + FREELY - timedelta(seconds=1), LATER + FREELY
    for again, held in ((soon, date(2026, 8, 1)), (then, date(2026, 7, 20))):
        twice = move_freely(once, moved(date(2026, 7, 10)), "c", again).plan
        back = move_freely(twice, moved(held), "c", again + timedelta(minutes=1)).plan
        assert days_of(back)[2] == held
        with pytest.raises(Refused) as refused:
            move_freely(twice, moved(held + timedelta(days=1)), "c", again + timedelta(minutes=1))
        assert reason_of(refused) == "later-needs-update"


@pytest.mark.row("S6")
def test_dependent_days_move_only_if_asked() -> None:
    """Alone a step may not pass the next one; asked, those behind it move by as many days."""
    production = moved(date(2026, 7, 11), Step.PRODUCTION)
    with pytest.raises(Refused) as refused:
        move_with_update(PLAN, [production], "u7", "c", LATER)
    assert reason_of(refused) == "days-out-of-order"
    asked = replace(production, dependents=True)
    decision = move_with_update(PLAN, [asked], "u7", "c", LATER)
    assert [(one.new - one.old).days for one in decision.moved] == [40] * 3
    assert days_of(decision.plan) == [one.new for one in decision.moved]
    assert [entry.number for entry in decision.moved] == [1, 2, 3]
    done = answer(PLAN, "lamp", 1, Step.PACKAGING, Answer.DONE, "c", NOW).plan
    kept = move_with_update(done, [moved(date(2026, 9, 1), dependents=True)], "u7", "c", LATER)
    assert days_of(kept.plan)[1] == days_of(PLAN)[1], "what is done has its day"


@pytest.mark.parametrize("text", ["", "   ", "x" * 1_001])
def test_a_move_has_a_reason(text: str) -> None:
    """Everybody may read why a day moved."""
    with pytest.raises(Refused) as refused:
        move_freely(PLAN, replace(moved(date(2026, 7, 20)), reason=text), "c", LATER)
    assert reason_of(refused) == "no-reason"
    for enough in ("x", "x" * 1_000):
        assert move_freely(PLAN, replace(moved(date(2026, 7, 20)), reason=enough), "c", LATER).moved


@pytest.mark.parametrize("day", [date.min, date(1969, 12, 31), date(3000, 1, 1), date.max])
def test_no_day_is_promised_at_an_end_of_time(day: date) -> None:
    """Nor moved there, by itself or behind another one: no question about it has a day there."""
    for step in DAYS:
        with pytest.raises(Refused) as refused:
            promise(EMPTY, "lamp", 1, Provision.PRODUCT, DAYS | {step: day}, "c", NOW)
        assert reason_of(refused) == "invalid-time"
        for dependents in (False, True):
            move = moved(day, step, dependents=dependents)
            with pytest.raises(Refused) as refused:
                move_with_update(PLAN, [move], "u7", "c", LATER)
            assert reason_of(refused) == "invalid-time"


def test_no_day_is_pushed_beyond_the_end_of_time_by_another() -> None:
    """Not by a few years, nor to where there are no days; one that was kept there is moved back."""
    far = promise(EMPTY, "lamp", 1, Provision.PRODUCT, dict.fromkeys(DAYS, LAST), "c", NOW).plan
    assert due_next(far, USUAL_PLAN_TERMS) is not None
    pushed = [
        moved(date(2000, 1, 1), Step.PRODUCTION),
        moved(date(2001, 1, 1), Step.PRODUCTION, dependents=True),
    ]
    line = PLAN.line("lamp", 1)
    kept = tuple(replace(one, day=date.max) for one in line.promises)
    beyond = replace(PLAN, lines=(replace(line, promises=kept),))
    for plan in (far, beyond):
        with pytest.raises(Refused) as refused:
            move_with_update(plan, pushed, "u7", "c", LATER)
        assert reason_of(refused) == "invalid-time"
    back = [moved(day, step) for step, day in DAYS.items()]
    assert days_of(move_with_update(beyond, back, "u7", "c", LATER).plan) == days_of(PLAN)


def test_the_same_day_again_is_no_move() -> None:
    """A repeated move writes nothing into the log."""
    once = move_with_update(PLAN, [moved(date(2026, 9, 15))], "u7", "c", LATER).plan
    again = move_with_update(once, [moved(date(2026, 9, 15))], "u7", "c", LATER)
    assert again == PlanDecision(once)


def due_of(plan: DeliveryPlan) -> datetime | None:
    return due_next(plan).next_due


def asked_days(plan: DeliveryPlan, at: datetime) -> tuple[DeliveryPlan, list[tuple[Step, int]]]:
    decision = ask_about_due(plan, at)
    facts = [fact for fact in decision.facts if isinstance(fact, PromiseDue)]
    return decision.plan, [(fact.step, fact.days_before) for fact in facts]


@pytest.mark.row("S10")
def test_the_creator_is_asked_30_and_7_days_before_and_on_the_day() -> None:
    """At eight in the campaign's zone, each once; after a pause only the nearest question."""
    plan, seen = PLAN, []
    while (due := due_of(plan)) is not None:
        assert ask_about_due(plan, due - timedelta(seconds=1)).facts == ()
        plan, asked = asked_days(plan, due)
        seen += [(due, *one) for one in asked]
        assert ask_about_due(plan, due).facts == ()
    assert [at for at, _, _ in seen] == sorted(at for at, _, _ in seen)
    for step in DAYS:
        assert [days for _, one, days in seen if one is step] == [30, 7, 0]
    assert seen[0][0] == datetime(2026, 5, 2, 6, 0, tzinfo=UTC)
    late, asked = asked_days(PLAN, datetime(2026, 6, 1, 7, 0, tzinfo=UTC))
    assert asked == [(Step.PRODUCTION, 0), (Step.PACKAGING, 30)]
    assert due_of(late) == datetime(2026, 6, 24, 6, 0, tzinfo=UTC)


@pytest.mark.trap(11)
def test_nobody_is_asked_about_what_is_done_moved_or_over() -> None:
    """The question's reason is looked at when it is asked, not when it was planned."""
    on_the_day = datetime(2026, 6, 1, 7, 0, tzinfo=UTC)
    done = answer(PLAN, "lamp", 1, Step.PRODUCTION, Answer.DONE, "c", NOW).plan
    assert asked_days(done, on_the_day)[1] == [(Step.PACKAGING, 30)]
    away = move_with_update(
        PLAN, [moved(date(2026, 9, 1), Step.PRODUCTION, dependents=True)], "u7", "c", LATER
    )
    assert asked_days(away.plan, on_the_day)[1] == []
    assert due_of(end(PLAN)) is None


def test_a_question_whose_time_was_over_when_the_day_was_promised_is_never_asked() -> None:
    """A day that is near when it is promised is asked about from then on only."""
    days = {Step.START: date(2026, 3, 4), Step.END: date(2026, 3, 5)}
    near = promise(EMPTY, "visit", 1, Provision.SERVICE, days, "c", NOW).plan
    assert asked_days(near, NOW)[1] == []
    assert asked_days(near, NOW + timedelta(days=3))[1] == [(Step.START, 0)]


@pytest.mark.row("S10")
def test_a_plan_is_asked_for_once_and_is_missing_after_14_days() -> None:
    """Until every reward has one; a campaign without rewards is asked for nothing."""
    asked = ask(EMPTY, NOW)
    assert len(asked.facts) == 1 and ask(asked.plan, LATER).facts == ()
    due = NOW + timedelta(days=14)
    assert not asked.plan.is_missing(due - timedelta(seconds=1)) and asked.plan.is_missing(due)
    half = promised(asked.plan).plan
    assert half.missing == ("visit",) and half.is_missing(due)
    assert not promised(half, "visit").plan.is_missing(due)
    assert not end(asked.plan).is_missing(due)
    assert ask(DeliveryPlan("c1", "UTC"), NOW).facts == ()


def test_a_plan_goes_by_the_terms_that_are_set() -> None:
    """How long its days move freely, when it is missing, and when its creator is asked."""
    terms = PlanTerms(
        freely=timedelta(hours=3), missing_after=timedelta(days=2), asked_before=(14,)
    )
    later, soon = moved(date(2026, 9, 1)), NOW + timedelta(hours=2)
    assert days_of(move_freely(PLAN, later, "c", soon, terms).plan)[2] == date(2026, 9, 1)
    earlier = move_with_update(PLAN, [moved(date(2026, 7, 20))], "u7", "c", soon, terms).plan
    assert earlier.line("lamp", 1).promise(Step.DELIVERY).held == date(2026, 8, 1)
    (fact,) = (asked := ask(EMPTY, NOW, terms)).facts
    assert isinstance(fact, PlanAsked) and fact.missing_from == NOW + timedelta(days=2)
    assert asked.plan.is_missing(fact.missing_from, terms) and not asked.plan.is_missing(LATER)
    first = due_next(PLAN, terms).next_due
    assert first == datetime(2026, 5, 18, 6, 0, tzinfo=UTC)
    (question,) = ask_about_due(PLAN, first, terms).facts
    assert isinstance(question, PromiseDue) and question.days_before == 14
    assert due_next(PLAN, PlanTerms(asked_before=())).next_due is None


@pytest.mark.trap(12)
def test_one_reward_that_is_done_does_not_silence_the_lateness_of_the_others() -> None:
    """Each batch of each reward is late for itself, and every day later by one more."""
    both = promised(promised(PLAN, "visit").plan, batch=2).plan
    done = answer(both, "lamp", 1, Step.DELIVERY, Answer.DONE, "c", NOW).plan

    def late(today: date) -> list[int]:
        return [overdue_days(line.promise(Step.DELIVERY), today) for line in done.lines]

    assert late(date(2026, 8, 1)) == [0, 0, 0]
    assert late(date(2026, 8, 4)) == [0, 3, 3]


def test_confirming_is_told_once_for_each_question() -> None:
    """The same answer again changes nothing; after the next question it is an answer again."""
    first = answer(PLAN, "lamp", 1, Step.PRODUCTION, Answer.CONFIRMED, "c", NOW)
    assert len(first.facts) == 1
    again = answer(first.plan, "lamp", 1, Step.PRODUCTION, Answer.CONFIRMED, "c", LATER)
    assert again == PlanDecision(first.plan)
    due = due_of(first.plan)
    assert due is not None
    plan, _ = asked_days(first.plan, due)
    assert len(answer(plan, "lamp", 1, Step.PRODUCTION, Answer.CONFIRMED, "c", due).facts) == 1


def test_what_is_done_is_neither_moved_nor_confirmed() -> None:
    """Done again is the same; anything else is refused."""
    done = answer(PLAN, "lamp", 1, Step.DELIVERY, Answer.DONE, "c", NOW).plan
    again = answer(done, "lamp", 1, Step.DELIVERY, Answer.DONE, "c", LATER)
    assert again == PlanDecision(done)
    for attempt in (
        lambda: answer(done, "lamp", 1, Step.DELIVERY, Answer.CONFIRMED, "c", NOW),
        lambda: move_freely(done, moved(date(2026, 7, 20)), "c", NOW),
    ):
        with pytest.raises(Refused) as refused:
            attempt()
        assert reason_of(refused) == "already-done"


def test_a_campaign_that_ended_promises_nothing_more() -> None:
    """Neither new days nor moves nor answers."""
    over = end(PLAN)
    for attempt in (
        lambda: promised(over, batch=2),
        lambda: move_freely(over, moved(date(2026, 7, 20)), "c", NOW),
        lambda: answer(over, "lamp", 1, Step.DELIVERY, Answer.DONE, "c", NOW),
    ):
        with pytest.raises(Refused) as refused:
            attempt()
        assert reason_of(refused) == "campaign-ended"


def test_what_is_not_promised_is_not_found() -> None:
    """Another batch, reward or step of this plan."""
    for reward, batch, step, reason in (
        ("lamp", 2, Step.DELIVERY, "plan-unknown"),
        ("visit", 1, Step.DELIVERY, "plan-unknown"),
        ("lamp", 1, Step.START, "step-unknown"),
    ):
        with pytest.raises(Refused) as refused:
            answer(PLAN, reward, batch, step, Answer.DONE, "c", NOW)
        assert reason_of(refused) == reason


def test_slip_is_negative_for_what_came_earlier() -> None:
    """Days are counted from what was promised at first, in both directions."""
    known = Promise(Step.END, date(2026, 5, 30), date(2026, 6, 1), date(2026, 6, 1), NOW)
    assert known.slip_days == -2
