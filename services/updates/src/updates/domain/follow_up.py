"""What a campaign still owes its backers in words: problems, letters, and no long silence.

One document per campaign, moved by what is published, by verdicts and stages, and by the clock.
It is no projection: what it says was said once. `domain.md` 6.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from updates.domain.errors import Refused
from updates.domain.kinds import (
    Emergency,
    Parts,
    RecoveryPlan,
    Severity,
    UpdateKind,
)
from updates.domain.problem import Grade, Problem, ProblemKind, answer, find, regrade, resolve
from updates.domain.steps import Steps
from updates.domain.update import Audience


@dataclass(frozen=True, slots=True)
class FollowUpTerms:
    """When what is owed is asked for; all after the fact that it follows."""

    plan_reminders: tuple[timedelta, ...] = (timedelta(days=4), timedelta(days=6))
    plan: timedelta = timedelta(days=7)
    failure_letter: tuple[timedelta, ...] = tuple(timedelta(days=n) for n in (0, 3, 7, 14))
    silence: tuple[timedelta, ...] = tuple(timedelta(days=n) for n in (30, 37, 60, 67))

    @property
    def plan_steps(self) -> tuple[timedelta, ...]:
        return (*self.plan_reminders, self.plan)


class SilenceStep(StrEnum):
    """In the order of the terms."""

    CREATOR_REMINDED = "creator_reminded"
    BACKERS_MAY_ASK = "backers_may_ask"
    STAGE_HELD = "stage_held"
    STAFF_TOLD = "staff_told"


@dataclass(frozen=True, slots=True)
class LetterOwed:
    """A failure letter: asked for step by step, until it is written."""

    steps: Steps
    written_as: str | None = None
    unexplained_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """How long nothing was heard, and how many backers have asked since."""

    steps: Steps
    askers: int = 0

    @property
    def may_ask(self) -> bool:
        return self.steps.taken > list(SilenceStep).index(SilenceStep.BACKERS_MAY_ASK)

    @property
    def reached(self) -> SilenceStep | None:
        """Return the last step that was reached."""
        return list(SilenceStep)[self.steps.taken - 1] if self.steps.taken else None


@dataclass(frozen=True, slots=True)
class FollowUp:
    """`silence` is watched from a met goal to the last stage. `version` guards every save.

    What moves it makes it due at once; the look at it takes what is due and knows the next time.
    """

    campaign_id: str
    problems: tuple[Problem, ...] = ()
    letter: LetterOwed | None = None
    silence: Silence | None = None
    last_said_at: datetime | None = None
    next_due: datetime | None = None
    version: int = 0

    @property
    def staff_since(self) -> datetime | None:
        """Since when it is staff's turn, None where it is not.

        A term ended without a recovery plan, or a silence reached the step at which staff are told.
        """
        waits = [one.term.ended_at for one in self.problems if one.term]
        waits += [self.silence.steps.ended_at] if self.silence else []
        return min((at for at in waits if at is not None), default=None)

    @property
    def ended(self) -> bool:
        """Whether it ended without its goal: its letter is owed or written since."""
        return self.letter is not None


@dataclass(frozen=True, slots=True)
class ProblemResolved:
    campaign_id: str
    problem: Problem


@dataclass(frozen=True, slots=True)
class ProblemGraded:
    """`audience` is told that a delay is an emergency now; None where nobody need be."""

    campaign_id: str
    problem_id: str
    grade: Grade
    audience: Audience | None = None


@dataclass(frozen=True, slots=True)
class RecoveryPlanReminderDue:
    """An emergency's plan is due soon."""

    campaign_id: str
    problem_id: str
    number: int
    due_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class RecoveryPlanMissing:
    """No plan came: staff have a case, and backers are told so."""

    campaign_id: str
    problem_id: str
    due_at: datetime
    at: datetime
    audience: Audience


class Occasion(StrEnum):
    """Why a letter is asked for."""

    VERDICT = "verdict"
    MILESTONE = "milestone"
    CAMPAIGN_ENDED = "campaign_ended"


@dataclass(frozen=True, slots=True)
class LetterAsked:
    """The creator is asked for a letter, for the first time or again; `stage` is a milestone's."""

    campaign_id: str
    kind: UpdateKind
    occasion: Occasion
    number: int
    at: datetime
    stage: int | None = None


@dataclass(frozen=True, slots=True)
class SilenceStepReached:
    campaign_id: str
    step: SilenceStep
    since: datetime
    askers: int
    at: datetime


