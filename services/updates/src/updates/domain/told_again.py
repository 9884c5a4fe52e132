"""What our own facts say of what a campaign owes in words, read back after a restored backup.

Each is true whether or not the backup knows it already: what is taken is not taken back.
"""

from dataclasses import replace
from datetime import datetime

from updates.domain.errors import Refused
from updates.domain.follow_up import FollowUp, LetterOwed, Silence, SilenceStep, Word, take_word
from updates.domain.problem import Grade, regrade
from updates.domain.steps import Steps


def word_again(follow_up: FollowUp, word: Word) -> FollowUp:
    """An update was published; a problem that the backup does not know cannot be ended."""
    if follow_up.last_said_at is not None and word.at < follow_up.last_said_at:
        return follow_up
    known = {problem.problem_id for problem in follow_up.problems}
    answers = word.answers if word.answers in known else None
    ends = tuple(one.problem_id for one in follow_up.problems if one.open)
    resolves = tuple(one for one in word.resolves if one in ends)
    try:
        return take_word(follow_up, replace(word, answers=answers, resolves=resolves))[0]
    except Refused:
        return take_word(follow_up, replace(word, answers=None, resolves=()))[0]


def grade_again(follow_up: FollowUp, problem_id: str, grade: Grade) -> FollowUp:
    """Staff have graded a problem."""
    problems = tuple(
        regrade(one, grade, ended=follow_up.ended)
        if one.problem_id == problem_id and one.open
        else one
        for one in follow_up.problems
    )
    return replace(follow_up, problems=problems, next_due=grade.at)


def plan_asked_again(follow_up: FollowUp, problem_id: str, taken: int) -> FollowUp:
    """So many steps of an emergency's term were taken."""
    problems = tuple(
        replace(one, term=_at_least(one.term, taken))
        if one.problem_id == problem_id and one.term is not None
        else one
        for one in follow_up.problems
    )
    return replace(follow_up, problems=problems)


def letter_asked_again(follow_up: FollowUp, number: int, at: datetime, *, last: bool) -> FollowUp:
    """A failure letter was asked for so many times; after the last the page says so."""
    letter = follow_up.letter or LetterOwed(Steps(at))
    since = at if last and letter.written_as is None else letter.unexplained_since
    steps = _at_least(letter.steps, number)
    owed = replace(letter, steps=steps, unexplained_since=since)
    return replace(follow_up, letter=owed, silence=None, next_due=follow_up.next_due or at)


def silence_again(
    follow_up: FollowUp, step: SilenceStep, since: datetime, askers: int, at: datetime
) -> FollowUp:
    """A step of a silence was reached."""
    silence = follow_up.silence
    if silence is None or silence.steps.since < since:
        silence = Silence(Steps(since))
    steps = _at_least(silence.steps, list(SilenceStep).index(step) + 1)
    again = replace(silence, steps=steps, askers=max(askers, silence.askers))
    return replace(follow_up, silence=again, next_due=follow_up.next_due or at)


def _at_least(steps: Steps, taken: int) -> Steps:
    return replace(steps, taken=max(steps.taken, taken))
