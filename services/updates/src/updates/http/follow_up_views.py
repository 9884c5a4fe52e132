"""What a campaign owes in words, as everybody sees it."""

from datetime import datetime

from pydantic import BaseModel, Field

from updates.domain.follow_up import FollowUp, FollowUpTerms, Silence
from updates.domain.problem import Problem, open_first

UNEXPLAINED = {
    "fr": "L'initiateur n'a pas encore expliqué les raisons.",
    "en": "The creator has not explained the reasons yet.",
}
PLAN_MISSING = {
    "fr": "Aucun plan de redressement n'a été publié dans le délai.",
    "en": "No recovery plan came in time.",
}
PROMPTLY = {"fr": "Signalé sans attendre", "en": "Declared promptly"}


class ProblemView(BaseModel):
    """A problem by the update that opened it; `hours_open` once it is resolved."""

    update_id: str
    kind: str
    severity: str | None
    opened_at: datetime
    declared_promptly: dict[str, str] | None = Field(
        description="A line per language where an emergency was declared soon after its fact."
    )
    recovery_plan: str | None = Field(description="The update that is its recovery plan.")
    plan_due_at: datetime | None = Field(
        description="When the recovery plan is due, or was; null where none is awaited any more."
    )
    plan_missing: dict[str, str] | None = Field(
        description="A line per language where that time is over and no plan has come."
    )
    resolved_by: str | None
    resolved_at: datetime | None
    hours_open: int | None
    graded_because: str | None = Field(description="Why staff raised or lowered it.")


class SilenceView(BaseModel):
    """When something was last heard, the step that was reached, and how many have asked."""

    since: datetime
    step: str | None
    askers: int
    may_ask: bool


class FollowUpView(BaseModel):
    """Open problems first. `unexplained` is a line per language where reasons are owed."""

    problems: list[ProblemView] = []
    silence: SilenceView | None = None
    unexplained_since: datetime | None = None
    unexplained: dict[str, str] | None = None


def follow_up_view(follow_up: FollowUp | None, terms: FollowUpTerms) -> FollowUpView:
    """Show it; the terms say when the plan of an emergency is due."""
    if follow_up is None:
        return FollowUpView()
    letter, silence = follow_up.letter, follow_up.silence
    since = letter.unexplained_since if letter else None
    return FollowUpView(
        problems=[problem_view(one, terms) for one in open_first(follow_up.problems)],
        silence=silence_view(silence) if silence else None,
        unexplained_since=since,
        unexplained=UNEXPLAINED if since else None,
    )


def silence_view(silence: Silence) -> SilenceView:
    return SilenceView(
        since=silence.steps.since,
        step=silence.reached and silence.reached.value,
        askers=silence.askers,
        may_ask=silence.may_ask,
    )


def problem_view(problem: Problem, terms: FollowUpTerms) -> ProblemView:
    return ProblemView(
        update_id=problem.problem_id,
        kind=problem.kind.value,
        severity=problem.severity.value if problem.severity else None,
        opened_at=problem.opened_at,
        declared_promptly=PROMPTLY if problem.declared_promptly else None,
        recovery_plan=problem.plan,
        plan_due_at=problem.term.since + terms.plan if problem.term else None,
        plan_missing=PLAN_MISSING if problem.plan_missing else None,
        resolved_by=problem.resolved_by,
        resolved_at=problem.resolved_at,
        hours_open=problem.hours_open,
        graded_because=problem.grade.reason if problem.grade else None,
    )