FollowUpFact = (
    ProblemResolved
    | ProblemGraded
    | RecoveryPlanReminderDue
    | RecoveryPlanMissing
    | LetterAsked
    | SilenceStepReached
)
Moved = tuple[FollowUp, tuple[FollowUpFact, ...]]


@dataclass(frozen=True, slots=True)
class Word:
    """An update as far as it moves what is owed."""

    update_id: str
    kind: UpdateKind
    at: datetime
    severity: Severity | None = None
    answers: str | None = None
    resolves: tuple[str, ...] = ()
    declared_promptly: bool | None = None


def word_of(
    update_id: str, parts: Parts, kind: UpdateKind, resolves: tuple[str, ...], at: datetime
) -> Word:
    """Return what an update says of what is owed."""
    emergency = parts if isinstance(parts, Emergency) else None
    severity = emergency.severity if emergency else None
    promptly = emergency.declared_promptly(at) if emergency else None
    answers = parts.answers if isinstance(parts, RecoveryPlan) else None
    return Word(update_id, kind, at, severity, answers, resolves, promptly)


def take_word(follow_up: FollowUp, word: Word) -> Moved:
    """Something was published: problems open, are answered or end; silence begins anew.

    Raises `Refused` where it names a problem that is not there, or not open.
    """
    problems = list(follow_up.problems)
    if word.answers is not None:
        _put(problems, answer(find(problems, word.answers), word.update_id))
    facts: list[FollowUpFact] = []
    for problem_id in word.resolves:
        before = find(problems, problem_id)
        after = resolve(before, word.update_id, word.at)
        _put(problems, after)
        facts += [ProblemResolved(follow_up.campaign_id, after)] if after != before else []
    opened = _opened(word, follow_up.ended)
    if opened is not None and all(one.problem_id != word.update_id for one in problems):
        problems.append(opened)
    moved = replace(
        follow_up,
        problems=tuple(problems),
        letter=_letter_after(follow_up.letter, word),
        silence=Silence(Steps(word.at)) if follow_up.silence else None,
        last_said_at=word.at,
        next_due=word.at,
    )
    return moved, tuple(facts)


def grade_problem(follow_up: FollowUp, problem_id: str, grade: Grade, audience: Audience) -> Moved:
    """Staff raise or lower a problem; the same grade again changes nothing.

    An emergency reaches every backer, also one that began as a delay: `audience` is told of it. How
    bad one is that they know of already is told to nobody again.
    """
    before = find(follow_up.problems, problem_id)
    after = regrade(before, grade, ended=follow_up.ended)
    if after == before:
        return follow_up, ()
    problems = list(follow_up.problems)
    _put(problems, after)
    raised = after.kind is ProblemKind.EMERGENCY and before.kind is not after.kind
    fact = ProblemGraded(follow_up.campaign_id, problem_id, grade, audience if raised else None)
    return replace(follow_up, problems=tuple(problems), next_due=grade.at), (fact,)


def take_goal_met(follow_up: FollowUp, at: datetime) -> Moved:
    """The goal was met: a thank-you letter is asked for, and silence is watched from now on."""
    since = max(at, follow_up.last_said_at or at)
    watched = replace(follow_up, silence=Silence(Steps(since)), next_due=at)
    thanks = LetterAsked(follow_up.campaign_id, UpdateKind.THANK_YOU, Occasion.VERDICT, 1, at)
    return watched, (thanks,)


def take_end(follow_up: FollowUp, at: datetime) -> FollowUp:
    """It ended without its goal: reasons are owed from now on, plans and updates no longer."""
    letter = follow_up.letter or LetterOwed(Steps(at))
    problems = tuple(replace(problem, term=None) for problem in follow_up.problems)
    return replace(follow_up, letter=letter, problems=problems, silence=None, next_due=at)


def take_milestone(follow_up: FollowUp, stage: int, at: datetime) -> LetterAsked:
    """A milestone is approved: the creator is asked for a thank-you letter."""
    kind, occasion = UpdateKind.THANK_YOU, Occasion.MILESTONE
    return LetterAsked(follow_up.campaign_id, kind, occasion, 1, at, stage)


def take_last_stage(follow_up: FollowUp) -> FollowUp:
    """The last stage is paid: silence holds nothing any more."""
    return replace(follow_up, silence=None)


def take_question(follow_up: FollowUp) -> FollowUp:
    """A backer asks what is going on; who it was is kept nowhere in here."""
    if follow_up.silence is None or not follow_up.silence.may_ask:
        raise Refused("not-silent", "the creator has been heard lately")
    silence = replace(follow_up.silence, askers=follow_up.silence.askers + 1)
    return replace(follow_up, silence=silence)


