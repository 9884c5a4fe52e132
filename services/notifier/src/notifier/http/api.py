"""Routes of notifier: inboxes, and whether everybody was told."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import FastAPI, Path, Query

from notifier.domain.cause import Cause, CauseKind, CauseState, Totals, audience_so_far
from notifier.domain.chunk import Chunk, ChunkState
from notifier.domain.notification import notification_id
from notifier.http.models import (
    Identifier,
    InboxPage,
    NoticeList,
    NoticeView,
    NotificationView,
    ReadBody,
    ReadView,
)
from notifier.ports import InboxEntry, Queries
from servicekit.access import Guard, Ids, Owner, guarded_api
from servicekit.auth import Principal, Role
from servicekit.problems import Problem

PersonId = Annotated[Identifier, Path()]
CampaignId = Annotated[Identifier, Path()]
# What stands behind the slash of a cause, which is not always an id.
Subject = Annotated[str, Path(min_length=1, max_length=200)]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str, Query(max_length=500, description="`next_cursor` of the page before.")]


async def _is_that_person(caller: Principal, ids: Ids) -> bool:
    return caller.subject == ids["person_id"]


PERSON = Owner("that person", None, _is_that_person)


def build_api(guard: Guard, queries: Queries) -> FastAPI:
    """Return the application."""
    api = guarded_api("notifier")
    creator = Owner("creator of the campaign", Role.CREATOR, _owns_campaign(queries))
    own_inbox = [guard.allow(PERSON, unknown=_unknown_inbox)]

    @api.get("/people/{person_id}/inbox", dependencies=own_inbox)
    async def read_inbox(person_id: PersonId, cursor: Cursor = "", limit: Limit = 50) -> InboxPage:
        """Show what a person was told, newest first."""
        entries = await queries.inbox(person_id, _place_of(cursor), limit)
        read_until = await queries.read_until(person_id)
        last = _cursor_of(entries[-1]) if len(entries) == limit else None
        views = [_notification(entry, person_id, read_until) for entry in entries]
        return InboxPage(items=views, next_cursor=last, read_until=read_until)

    @api.put("/people/{person_id}/inbox/read", dependencies=own_inbox)
    async def mark_read(person_id: PersonId, body: ReadBody) -> ReadView:
        """Move the watermark forward; an earlier instant changes nothing."""
        return ReadView(read_until=await queries.mark_read(person_id, body.up_to))

    @api.get(
        "/campaigns/{campaign_id}/notices",
        dependencies=[guard.allow(Role.STAFF, creator, unknown=_unknown_campaign)],
    )
    async def list_notices(campaign_id: CampaignId) -> NoticeList:
        """List the campaign-wide causes of a campaign, newest first, with their completeness."""
        if await queries.creator(campaign_id) is None:
            raise _unknown_campaign()
        causes = await queries.causes(campaign_id)
        return NoticeList(items=[_notice(c, await queries.totals(c.name)) for c in causes])

    @api.get(
        "/campaigns/{campaign_id}/notices/{kind}/{subject}",
        dependencies=[guard.allow(Role.STAFF, creator, unknown=_unknown_notice)],
    )
    async def read_notice(campaign_id: CampaignId, kind: CauseKind, subject: Subject) -> NoticeView:
        """Show whether everybody was told of one cause."""
        name = f"{kind.value}/{subject}"
        cause = await queries.cause(name)
        if cause is not None and cause.told.campaign_id == campaign_id:
            return _notice(cause, await queries.totals(name))
        chunk = await queries.chunk(name)
        if chunk is not None and chunk.told.campaign_id == campaign_id:
            return _notice_of_one(chunk)
        raise _unknown_notice()

    return api


def _owns_campaign(queries: Queries) -> Callable[[Principal, Ids], Awaitable[bool]]:
    async def owns(caller: Principal, ids: Ids) -> bool:
        return await queries.creator(ids["campaign_id"]) == caller.subject

    return owns


def _unknown_inbox() -> Problem:
    return Problem(404, "inbox-unknown", "There is no such inbox")


def _unknown_campaign() -> Problem:
    return Problem(404, "campaign-unknown", "Notifier has not heard of this campaign")


def _unknown_notice() -> Problem:
    return Problem(404, "notice-unknown", "There is no such notice in this campaign")


def _cursor_of(entry: InboxEntry) -> str:
    at, chunk_id = entry.place
    return f"{at.isoformat()}~{chunk_id}"


def _place_of(cursor: str) -> tuple[datetime, str] | None:
    if not cursor:
        return None
    at, _, chunk_id = cursor.partition("~")
    try:
        found = datetime.fromisoformat(at)
        # The database keeps UTC, where the first and the last hours of all time have no place.
        instant = found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        instant = None
    if instant is None or not chunk_id:
        raise Problem(422, "invalid-cursor", "The cursor is not one of ours")
    return instant, chunk_id


def _notification(
    entry: InboxEntry, person_id: str, read_until: datetime | None
) -> NotificationView:
    told = entry.chunk.told
    return NotificationView(
        notification_id=notification_id(told.cause, told.caused_at, person_id),
        cause=told.cause,
        kind=told.kind.value,
        campaign_id=told.campaign_id,
        at=told.caused_at,
        content=dict(told.content),
        read=read_until is not None and told.caused_at <= read_until,
        reason_gone=entry.chunk.reason_gone,
    )


def _notice(cause: Cause, totals: Totals) -> NoticeView:
    return NoticeView(
        cause=cause.name,
        kind=cause.told.kind.value,
        campaign_id=cause.told.campaign_id,
        state=cause.state.value,
        pledges_sequence=cause.pledges_sequence,
        audience=audience_so_far(cause, totals),
        supplements=totals.supplements,
        delivered=totals.delivered,
        suppressed=totals.suppressed,
        failed=totals.failed,
        pending=totals.pending,
        complete=cause.state is CauseState.COMPLETED,
    )


def _notice_of_one(chunk: Chunk) -> NoticeView:
    told, withdrawn = chunk.state is ChunkState.DONE, chunk.state is ChunkState.WITHDRAWN
    ended = told or withdrawn
    return NoticeView(
        cause=chunk.told.cause,
        kind=chunk.told.kind.value,
        campaign_id=chunk.told.campaign_id,
        state=CauseState.COMPLETED.value if ended else CauseState.PLANNED.value,
        pledges_sequence=None,
        audience=len(chunk.recipients),
        supplements=0,
        delivered=len(chunk.recipients) if told else 0,
        suppressed=len(chunk.recipients) if withdrawn else 0,
        failed=0,
        pending=0 if ended else len(chunk.recipients),
        complete=ended,
    )
