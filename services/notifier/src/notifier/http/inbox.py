"""Routes of a person's inbox."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import FastAPI, Path

from notifier.domain.hidden_update import unquoted, update_told_of
from notifier.domain.notification import notification_id, told_at
from notifier.domain.receipt_question import ReceiptQuestion, question_of
from notifier.domain.suppression import Suppression
from notifier.domain.unreached import Unreached
from notifier.handlers.unreached import note_read
from notifier.http.callers import PERSON
from notifier.http.models import (
    HiddenView,
    InboxPage,
    MailStopped,
    NotificationView,
    ReadBody,
    ReadView,
)
from notifier.http.paths import Cursor, Limit, PersonId
from notifier.ports.queries import InboxEntry, Queries
from notifier.ports.unit import NotifierUnit
from servicekit.access import Guard
from servicekit.clock import Clock
from servicekit.cursors import cursor_of, place_of
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork

NotificationId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
# A badge says no more than that there are many.
UNREAD_MOST = 100
PINNED_MOST = 20


def add_inbox_routes(
    api: FastAPI, guard: Guard, units: UnitsOfWork[NotifierUnit], queries: Queries, clock: Clock
) -> None:
    """Add them."""
    own_inbox = [guard.allow(PERSON, unknown=_unknown_inbox)]

    @api.get("/people/{person_id}/inbox", dependencies=own_inbox)
    async def read_inbox(person_id: PersonId, cursor: Cursor = "", limit: Limit = 50) -> InboxPage:
        """Show what a person was told, newest first."""
        entries = await queries.inbox(person_id, place_of(cursor), limit)
        read_until = await queries.read_until(person_id)
        last = cursor_of(entries[-1].place) if len(entries) == limit else None
        unreached = await queries.unreached_of(person_id, PINNED_MOST)
        pinned = [] if cursor else await _pinned(queries, unreached)
        shown = partial(
            _notification,
            person_id=person_id,
            read_until=read_until,
            reasons={one.notification_id: one.reason for one in unreached},
            withheld=await _withheld(queries, [*entries, *pinned]),
            answered=await _answered(queries, person_id, entries),
        )
        views = [shown(entry) for entry in entries]
        hidden = await queries.hidden_among(person_id, [one.notification_id for one in views])
        unread = await queries.unread(person_id, read_until, UNREAD_MOST)
        stopped = _stopped(await queries.suppression(person_id), clock.now())
        return InboxPage(
            items=[one for one in views if one.notification_id not in hidden],
            next_cursor=last,
            read_until=read_until,
            unread=unread,
            mail_stopped=stopped,
            pinned=[shown(one) for one in pinned],
        )

    @api.put("/people/{person_id}/inbox/read", dependencies=own_inbox)
    async def mark_read(person_id: PersonId, body: ReadBody) -> ReadView:
        """Move the watermark forward; an earlier instant changes nothing."""
        read_until = await queries.mark_read(person_id, body.up_to)
        if await queries.unreached_of(person_id, 1):
            now = clock.now()
            await units.run(lambda unit: note_read(unit, person_id, read_until, now))
        return ReadView(read_until=read_until)

    @api.put("/people/{person_id}/inbox/hidden/{notification_id}", dependencies=own_inbox)
    async def hide(person_id: PersonId, notification_id: NotificationId) -> HiddenView:
        """Leave a notification out of the inbox; that it was told stays and is counted."""
        at = await _told_at(queries, person_id, notification_id)
        await queries.hide(person_id, notification_id, at)
        return HiddenView(notification_id=notification_id, hidden=True)

    @api.delete("/people/{person_id}/inbox/hidden/{notification_id}", dependencies=own_inbox)
    async def unhide(person_id: PersonId, notification_id: NotificationId) -> HiddenView:
        """Show it again."""
        await _told_at(queries, person_id, notification_id)
        await queries.unhide(person_id, notification_id)
        return HiddenView(notification_id=notification_id, hidden=False)


async def _told_at(queries: Queries, person_id: str, asked: str) -> datetime:
    """Return when the notification's cause was, if the person was told it."""
    at = told_at(asked)
    told = [one.told for one in await queries.told_at(person_id, at)] if at else []
    if at is None or asked not in {
        notification_id(one.cause, one.caused_at, person_id) for one in told
    }:
        raise _unknown_notification()
    return at


def _stopped(suppression: Suppression | None, now: datetime) -> MailStopped | None:
    if suppression is None or not suppression.holds(now):
        return None
    return MailStopped(reason=suppression.reason.value, until=suppression.until)


def _unknown_inbox() -> Problem:
    detail = "check the person's id: one's own is the subject of one's token"
    return Problem(404, "inbox-unknown", "There is no such inbox", detail)


def _unknown_notification() -> Problem:
    title = "This inbox never had such a notification"
    detail = "give the notification_id of one of its items"
    return Problem(404, "notification-unknown", title, detail)


async def _pinned(queries: Queries, unreached: Sequence[Unreached]) -> list[InboxEntry]:
    """Return what of these is still said in full."""
    found = [await queries.chunk(one.chunk_id) for one in unreached]
    return [InboxEntry(one, (one.told.caused_at, one.chunk_id)) for one in found if one is not None]


async def _withheld(queries: Queries, entries: Sequence[InboxEntry]) -> set[str]:
    """Return the updates of which these tell and which staff hid."""
    return await queries.updates_hidden(
        {name for entry in entries if (name := _update_of(entry)) is not None}
    )


async def _answered(
    queries: Queries, person_id: str, entries: Sequence[InboxEntry]
) -> set[ReceiptQuestion]:
    """Return what the person is asked by these and has answered."""
    asked = (question_of(entry.chunk.told, person_id) for entry in entries)
    return await queries.questions_over({one for one in asked if one is not None})


def _update_of(entry: InboxEntry) -> str | None:
    return update_told_of(entry.chunk.told, entry.chunk.role)


def _notification(
    entry: InboxEntry,
    person_id: str,
    read_until: datetime | None,
    reasons: Mapping[str, str],
    withheld: set[str],
    answered: set[ReceiptQuestion],
) -> NotificationView:
    told = entry.chunk.told
    told_id = notification_id(told.cause, told.caused_at, person_id)
    hidden = _update_of(entry) in withheld
    return NotificationView(
        notification_id=told_id,
        cause=told.cause,
        kind=told.kind.value,
        campaign_id=told.campaign_id,
        at=told.caused_at,
        content=unquoted(told.content) if hidden else dict(told.content),
        read=read_until is not None and told.caused_at <= read_until,
        reason_gone=entry.chunk.reason_gone or question_of(told, person_id) in answered,
        not_mailed=reasons.get(told_id),
        hidden=hidden,
    )
