"""The staff's queue of campaigns whose emergency has no plan in time, or that are silent."""

from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Query
from pydantic import BaseModel, Field

from servicekit.access import Guard
from servicekit.auth import Role
from servicekit.cursors import cursor_of, place_of
from updates.domain.follow_up import FollowUp, FollowUpTerms
from updates.http.follow_up_views import ProblemView, SilenceView, problem_view, silence_view
from updates.http.paths import Limit
from updates.ports.follow_ups import FollowUpQueries

# A place in the queue names a campaign beside an instant.
QueueCursor = Annotated[str, Query(max_length=300, description="`next_cursor` of the page before.")]


class WaitingView(BaseModel):
    """A campaign about which staff decide, and what they decide about."""

    campaign_id: str
    waiting_since: datetime = Field(description="When the first of it became staff's turn.")
    problems: list[ProblemView] = Field(description="Emergencies whose term ended without a plan.")
    silence: SilenceView | None = Field(description="Where it reached the step of staff.")


class WaitingPage(BaseModel):
    items: list[WaitingView]
    next_cursor: str | None


def add_follow_up_queue_route(
    api: FastAPI, guard: Guard, queries: FollowUpQueries, terms: FollowUpTerms
) -> None:
    """Add it."""

    @api.get("/queues/follow-ups", dependencies=[guard.allow(Role.STAFF)])
    async def read_follow_ups(cursor: QueueCursor = "", limit: Limit = 50) -> WaitingPage:
        """List campaigns without a recovery plan in time, or silent for long, the longest first.

        One leaves the queue by itself: with its plan, an emergency that staff lower, the next
        update, its last stage or its end.
        """
        found = await queries.follow_ups_for_staff(place_of(cursor), limit)
        items = [_view(one, terms) for one in found]
        full = len(items) == limit
        last = cursor_of((items[-1].waiting_since, items[-1].campaign_id)) if full else None
        return WaitingPage(items=items, next_cursor=last)


def _view(follow_up: FollowUp, terms: FollowUpTerms) -> WaitingView:
    since, silence = follow_up.staff_since, follow_up.silence
    assert since is not None
    return WaitingView(
        campaign_id=follow_up.campaign_id,
        waiting_since=since,
        problems=[problem_view(one, terms) for one in follow_up.problems if one.plan_missing],
        silence=silence_view(silence) if silence and silence.steps.ended_at else None,
    )
