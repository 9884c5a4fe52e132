"""Routes of what waits to be published: list, withdraw, schedule."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import FastAPI, Response

from servicekit.access import Guard
from servicekit.auth import Principal
from servicekit.clock import Clock
from servicekit.cursors import place_of
from servicekit.units import UnitsOfWork
from updates.domain.emergency import form_expired
from updates.domain.update import Update
from updates.handlers.publish import PublishingTerms, withdraw_draft
from updates.handlers.schedule import schedule_update, unschedule_update
from updates.http.callers import Callers, unknown_campaign, unknown_update
from updates.http.editions import IfMatch, edition_of, tagged
from updates.http.models import ScheduleBody, UpdatePage, UpdateView
from updates.http.paths import CampaignId, Cursor, Limit, UpdateId
from updates.http.views import behind, update_view
from updates.ports.queries import Queries
from updates.ports.unit import UpdatesUnit


def add_draft_routes(
    api: FastAPI,
    guard: Guard,
    callers: Callers,
    units: UnitsOfWork[UpdatesUnit],
    queries: Queries,
    clock: Clock,
    terms: PublishingTerms,
) -> None:
    """Add them."""
    editor = callers.editor

    async def answer(
        work: Callable[[UpdatesUnit], Awaitable[Update]], response: Response
    ) -> UpdateView:
        update = await units.run(work)
        return tagged(update, response, await queries.follow_up(update.campaign_id))

    @api.get("/campaigns/{campaign_id}/drafts")
    async def list_drafts(
        caller: Annotated[Principal, guard.allow(editor, unknown=unknown_campaign)],
        campaign_id: CampaignId,
        cursor: Cursor = "",
        limit: Limit = 50,
    ) -> UpdatePage:
        """List drafts and scheduled updates, the youngest first; an emergency's form by its author.

        What an emergency keeps back says so. A page may be shorter than asked for;
        `next_cursor` says whether there is another.
        """
        found = await queries.drafts(campaign_id, place_of(cursor), limit)
        last = behind(found[-1]) if len(found) == limit else None
        now = clock.now()
        readable = [one for one in found if await callers.may_read(caller, one)]
        shown = [one for one in readable if not form_expired(one, now, terms.form_kept)]
        braked = await queries.follow_up(campaign_id)
        return UpdatePage(items=[update_view(one, braked) for one in shown], next_cursor=last)

    @api.post(
        "/campaigns/{campaign_id}/updates/{update_id}/withdrawal",
        dependencies=[guard.allow(editor, unknown=unknown_update)],
    )
    async def withdraw(
        campaign_id: CampaignId, update_id: UpdateId, response: Response, if_match: IfMatch = ""
    ) -> UpdateView:
        """Take back a draft, scheduled or not; what was published is only corrected (409)."""
        edition = edition_of(if_match)
        return await answer(
            lambda unit: withdraw_draft(unit, campaign_id, update_id, edition), response
        )

    @api.put(
        "/campaigns/{campaign_id}/updates/{update_id}/schedule",
        dependencies=[guard.allow(editor, unknown=unknown_update)],
    )
    async def put_schedule(
        campaign_id: CampaignId,
        update_id: UpdateId,
        body: ScheduleBody,
        response: Response,
        if_match: IfMatch = "",
    ) -> UpdateView:
        """Let the draft go out by itself at a time, or move that time."""
        edition = edition_of(if_match)
        return await answer(
            lambda unit: schedule_update(
                unit, campaign_id, update_id, body.publish_at, edition, clock.now()
            ),
            response,
        )

    @api.delete(
        "/campaigns/{campaign_id}/updates/{update_id}/schedule",
        dependencies=[guard.allow(editor, unknown=unknown_update)],
    )
    async def delete_schedule(
        campaign_id: CampaignId, update_id: UpdateId, response: Response
    ) -> UpdateView:
        """Make it an ordinary draft again."""
        return await answer(lambda unit: unschedule_update(unit, campaign_id, update_id), response)
