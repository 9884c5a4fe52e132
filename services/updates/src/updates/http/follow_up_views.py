"""What a campaign owes in words, as everybody sees it."""

from datetime import datetime

from pydantic import BaseModel, Field

from updates.domain.follow_up import FollowUp
from updates.domain.problem import Problem, open_first

UNEXPLAINED = {
    "fr": "L'initiateur n'a pas encore expliqué les raisons.",
    "en": "The creator has not explained the reasons yet.",
}


class ProblemView(BaseModel):
    """A problem by the update that opened it; `hours_open` once it is resolved."""

    update_id: str
    kind: str
    severity: str | None
    opened_at: datetime
    recovery_plan: str | None = Field(description="The update that is its recovery plan.")
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


def follow_up_view(follow_up: FollowUp | None) -> FollowUpView:
    if follow_up is None:
        return FollowUpView()
    letter, silence = follow_up.letter, follow_up.silence
    since = letter.unexplained_since if letter else None
    return FollowUpView(
        problems=[_problem_view(one) for one in open_first(follow_up.problems)],
        silence=silence
        and SilenceView(
            since=silence.steps.since,
            step=silence.reached and silence.reached.value,
            askers=silence.askers,
            may_ask=silence.may_ask,
        ),
        unexplained_since=since,
        unexplained=UNEXPLAINED if since else None,
    )


def _problem_view(problem: Problem) -> ProblemView:
    return ProblemView(
        update_id=problem.problem_id,
        kind=problem.kind.value,
        severity=problem.severity.value if problem.severity else None,
        opened_at=problem.opened_at,
        recovery_plan=problem.plan,
        resolved_by=problem.resolved_by,
        resolved_at=problem.resolved_at,
        hours_open=problem.hours_open,
        graded_because=problem.grade.reason if problem.grade else None,
    )
