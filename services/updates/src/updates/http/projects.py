"""The route of the project view."""

from typing import Annotated

from fastapi import FastAPI

from servicekit.access import Guard
from servicekit.auth import Principal
from servicekit.clock import Clock
from updates.domain.follow_up import FollowUpTerms
from updates.domain.plan_terms import PlanTerms
from updates.http.callers import INSIDERS, Callers, unknown_campaign
from updates.http.paths import CampaignId
from updates.http.project_views import ProjectView, project_view
from updates.ports.queries import Queries

NEWEST = 5
LAST_MOVES = 5


def add_project_route(
    api: FastAPI,
    guard: Guard,
    callers: Callers,
    queries: Queries,
    clock: Clock,
    terms: FollowUpTerms,
    plan_terms: PlanTerms,
) -> None:
    """Add it."""
    reader = guard.anybody(INSIDERS)

    @api.get("/campaigns/{campaign_id}")
    async def read_project(
        caller: Annotated[Principal | None, reader], campaign_id: CampaignId
    ) -> ProjectView:
        """Show the project: verdict, figures with their as-of, stages, plan, newest updates."""
        project = await queries.project(campaign_id)
        if project is None or project.profile is None:
            raise unknown_campaign()
        sight = await callers.sight(caller, campaign_id)
        return project_view(
            project,
            await queries.published(campaign_id, None, NEWEST, sight),
            await queries.follow_up(campaign_id),
            terms,
            await queries.counts(campaign_id),
            await queries.promised(campaign_id, LAST_MOVES),
            plan_terms,
            await queries.whole_at(),
            clock.now(),
        )
