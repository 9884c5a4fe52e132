"""A problem: opened by a delay notice or an emergency, open until a later update resolves it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from updates.domain.errors import Refused
from updates.domain.kinds import Severity
from updates.domain.steps import Steps


class ProblemKind(StrEnum):
    DELAY_NOTICE = "delay_notice"
    EMERGENCY = "emergency"


@dataclass(frozen=True, slots=True)
class Grade:
    """Staff's word that a problem is worse, or not so bad, with the reason for it."""

    kind: ProblemKind
    severity: Severity | None
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Problem:
    """Named by the update that opened it.

    `term` is that of an emergency's recovery plan, None where none is awaited any more: it is
    there, or the campaign ended without its goal and none is published now. `plan` is the update
    that is the plan. `declared_promptly` is whether an emergency was declared soon after its fact;
    None for what its creator declared no emergency.
    """

    problem_id: str
    kind: ProblemKind
    opened_at: datetime
    severity: Severity | None = None
    term: Steps | None = None
    plan: str | None = None
    resolved_by: str | None = None
    resolved_at: datetime | None = None
    grade: Grade | None = None
    declared_promptly: bool | None = None

    @property
    def open(self) -> bool:
        return self.resolved_at is None

    @property
    def unanswered(self) -> bool:
        """Whether it is an emergency whose plan is still to come; a term that is over waits on."""
        awaited = self.plan is None and self.term is not None
        return self.open and self.kind is ProblemKind.EMERGENCY and awaited

    @property
    def plan_missing(self) -> bool:
        """Whether the term of its plan ended, and none has come since."""
        return self.term is not None and self.term.ended_at is not None

    @property
    def hours_open(self) -> int | None:
        """Return how long it stayed open, in whole hours; None while it is."""
        if self.resolved_at is None:
            return None
        return int((self.resolved_at - self.opened_at).total_seconds() // 3600)


def emergency_open(problems: Sequence[Problem]) -> bool:
    """Whether an emergency waits for its plan: what was scheduled before it does not go out."""
    return any(problem.unanswered for problem in problems)


def open_first(problems: Sequence[Problem]) -> list[Problem]:
    """Return open problems, then resolved ones, the youngest of each first."""
    young = sorted(problems, key=lambda one: (one.opened_at, one.problem_id), reverse=True)
    return sorted(young, key=lambda one: not one.open)


def find(problems: Sequence[Problem], problem_id: str) -> Problem:
    """Return the problem, or raise `Refused` where there is none of this name."""
    for problem in problems:
        if problem.problem_id == problem_id:
            return problem
    raise Refused("problem-unknown", f"update {problem_id} has opened no problem here")


def resolve(problem: Problem, update_id: str, now: datetime) -> Problem:
    """End it; an emergency ends with its plan or after it. The same again is the same."""
    if problem.resolved_by == update_id:
        return problem
    if not problem.open:
        raise Refused("problem-resolved", f"update {problem.resolved_by} has resolved it")
    if problem.unanswered:
        raise Refused("plan-missing", "an emergency is resolved with its recovery plan or after it")
    return replace(problem, resolved_by=update_id, resolved_at=now, term=None)


def answer(problem: Problem, update_id: str) -> Problem:
    """Give an emergency its plan, or a later one; nobody is reminded of it any more."""
    if problem.kind is not ProblemKind.EMERGENCY:
        raise Refused("not-an-emergency", f"problem {problem.problem_id} needs no recovery plan")
    return replace(problem, plan=update_id, term=None)


def regrade(problem: Problem, grade: Grade, *, ended: bool = False) -> Problem:
    """Raise it to an emergency, with a new term, or lower it; the same grade is the same.

    In a campaign that ended without its goal no plan can come, and it has no term.
    """
    if (problem.kind, problem.severity) == (grade.kind, grade.severity):
        return problem
    if not problem.open:
        raise Refused("problem-resolved", f"update {problem.resolved_by} has resolved it")
    if (grade.kind is ProblemKind.EMERGENCY) is (grade.severity is None):
        raise Refused("invalid-part", "an emergency has a severity, and only an emergency has one")
    moved = replace(problem, kind=grade.kind, severity=grade.severity, grade=grade)
    if grade.kind is problem.kind:
        return moved
    if grade.kind is ProblemKind.DELAY_NOTICE:
        return replace(moved, term=None)
    return replace(moved, term=None if ended else Steps(grade.at), plan=None)
