"""Routes of what changes behind the publication: corrections and their history."""

from datetime import timedelta
from typing import Annotated

from fastapi import FastAPI, Path, Query, Response

from servicekit.access import Guard
from servicekit.auth import Principal
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork
from updates.domain.correction import Correcting
from updates.handlers.correct import correct_update
from updates.handlers.publish import PledgesPosition
from updates.http.bodies import CorrectionBody
from updates.http.callers import INSIDERS, Callers, unknown_update
from updates.http.editions import tagged
from updates.http.models import RevisionPage, UpdateView
from updates.http.paths import CampaignId, Limit, UpdateId
from updates.http.views import content_from, revision_view
from updates.ports.queries import Queries
from updates.ports.unit import UpdatesUnit

Number = Annotated[int, Path(ge=2, le=1_000_000)]
Before = Annotated[int | None, Query(ge=1, description="`next_cursor` of the page before.")]


def add_revision_routes(
    api: FastAPI,
    guard: Guard,
    callers: Callers,
    units: UnitsOfWork[UpdatesUnit],
    queries: Queries,
    clock: Clock,
    pledges: PledgesPosition,
    window: timedelta,
) -> None:
    """Add them; what is published is edited for `window`, later corrected."""

    @api.put("/campaigns/{campaign_id}/updates/{update_id}/revisions/{number}")
    async def put_revision(
        caller: Annotated[Principal, guard.allow(callers.editor, unknown=unknown_update)],
        campaign_id: CampaignId,
        update_id: UpdateId,
        number: Number,
        body: CorrectionBody,
        response: Response,
    ) -> UpdateView:
        """Say otherwise what is published; its number is one more than the revision that was read.

        For a while (by default half an hour) it is edited, later corrected for everybody to see,
        with a reason.
        """
        content = content_from(body.draft, caller.subject)
        asked = Correcting(number, content, body.reason, body.changes_a_right, caller.subject)
        update = await units.run(
            lambda unit: correct_update(
                unit, pledges, campaign_id, update_id, asked, clock.now(), window
            )
        )
        return tagged(update, response)

    @api.get("/campaigns/{campaign_id}/updates/{update_id}/revisions")
    async def list_revisions(
        caller: Annotated[Principal | None, guard.anybody(INSIDERS)],
        campaign_id: CampaignId,
        update_id: UpdateId,
        cursor: Before = None,
        limit: Limit = 50,
    ) -> RevisionPage:
        """List what it said before, the latest first; early edits to its team."""
        update = await queries.update(campaign_id, update_id)
        if update is None or not await callers.may_read(caller, update):
            raise unknown_update()
        inside = await callers.is_inside(caller, campaign_id)
        found = await queries.revisions(
            campaign_id, update_id, cursor, limit, corrections=not inside
        )
        last = found[-1].number if len(found) == limit else None
        return RevisionPage(items=[revision_view(one) for one in found], next_cursor=last)
