"""Routes of images, videos and files: upload, read, describe, withdraw."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import FastAPI, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from servicekit.access import Guard
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork
from updates.domain.errors import Refused
from updates.domain.media import NAME_CHARACTERS_MAX, Media, MediaState, MediaWithdrawal
from updates.domain.media_type import MediaType
from updates.domain.update import Update, UpdateState, Visibility
from updates.handlers.media import describe_media, withdraw_media
from updates.handlers.take_upload import Asked, UploadDesk, served_key
from updates.http.callers import (
    INSIDERS,
    Callers,
    unknown_campaign,
    unknown_update,
)
from updates.http.media_models import (
    MediaList,
    MediaView,
    MediaWithdrawalBody,
    WordsBody,
    media_view,
    words_from,
)
from updates.http.media_serving import headers_of, range_of, tag_of
from updates.http.models import Identifier, Language
from updates.http.paths import CampaignId, UpdateId
from updates.metrics import UPLOADS
from updates.ports.media import MediaLinks, MediaQueries
from updates.ports.queries import Queries
from updates.ports.unit import UpdatesUnit

MediaId = Annotated[Identifier, Path()]
Name = Annotated[
    str, Query(min_length=1, max_length=NAME_CHARACTERS_MAX, description="The file's own name.")
]
Link = Annotated[str, Query(max_length=100, description="From the `url` of an attachment.")]
Edge = Annotated[
    int | None, Query(ge=1, le=10_000, description="How long an image's longer side is shown.")
]
Header_ = Annotated[str, Header(max_length=500)]
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {one.value: {} for one in MediaType}, "description": "The file."},
    206: {"content": {one.value: {} for one in MediaType}, "description": "Some of it."},
    304: {"description": "It is what is known already."},
}
_CAPTIONS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/vtt": {}}, "description": "The captions."}
}


@dataclass(frozen=True, slots=True)
class MediaShelf:
    """What files are taken to, found on, and let out by."""

    desk: UploadDesk
    queries: MediaQueries
    links: MediaLinks


@dataclass(frozen=True, slots=True)
class _Readers:
    """Who may read a file: whoever may read what shows it; what nothing shows, the team."""

    callers: Callers
    updates: Queries
    units: UnitsOfWork[UpdatesUnit]
    shelf: MediaShelf
    clock: Clock

    async def find(self, campaign_id: str, media_id: str) -> Media:
        found = await self.shelf.queries.media(campaign_id, [media_id])
        if media_id not in found or found[media_id].stored is None:
            raise unknown_media()
        return found[media_id]

    async def readable(
        self, caller: Principal | None, media: Media, link: str
    ) -> tuple[Media, bool]:
        """Return it, and whether everybody may read it; a problem for who may not.

        A link that was given before its update was hidden lets nobody in any more.
        """
        subject, _, update_id = (media.attached_to or "").partition("/")
        update = None
        if subject == "updates":
            update = await self.updates.update(media.campaign_id, update_id)
        linked = bool(link) and self.shelf.links.allows(media, link, self.clock.now())
        if linked and not (update and update.hidden):
            return _there(media), False
        if subject == "milestones":
            may = await self._sees_evidence(caller, media, int(update_id))
        elif update is None:
            may = await self.callers.is_inside(caller, media.campaign_id)
        else:
            may = await self.callers.may_read(caller, update)
        if not may:
            raise unknown_media()
        return _there(media), update is not None and _is_public(update)

    async def _sees_evidence(self, caller: Principal | None, media: Media, stage: int) -> bool:
        """Whether they do: the team and staff all of it, backers what is shown last."""
        campaign_id = media.campaign_id
        if caller is None or await self.callers.is_inside(caller, campaign_id):
            return caller is not None
        if not await self.callers.is_backer(caller, campaign_id):
            return False
        milestone = await self.units.run(lambda unit: unit.milestones.load(campaign_id, stage))
        latest = milestone.revisions[-1].files if milestone and milestone.revisions else ()
        return media.media_id in {one.media_id for one in latest}


def _is_public(update: Update) -> bool:
    """Whether everybody may read it."""
    published = update.state is UpdateState.PUBLISHED and not update.hidden
    return published and update.content.visibility is Visibility.PUBLIC


def _there(media: Media) -> Media:
    if media.state is MediaState.WITHDRAWN:
        raise Problem(410, "media-withdrawn", "This file was withdrawn")
    return media


def unknown_media() -> Problem:
    return Problem(404, "media-unknown", "There is no such file in this campaign")


def add_media_routes(
    api: FastAPI,
    guard: Guard,
    callers: Callers,
    units: UnitsOfWork[UpdatesUnit],
    queries: Queries,
    shelf: MediaShelf,
    clock: Clock,
) -> None:
    """Add them."""
    editor = callers.editor
    readers = _Readers(callers, queries, units, shelf, clock)
    most = shelf.desk.limits.largest
    uploader = guard.allow(editor, unknown=unknown_campaign, body_bytes_max=most)

    @api.put("/campaigns/{campaign_id}/media/{media_id}", openapi_extra=_BODY)
    async def put_media(
        caller: Annotated[Principal, uploader],
        campaign_id: CampaignId,
        media_id: MediaId,
        name: Name,
        request: Request,
    ) -> MediaView:
        """Upload an image, video or file as the request's body; its type is found by its content.

        The same again under its id is the same, another one is a 409. What is refused, or whose
        line is cut, leaves nothing.
        """
        if await callers.queries.project(campaign_id) is None:
            raise unknown_campaign()
        asked = Asked(campaign_id, media_id, name, caller.subject)
        try:
            media = await shelf.desk.take(asked, request.stream())
        except Refused:
            UPLOADS.labels("refused").inc()
            raise
        except ClientDisconnect:
            UPLOADS.labels("cut").inc()
            raise Problem(400, "upload-cut", "The line ended in the middle") from None
        except BaseException:
            UPLOADS.labels("failed").inc()
            raise
        UPLOADS.labels("stored").inc()
        return media_view(media, shelf.links.sign(media, clock.now()))

    @api.get("/campaigns/{campaign_id}/media/{media_id}", response_class=Response, responses=_FILE)
    async def read_media(
        caller: Annotated[Principal | None, guard.anybody(INSIDERS)],
        campaign_id: CampaignId,
        media_id: MediaId,
        link: Link = "",
        edge: Edge = None,
        range: Header_ = "",
        if_none_match: Header_ = "",
        if_range: Header_ = "",
    ) -> Response:
        """Serve the file, or a range of it, to whoever may read what shows it."""
        found = await readers.find(campaign_id, media_id)
        media, public = await readers.readable(caller, found, link)
        key = served_key(media, edge)
        tag = tag_of(media, key)
        headers = headers_of(media, tag, public=public)
        if tag in if_none_match:
            return Response(status_code=304, headers=headers)
        return await _served(shelf, media, key, range if if_range in ("", tag) else "", headers)

    @api.get(
        "/campaigns/{campaign_id}/media/{media_id}/captions/{language}",
        response_class=Response,
        responses=_CAPTIONS,
    )
    async def read_captions(
        caller: Annotated[Principal | None, guard.anybody(INSIDERS)],
        campaign_id: CampaignId,
        media_id: MediaId,
        language: Annotated[Language, Path()],
        link: Link = "",
    ) -> Response:
        """Serve a video's captions, as an element for videos takes them."""
        found = await readers.find(campaign_id, media_id)
        media, public = await readers.readable(caller, found, link)
        text = dict(media.words.captions).get(language)
        if text is None:
            raise Problem(404, "captions-unknown", "There are no captions in this language")
        headers = headers_of(media, f'"{media.upload}-{media.version}"', public=public)
        del headers["Content-Disposition"]
        return Response(text, media_type="text/vtt", headers=headers)

    @api.put(
        "/campaigns/{campaign_id}/media/{media_id}/words",
        dependencies=[guard.allow(editor, unknown=unknown_media)],
    )
    async def put_words(campaign_id: CampaignId, media_id: MediaId, body: WordsBody) -> MediaView:
        """Say it in words for those who cannot see or hear it, also after its publication."""
        words = words_from(body)
        media = await units.run(lambda unit: describe_media(unit, campaign_id, media_id, words))
        return media_view(media, shelf.links.sign(media, clock.now()))

    @api.post("/campaigns/{campaign_id}/media/{media_id}/withdrawal")
    async def withdraw(
        caller: Annotated[Principal, guard.allow(Role.STAFF, editor, unknown=unknown_media)],
        campaign_id: CampaignId,
        media_id: MediaId,
        body: MediaWithdrawalBody,
    ) -> MediaView:
        """Take a file away at once, on record; a marker stays where it was shown."""
        withdrawal = MediaWithdrawal(caller.subject, clock.now(), body.reason)
        media = await units.run(
            lambda unit: withdraw_media(unit, campaign_id, media_id, withdrawal)
        )
        return media_view(media, None)

    @api.get("/campaigns/{campaign_id}/updates/{update_id}/media")
    async def list_media(
        caller: Annotated[Principal | None, guard.anybody(INSIDERS)],
        campaign_id: CampaignId,
        update_id: UpdateId,
    ) -> MediaList:
        """List what an update shows, in its order, to whoever may read it."""
        update = await queries.update(campaign_id, update_id)
        if update is None or not await callers.may_read(caller, update):
            raise unknown_update()
        ids = update.content.attachments
        found = await shelf.queries.media(campaign_id, ids)
        public = _is_public(update)
        now = clock.now()
        items = [
            media_view(found[one], None if public else shelf.links.sign(found[one], now))
            for one in ids
            if one in found
        ]
        return MediaList(items=items)


async def _served(
    shelf: MediaShelf, media: Media, key: str, range: str, headers: dict[str, str]
) -> Response:
    assert media.stored is not None
    sizes = {served_key(media, copy.edge): copy.bytes for copy in media.stored.copies}
    whole = sizes.get(key, media.stored.bytes)
    wanted = range_of(range, whole)
    start, end = wanted or (0, whole)
    part = await shelf.desk.objects.get(key, start, end)
    if part is None:
        raise unknown_media()
    headers["Content-Length"] = str(part.end - part.start)
    if wanted is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{part.whole}"
    return StreamingResponse(
        part.chunks,
        status_code=206 if wanted else 200,
        headers=headers,
        media_type=media.stored.type.value,
    )