def take_time(
    follow_up: FollowUp, audience: Audience, terms: FollowUpTerms, now: datetime
) -> Moved:
    """Take every step that is due; `audience` is told where no plan came."""
    follow_up, asked = _ask_letter(follow_up, terms, now)
    follow_up, plans = _ask_plans(follow_up, audience, terms, now)
    follow_up, silent = _break_silence(follow_up, terms, now)
    next_due = min(_dues(follow_up, terms), default=None)
    return replace(follow_up, next_due=next_due), (*asked, *plans, *silent)


def _ask_letter(follow_up: FollowUp, terms: FollowUpTerms, now: datetime) -> Moved:
    letter = follow_up.letter
    if letter is None or letter.written_as is not None:
        return follow_up, ()
    steps, places = letter.steps.take(terms.failure_letter, now)
    if not places:
        return follow_up, ()
    # After a long absence the creator is asked once, not three times at once.
    number = places[-1] + 1
    last = now if number == len(terms.failure_letter) else None
    moved = replace(follow_up, letter=replace(letter, steps=steps, unexplained_since=last))
    kind, occasion = UpdateKind.FAILURE_LETTER, Occasion.CAMPAIGN_ENDED
    fact = LetterAsked(follow_up.campaign_id, kind, occasion, number, now)
    return moved, (fact,)


def _ask_plans(
    follow_up: FollowUp, audience: Audience, terms: FollowUpTerms, now: datetime
) -> Moved:
    problems, facts = list(follow_up.problems), list[FollowUpFact]()
    for problem in follow_up.problems:
        if problem.term is None:
            continue
        steps, places = problem.term.take(terms.plan_steps, now)
        _put(problems, replace(problem, term=steps))
        if not places:
            continue
        due_at, named = steps.since + terms.plan, (follow_up.campaign_id, problem.problem_id)
        number = places[-1] + 1
        if number == len(terms.plan_steps):
            facts.append(RecoveryPlanMissing(*named, due_at, now, audience))
        else:
            facts.append(RecoveryPlanReminderDue(*named, number, due_at, now))
    return replace(follow_up, problems=tuple(problems)), tuple(facts)


def _break_silence(follow_up: FollowUp, terms: FollowUpTerms, now: datetime) -> Moved:
    silence = follow_up.silence
    if silence is None:
        return follow_up, ()
    steps, places = silence.steps.take(terms.silence, now)
    since, askers = silence.steps.since, silence.askers
    # Each step has an effect of its own, so none is left out after a long absence.
    facts = [
        SilenceStepReached(follow_up.campaign_id, step, since, askers, now)
        for place, step in enumerate(SilenceStep)
        if place in places
    ]
    return replace(follow_up, silence=replace(silence, steps=steps)), tuple(facts)


def _opened(word: Word, ended: bool) -> Problem | None:
    if word.kind is UpdateKind.EMERGENCY:
        # The view that let it through may not have heard of the end yet, which refuses the plan.
        return Problem(
            word.update_id,
            ProblemKind.EMERGENCY,
            word.at,
            word.severity,
            term=None if ended else Steps(word.at),
            declared_promptly=word.declared_promptly,
        )
    if word.kind is UpdateKind.DELAY_NOTICE:
        return Problem(word.update_id, ProblemKind.DELAY_NOTICE, word.at)
    return None


def _letter_after(letter: LetterOwed | None, word: Word) -> LetterOwed | None:
    if word.kind is not UpdateKind.FAILURE_LETTER:
        return letter
    owed = letter or LetterOwed(Steps(word.at))
    written = owed.written_as or word.update_id
    return replace(owed, written_as=written, unexplained_since=None)


def _put(problems: list[Problem], problem: Problem) -> None:
    for place, known in enumerate(problems):
        if known.problem_id == problem.problem_id:
            problems[place] = problem


def _dues(follow_up: FollowUp, terms: FollowUpTerms) -> Iterable[datetime]:
    waits: list[tuple[Steps, Sequence[timedelta]]] = [
        (problem.term, terms.plan_steps) for problem in follow_up.problems if problem.term
    ]
    if follow_up.letter is not None and follow_up.letter.written_as is None:
        waits.append((follow_up.letter.steps, terms.failure_letter))
    if follow_up.silence is not None:
        waits.append((follow_up.silence.steps, terms.silence))
    return (due for steps, delays in waits if (due := steps.next_due(delays)) is not None)
