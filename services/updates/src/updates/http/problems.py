"""Routes about what a campaign owes in words: staff grade problems, backers ask after a silence."""

from typing import Annotated

from fastapi import FastAPI
from pydantic import Field

from servicekit.access import Guard
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork
from updates.domain.follow_up import FollowUpTerms
from updates.domain.kinds import Severity
from updates.domain.problem import Grade, ProblemKind
from updates.handlers.follow_up import ask
from updates.handlers.grade import grade
from updates.handlers.publish import PledgesPosition
from updates.http.callers import Callers, unknown_campaign
from updates.http.follow_up_views import FollowUpView, follow_up_view
from updates.http.models import Body
from updates.http.paths import CampaignId, UpdateId
from updates.ports.unit import UpdatesUnit


class GradeBody(Body):
    """What the problem is from now on, and why; an emergency has a severity."""

    kind: ProblemKind
    severity: Severity | None = None
    reason: Annotated[str, Field(min_length=1, max_length=1_000)]


def add_problem_routes(
    api: FastAPI,
    guard: Guard,
    callers: Callers,
    units: UnitsOfWork[UpdatesUnit],
    clock: Clock,
    pledges: PledgesPosition,
    terms: FollowUpTerms,
) -> None:
    """Add them."""

    @api.post("/campaigns/{campaign_id}/problems/{update_id}/grade")
    async def post_grade(
        caller: Annotated[Principal, guard.allow(Role.STAFF)],
        campaign_id: CampaignId,
        update_id: UpdateId,
        body: GradeBody,
    ) -> FollowUpView:
        """Raise a problem to an emergency, or lower one; the same grade again changes nothing.

        Every backer is told of a delay that became an emergency.
        """
        given = Grade(body.kind, body.severity, caller.subject, body.reason, clock.now())
        moved = await units.run(lambda unit: grade(unit, pledges, campaign_id, update_id, given))
        return follow_up_view(moved, terms)

    @api.post("/campaigns/{campaign_id}/silence/questions")
    async def post_question(
        caller: Annotated[Principal, guard.allow(callers.backer, unknown=unknown_campaign)],
        campaign_id: CampaignId,
    ) -> FollowUpView:
        """Ask what is going on after a long silence: counted once, and nobody is named."""
        moved = await units.run(lambda unit: ask(unit, campaign_id, caller.subject))
        return follow_up_view(moved, terms)
