"""Routes of updates: draft, publish, list, and the project view."""

from collections.abc import Awaitable, Callable, Collection
from typing import Annotated

from fastapi import FastAPI, Path, Query

from servicekit.access import Guard, Ids, Owner, guarded_api
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork
from updates.domain.errors import Refused
from updates.domain.project import check_may_publish
from updates.domain.update import Audience, Update, UpdateState, Visibility
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
INSIDERS = "what is for backers only: backers and creator of the campaign, staff"
DRAFTS = "drafts: creator of the campaign, staff"


def build_api(
    guard: Guard,
    units: UnitsOfWork[UpdatesUnit],
    queries: Queries,
    clock: Clock,
    pledges: PledgesPosition,
) -> FastAPI:
    """Return the application."""
    api = guarded_api("updates")
    creator = Owner("creator of the campaign", Role.CREATOR, _owns_campaign(queries))
    author = guard.allow(creator, unknown=_unknown_campaign)
    reader = guard.anybody(INSIDERS)

    @api.put("/campaigns/{campaign_id}/updates/{update_id}")
    async def put_draft(
        caller: Annotated[Principal, author],
        campaign_id: CampaignId,
        update_id: UpdateId,
        body: DraftBody,
    ) -> UpdateView:
        """Write or rewrite a draft as its author; a published update is not changed (409)."""
        try:
            content = content_from(body, caller.subject)
            update = await units.run(
                lambda unit: write_draft(unit, campaign_id, update_id, content, clock.now())
            )
        except Refused as refusal:
            raise problem(refusal) from None
        return update_view(update)

    @api.get(
        "/campaigns/{campaign_id}/updates/{update_id}/audience",
        dependencies=[guard.allow(Role.STAFF, creator, unknown=_unknown_update)],
    )
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

    @api.post(
        "/campaigns/{campaign_id}/updates/{update_id}/publish",
        dependencies=[guard.allow(creator, unknown=_unknown_update)],
    )
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
        caller: Annotated[Principal | None, reader],
        campaign_id: CampaignId,
        cursor: Cursor = "",
        limit: Limit = 50,
    ) -> UpdatePage:
        """List published updates, newest first; what is for backers only, to those alone."""
        visible = await _visible_to(caller, queries, campaign_id)
        found = await queries.published(campaign_id, place_of(cursor), limit, visible)
        last = cursor_of(found[-1]) if len(found) == limit else None
        return UpdatePage(items=[update_view(update) for update in found], next_cursor=last)

    @api.get("/campaigns/{campaign_id}/updates/{update_id}")
    async def read_update(
        caller: Annotated[Principal | None, guard.anybody(f"{DRAFTS}; {INSIDERS}")],
        campaign_id: CampaignId,
        update_id: UpdateId,
    ) -> UpdateView:
        """Show one update; a draft to its campaign's creator and to staff."""
        update = await _update(queries, campaign_id, update_id)
        if not await _may_read(caller, queries, update):
            raise _unknown_update()
        return update_view(update)

    @api.get("/campaigns/{campaign_id}")
    async def read_project(
        caller: Annotated[Principal | None, reader], campaign_id: CampaignId
    ) -> ProjectView:
        """Show the project: verdict, money figures with their as-of, newest updates."""
        project = await queries.project(campaign_id)
        if project is None or project.profile is None:
            raise _unknown_campaign()
        visible = await _visible_to(caller, queries, campaign_id)
        return project_view(project, await queries.published(campaign_id, None, NEWEST, visible))

    return api


def _owns_campaign(queries: Queries) -> Callable[[Principal, Ids], Awaitable[bool]]:
    async def owns(caller: Principal, ids: Ids) -> bool:
        return await _is_creator(caller, queries, ids["campaign_id"])

    return owns


async def _is_creator(caller: Principal, queries: Queries, campaign_id: str) -> bool:
    if Role.CREATOR not in caller.roles:
        return False
    project = await queries.project(campaign_id)
    profile = project.profile if project else None
    return profile is not None and profile.creator_id == caller.subject


async def _may_read(caller: Principal | None, queries: Queries, update: Update) -> bool:
    if update.state is UpdateState.PUBLISHED:
        if update.content.visibility is Visibility.PUBLIC:
            return True
        return update.content.visibility in await _visible_to(caller, queries, update.campaign_id)
    if caller is None:
        return False
    return Role.STAFF in caller.roles or await _is_creator(caller, queries, update.campaign_id)


async def _visible_to(
    caller: Principal | None, queries: Queries, campaign_id: str
) -> Collection[Visibility]:
    """Return what of the campaign's published updates this caller is shown."""
    if caller is None:
        return {Visibility.PUBLIC}
    inside = (
        Role.STAFF in caller.roles
        or (Role.BACKER in caller.roles and await queries.backs(campaign_id, caller.subject))
        or await _is_creator(caller, queries, campaign_id)
    )
    return set(Visibility) if inside else {Visibility.PUBLIC}


def _unknown_campaign() -> Problem:
    return Problem(404, "campaign-unknown", "There is no such campaign")


def _unknown_update() -> Problem:
    return Problem(404, "update-unknown", "There is no such update in this campaign")


async def _update(queries: Queries, campaign_id: str, update_id: str) -> Update:
    update = await queries.update(campaign_id, update_id)
    if update is None:
        raise _unknown_update()
    return update
