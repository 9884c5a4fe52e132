"""Routes of updates: draft, preview, publish, list, read."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import FastAPI, Response

from servicekit.access import Guard
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.cursors import place_of
from servicekit.descriptions import files
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork
from updates.domain.calendar import calendar
from updates.domain.emergency import form_expired
from updates.domain.kinds import News
from updates.domain.phases import check_may_publish
from updates.domain.update import Audience, Update, UpdateState
from updates.handlers.publish import (
    PledgesPosition,
    PublishingTerms,
    audience_of,
    publish_update,
    write_draft,
)
from updates.http.bodies import DraftBody
from updates.http.callers import DRAFTS, INSIDERS, Callers, unknown_campaign, unknown_update
from updates.http.editions import IfMatch, edition_of, tagged
from updates.http.models import AudienceView, PreviewView, PublishBody, UpdatePage, UpdateView
from updates.http.paths import CampaignId, Cursor, Limit, UpdateId
from updates.http.views import behind, content_from, preview_view, update_view
from updates.metrics import PUBLISHED
from updates.ports.queries import Queries
from updates.ports.unit import UpdatesUnit


def add_update_routes(
    api: FastAPI,
    guard: Guard,
    callers: Callers,
    units: UnitsOfWork[UpdatesUnit],
    queries: Queries,
    clock: Clock,
    pledges: PledgesPosition,
    terms: PublishingTerms,
) -> None:
    """Add them."""
    editor = callers.editor
    author = guard.allow(editor, unknown=unknown_campaign)
    reader = guard.anybody(INSIDERS)

    @api.put("/campaigns/{campaign_id}/updates/{update_id}")
    async def put_draft(
        caller: Annotated[Principal, author],
        campaign_id: CampaignId,
        update_id: UpdateId,
        body: DraftBody,
        response: Response,
        if_match: IfMatch = "",
    ) -> UpdateView:
        """Write or rewrite a draft as its author; a published update is not changed (409)."""
        edition = edition_of(if_match)
        content = content_from(body.root, caller.subject)
        update = await units.run(
            lambda unit: write_draft(
                unit, campaign_id, update_id, content, clock.now(), edition, terms
            )
        )
        return tagged(update, response)

    @api.get(
        "/campaigns/{campaign_id}/updates/{update_id}/audience",
        dependencies=[guard.allow(Role.STAFF, editor, unknown=unknown_update)],
    )
    async def read_audience(campaign_id: CampaignId, update_id: UpdateId) -> AudienceView:
        """Show exactly how many would be told if it were published now, and as of when."""
        update = await _update(queries, campaign_id, update_id)

        async def work(unit: UpdatesUnit) -> Audience:
            found = (await unit.projects.load([campaign_id])).get(campaign_id)
            return await audience_of(unit, pledges, check_may_publish(found, update.content.kind))

        audience = await units.run(work)
        return AudienceView(pledges_sequence=audience.pledges_sequence, count=audience.count)

    @api.get(
        "/campaigns/{campaign_id}/updates/{update_id}/preview",
        dependencies=[guard.allow(Role.STAFF, editor, unknown=unknown_update)],
    )
    async def preview(campaign_id: CampaignId, update_id: UpdateId) -> PreviewView:
        """Show the draft as it will be read, and exactly who would be told now, by reward."""
        update = await _update(queries, campaign_id, update_id)
        kind = update.content.kind

        async def work(unit: UpdatesUnit) -> tuple[Audience, Mapping[str, int]]:
            found = (await unit.projects.load([campaign_id])).get(campaign_id)
            project = check_may_publish(found, kind)
            return await audience_of(unit, pledges, project), project.backers_by_reward

        audience, by_reward = await units.run(work)
        return preview_view(update, audience, by_reward)

    @api.post(
        "/campaigns/{campaign_id}/updates/{update_id}/publish",
        dependencies=[guard.allow(editor, unknown=unknown_update)],
    )
    async def publish(
        campaign_id: CampaignId,
        update_id: UpdateId,
        response: Response,
        if_match: IfMatch = "",
        body: PublishBody | None = None,
    ) -> UpdateView:
        """Publish the draft and tell every backer; again is the same answer.

        An emergency is confirmed by the names of its effects, which the 409 lists.
        """
        now, edition = clock.now(), edition_of(if_match)
        confirmed = body.confirm if body else ()
        update = await units.run(
            lambda unit: publish_update(
                unit, pledges, campaign_id, update_id, now, edition, confirmed, terms
            )
        )
        if update.published_at == now:
            PUBLISHED.labels(update.content.kind.value).inc()
        return tagged(update, response)

    @api.get("/campaigns/{campaign_id}/updates")
    async def list_updates(
        caller: Annotated[Principal | None, reader],
        campaign_id: CampaignId,
        cursor: Cursor = "",
        limit: Limit = 50,
    ) -> UpdatePage:
        """List published updates, newest first; what is for backers only, to those alone."""
        sight = await callers.sight(caller, campaign_id)
        found = await queries.published(campaign_id, place_of(cursor), limit, sight)
        last = behind(found[-1]) if len(found) == limit else None
        return UpdatePage(items=[update_view(update) for update in found], next_cursor=last)

    @api.get("/campaigns/{campaign_id}/updates/{update_id}")
    async def read_update(
        caller: Annotated[Principal | None, guard.anybody(f"{DRAFTS}; {INSIDERS}")],
        campaign_id: CampaignId,
        update_id: UpdateId,
        response: Response,
    ) -> UpdateView:
        """Show one update; a draft to its campaign's team and to staff."""
        update = await _update(queries, campaign_id, update_id)
        expired = form_expired(update, clock.now(), terms.form_kept)
        if expired or not await callers.may_read(caller, update):
            raise unknown_update()
        return tagged(update, response, await queries.follow_up(campaign_id))

    @api.get(
        "/campaigns/{campaign_id}/updates/{update_id}/event.ics",
        response_class=Response,
        responses=files("text/calendar"),
    )
    async def read_event(
        caller: Annotated[Principal | None, guard.anybody(INSIDERS)],
        campaign_id: CampaignId,
        update_id: UpdateId,
    ) -> Response:
        """Show the event that published news carry, as a calendar takes it."""
        update = await _update(queries, campaign_id, update_id)
        parts = update.content.parts
        published = update.state is UpdateState.PUBLISHED
        if not published or not await callers.may_read(caller, update):
            raise unknown_update()
        if not isinstance(parts, News) or parts.event is None:
            raise Problem(404, "event-unknown", "This update carries no event")
        return Response(calendar(update, parts.event), media_type="text/calendar")


async def _update(queries: Queries, campaign_id: str, update_id: str) -> Update:
    update = await queries.update(campaign_id, update_id)
    if update is None:
        raise unknown_update()
    return update
