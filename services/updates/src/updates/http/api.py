"""Routes of updates: draft, publish, list, and the project view."""

from typing import Annotated

from fastapi import FastAPI, Path, Query

from servicekit.clock import Clock
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork
from updates.domain.errors import Refused
from updates.domain.project import check_may_publish
from updates.domain.update import Audience, Update
from updates.handlers.publish import PledgesPosition, audience_of, publish_update, write_draft
from updates.http.models import (
    AudienceView,
    DraftBody,
    Identifier,
    ProjectView,
    UpdatePage,
    UpdateView,
)
from updates.http.views import (
    content_from,
    cursor_of,
    place_of,
    problem,
    project_view,
    update_view,
)
from updates.metrics import PUBLISHED
from updates.ports import Queries, UpdatesUnit

CampaignId = Annotated[Identifier, Path()]
UpdateId = Annotated[Identifier, Path()]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str, Query(max_length=200, description="`next_cursor` of the page before.")]
NEWEST = 5


def build_api(
    units: UnitsOfWork[UpdatesUnit], queries: Queries, clock: Clock, pledges: PledgesPosition
) -> FastAPI:
    """Return the application."""
    api = FastAPI(title="updates", version="0.1.0")

    @api.put("/campaigns/{campaign_id}/updates/{update_id}")
    async def put_draft(
        campaign_id: CampaignId, update_id: UpdateId, body: DraftBody
    ) -> UpdateView:
        """Write or rewrite a draft; a published update is not changed (409)."""
        try:
            content = content_from(body)
            update = await units.run(
                lambda unit: write_draft(unit, campaign_id, update_id, content, clock.now())
            )
        except Refused as refusal:
            raise problem(refusal) from None
        return update_view(update)

    @api.get("/campaigns/{campaign_id}/updates/{update_id}/audience")
    async def read_audience(campaign_id: CampaignId, update_id: UpdateId) -> AudienceView:
        """Show exactly how many would be told if it were published now, and as of when."""
        await _update(queries, campaign_id, update_id)

        async def work(unit: UpdatesUnit) -> Audience:
            found = (await unit.projects.load([campaign_id])).get(campaign_id)
            return await audience_of(unit, pledges, check_may_publish(found))

        try:
            audience = await units.run(work)
        except Refused as refusal:
            raise problem(refusal) from None
        return AudienceView(pledges_sequence=audience.pledges_sequence, count=audience.count)

    @api.post("/campaigns/{campaign_id}/updates/{update_id}/publish")
    async def publish(campaign_id: CampaignId, update_id: UpdateId) -> UpdateView:
        """Publish the draft and tell every backer; again is the same answer."""
        now = clock.now()
        try:
            update = await units.run(
                lambda unit: publish_update(unit, pledges, campaign_id, update_id, now)
            )
        except Refused as refusal:
            raise problem(refusal) from None
        if update.published_at == now:
            PUBLISHED.labels(update.content.kind.value).inc()
        return update_view(update)

    @api.get("/campaigns/{campaign_id}/updates")
    async def list_updates(
        campaign_id: CampaignId, cursor: Cursor = "", limit: Limit = 50
    ) -> UpdatePage:
        """List published updates, newest first."""
        found = await queries.published(campaign_id, place_of(cursor), limit)
        last = cursor_of(found[-1]) if len(found) == limit else None
        return UpdatePage(items=[update_view(update) for update in found], next_cursor=last)

    @api.get("/campaigns/{campaign_id}/updates/{update_id}")
    async def read_update(campaign_id: CampaignId, update_id: UpdateId) -> UpdateView:
        """Show one update, also while it is a draft."""
        return update_view(await _update(queries, campaign_id, update_id))

    @api.get("/campaigns/{campaign_id}")
    async def read_project(campaign_id: CampaignId) -> ProjectView:
        """Show the project: verdict, money figures with their as-of, newest updates."""
        project = await queries.project(campaign_id)
        if project is None or project.profile is None:
            raise Problem(404, "campaign-unknown", "There is no such campaign")
        return project_view(project, await queries.published(campaign_id, None, NEWEST))

    return api


async def _update(queries: Queries, campaign_id: str, update_id: str) -> Update:
    update = await queries.update(campaign_id, update_id)
    if update is None:
        raise Problem(404, "update-unknown", "There is no such update in this campaign")
    return update
