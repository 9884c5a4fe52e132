"""Routes of share links: making and taking back, how one is used, and what a guest reads by it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Path, Query, Response
from pydantic import BaseModel, Field

from servicekit.access import Guard
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.instants import Instant
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork
from updates.domain.share_link import NOTE_CHARACTERS_MAX, ShareLink, Uses, hour_of
from updates.domain.update import Update, UpdateState
from updates.handlers.share_links import make_link, revoke_link
from updates.http.callers import Callers, unknown_update
from updates.http.media import MediaShelf
from updates.http.media_models import MediaView, media_view
from updates.http.models import Body, Identifier, UpdateView
from updates.http.paths import CampaignId, UpdateId
from updates.http.views import update_view
from updates.metrics import SHARED_READS
from updates.ports.queries import Queries
from updates.ports.share_links import ShareLinkQueries, ShareLinkSigner
from updates.ports.unit import UpdatesUnit

LinkId = Annotated[Identifier, Path()]
Given = Annotated[str, Query(max_length=200, description="From the `url` of a share link.")]
# Nobody keeps it, lists it, or learns from where a guest came: the link stands in the address.
GUEST_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}


@dataclass(frozen=True, slots=True)
class ShareShelf:
    """By what share links are found, counted and signed."""

    queries: ShareLinkQueries
    signer: ShareLinkSigner


class ShareLinkBody(Body):
    """Until when it opens, at most 90 days ahead, and for whom it is made."""

    expires_at: Instant
    note: Annotated[str, Field(max_length=NOTE_CHARACTERS_MAX)] = ""


class ShareLinkView(BaseModel):
    """A link and how it is used: more readers than it was made for means it was passed on."""

    link_id: str
    url: str
    opens: bool
    note: str
    made_by: str
    made_at: datetime
    expires_at: datetime
    revoked_by: str | None
    revoked_at: datetime | None
    uses: int
    uses_this_hour: int
    last_used_at: datetime | None


class ShareLinkList(BaseModel):
    items: list[ShareLinkView]


class SharedView(BaseModel):
    """What a guest reads: the update and what it shows, and nothing to do."""

    update: UpdateView
    media: list[MediaView]
    expires_at: datetime


def add_share_link_routes(
    api: FastAPI,
    guard: Guard,
    callers: Callers,
    units: UnitsOfWork[UpdatesUnit],
    queries: Queries,
    shares: ShareShelf,
    media: MediaShelf | None,
    clock: Clock,
) -> None:
    """Add them."""
    editor = guard.allow(callers.editor, unknown=unknown_update)
    insiders = guard.allow(Role.STAFF, callers.editor, unknown=unknown_update)

    async def shown(link: ShareLink) -> ShareLinkView:
        uses = await shares.queries.uses(link.campaign_id, link.update_id)
        return _link_view(link, shares.signer, uses.get(link.link_id, Uses()), clock.now())

    @api.put("/campaigns/{campaign_id}/updates/{update_id}/share-links/{link_id}")
    async def put_share_link(
        caller: Annotated[Principal, editor],
        campaign_id: CampaignId,
        update_id: UpdateId,
        link_id: LinkId,
        body: ShareLinkBody,
    ) -> ShareLinkView:
        """Let whoever has the link read what is for backers; the same again is the same link."""
        now = clock.now()
        wanted = ShareLink(
            campaign_id, update_id, link_id, caller.subject, now, body.expires_at, body.note
        )
        return await shown(await units.run(lambda unit: make_link(unit, wanted, now)))

    @api.post("/campaigns/{campaign_id}/updates/{update_id}/share-links/{link_id}/revocation")
    async def revoke_share_link(
        caller: Annotated[Principal, insiders],
        campaign_id: CampaignId,
        update_id: UpdateId,
        link_id: LinkId,
    ) -> ShareLinkView:
        """Take it back at once; again is the same answer."""
        by, now = caller.subject, clock.now()
        link = await units.run(
            lambda unit: revoke_link(unit, campaign_id, update_id, link_id, by, now)
        )
        return await shown(link)

    @api.get("/campaigns/{campaign_id}/updates/{update_id}/share-links", dependencies=[insiders])
    async def list_share_links(campaign_id: CampaignId, update_id: UpdateId) -> ShareLinkList:
        """List an update's links, those that open nothing any more as well, and their use."""
        uses = await shares.queries.uses(campaign_id, update_id)
        now = clock.now()
        return ShareLinkList(
            items=[
                _link_view(one, shares.signer, uses.get(one.link_id, Uses()), now)
                for one in await shares.queries.share_links(campaign_id, update_id)
            ]
        )

    @api.get(
        "/campaigns/{campaign_id}/updates/{update_id}/shared",
        dependencies=[guard.proven_by("a share link")],
    )
    async def read_shared(
        campaign_id: CampaignId, update_id: UpdateId, link: Given, response: Response
    ) -> SharedView:
        """Show a guest the update that the link is for; one that has ended is a 410."""
        link_id = shares.signer.link_id_of(campaign_id, update_id, link)
        found = link_id and await shares.queries.share_link(campaign_id, update_id, link_id)
        update = await queries.update(campaign_id, update_id)
        if not found or update is None or not _is_read(update):
            SHARED_READS.labels("unknown").inc()
            raise unknown_update()
        now = clock.now()
        if not found.opens(now):
            SHARED_READS.labels("ended").inc()
            raise Problem(410, "link-ended", "This link has ended, or was taken back")
        await shares.queries.count_use(found, now)
        SHARED_READS.labels("shown").inc()
        response.headers.update(GUEST_HEADERS)
        attached = await _attached(update, media, now)
        return SharedView(update=update_view(update), media=attached, expires_at=found.expires_at)


def _is_read(update: Update) -> bool:
    """Whether its backers read it: a guest reads nothing that they do not."""
    return update.state is UpdateState.PUBLISHED and not update.hidden


async def _attached(update: Update, media: MediaShelf | None, now: datetime) -> list[MediaView]:
    """Return what it shows, each with a link of its own that ends by itself."""
    if media is None:
        return []
    ids = update.content.attachments
    found = await media.queries.media(update.campaign_id, ids)
    return [
        media_view(found[one], media.links.sign(found[one], now)) for one in ids if one in found
    ]


def _link_view(
    link: ShareLink, signer: ShareLinkSigner, uses: Uses, now: datetime
) -> ShareLinkView:
    this_hour = uses.last_at is not None and hour_of(uses.last_at) == hour_of(now)
    path = f"/campaigns/{link.campaign_id}/updates/{link.update_id}/shared"
    return ShareLinkView(
        link_id=link.link_id,
        url=f"{path}?link={signer.sign(link)}",
        opens=link.opens(now),
        note=link.note,
        made_by=link.made_by,
        made_at=link.made_at,
        expires_at=link.expires_at,
        revoked_by=link.revoked_by,
        revoked_at=link.revoked_at,
        uses=uses.total,
        uses_this_hour=uses.in_hour if this_hour else 0,
        last_used_at=uses.last_at,
    )
