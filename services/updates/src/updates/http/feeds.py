"""Routes of feeds and of what social networks show: only what everybody may read."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime
from typing import Annotated

from fastapi import FastAPI, Header, Query, Response
from pydantic import BaseModel, Field

from servicekit.access import Guard
from servicekit.descriptions import Descriptions, files
from updates.domain.sight import STRANGER
from updates.domain.update import UpdateState
from updates.http.callers import unknown_campaign, unknown_update
from updates.http.models import Language
from updates.http.paths import CampaignId, UpdateId
from updates.ports.queries import Queries
from updates.wire.feeds import Feed, atom, changed_at, json_feed, text_in
from updates.wire.markdown import beginning, plain

ENTRIES = 20
DESCRIPTION_CHARACTERS_MAX = 200
ATOM, JSON_FEED = "application/atom+xml", "application/feed+json"
Wanted = Annotated[Language | None, Query(description="In its first language where it has none.")]
IfNoneMatch = Annotated[str, Header(max_length=500, description="`ETag` of what was read.")]
_UNCHANGED: Descriptions = {304: {"description": "It is what was read."}}


class OpenGraphView(BaseModel):
    """Open Graph's words for an update; nothing in them is markup."""

    type: str = Field(description="Always `article`.")
    title: str
    description: str
    url: str
    locale: str
    published_time: datetime
    modified_time: datetime


def add_feed_routes(api: FastAPI, guard: Guard, queries: Queries, public_url: str) -> None:
    """Add them."""

    async def feed_of(campaign_id: str, language: str | None) -> Feed:
        project = await queries.project(campaign_id)
        if project is None or project.profile is None:
            raise unknown_campaign()
        profile = project.profile
        found = await queries.published(campaign_id, None, ENTRIES, STRANGER)
        return Feed(
            campaign_id, profile.title, profile.launched_at, found, public_url, language or ""
        )

    @api.get(
        "/campaigns/{campaign_id}/feed.atom",
        dependencies=[guard.anybody()],
        response_class=Response,
        responses=files(ATOM) | _UNCHANGED,
    )
    async def read_atom(
        campaign_id: CampaignId, language: Wanted = None, if_none_match: IfNoneMatch = ""
    ) -> Response:
        """Show the newest public updates as Atom; what is hidden is no longer there."""
        return _answer(await feed_of(campaign_id, language), atom, ATOM, if_none_match)

    @api.get(
        "/campaigns/{campaign_id}/feed.json",
        dependencies=[guard.anybody()],
        response_class=Response,
        responses=files(JSON_FEED, "object") | _UNCHANGED,
    )
    async def read_json_feed(
        campaign_id: CampaignId, language: Wanted = None, if_none_match: IfNoneMatch = ""
    ) -> Response:
        """Show the newest public updates as JSON Feed."""
        return _answer(await feed_of(campaign_id, language), json_feed, JSON_FEED, if_none_match)

    @api.get(
        "/campaigns/{campaign_id}/updates/{update_id}/open-graph", dependencies=[guard.anybody()]
    )
    async def read_open_graph(
        campaign_id: CampaignId, update_id: UpdateId, language: Wanted = None
    ) -> OpenGraphView:
        """Say what a link to a public update is shown as elsewhere."""
        update = await queries.update(campaign_id, update_id)
        public = update is not None and STRANGER.shows(update.content) and not update.hidden
        if update is None or not public or update.state is not UpdateState.PUBLISHED:
            raise unknown_update()
        assert update.published_at is not None
        text = text_in(update, language or "")
        words = " ".join(plain(text.details).split())
        return OpenGraphView(
            type="article",
            title=text.title,
            description=beginning(words, DESCRIPTION_CHARACTERS_MAX),
            url=f"{public_url}{update.url}",
            locale=text.language,
            published_time=update.published_at,
            modified_time=changed_at(update),
        )


def _answer(
    feed: Feed, written: Callable[[Feed], bytes], media_type: str, if_none_match: str
) -> Response:
    """Answer with the feed, or that it is the same.

    Only the tag tells: what was hidden leaves a feed whose last change is older than before.
    """
    body = written(feed)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {
        "ETag": tag,
        "Last-Modified": format_datetime(feed.changed_at, usegmt=True),
        "Cache-Control": "no-cache",
    }
    if tag in (one.strip().removeprefix("W/") for one in if_none_match.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
