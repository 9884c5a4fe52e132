"""Routes that prove who was told: counts by channel, and every person in a table for staff."""

import csv
import io
from collections.abc import AsyncIterator, Iterable
from datetime import datetime

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from notifier.domain.cause import Cause, CauseKind, Totals
from notifier.domain.chunk import totals_of
from notifier.domain.delivery import Channel
from notifier.domain.kind import rules_of
from notifier.domain.proof import INBOX, Outcome, outcomes_of
from notifier.domain.unreached import OTHERWISE
from notifier.handlers.mail_domains import last_leaves
from notifier.http.callers import creator_of
from notifier.http.found_notice import FoundNotice, find_notice, unknown_notice
from notifier.http.mail import MailRoutes
from notifier.http.paths import CampaignId, Subject
from notifier.ports.queries import Queries
from servicekit.access import Guard
from servicekit.auth import Role
from servicekit.clock import Clock
from servicekit.descriptions import files

COLUMNS = ("person_id", "role", "notification_id", "channel", "outcome", "reason")
# A table is sent as it is read, so that any audience fits.
CHUNKS_PAGE = 20
# A spreadsheet takes a cell that begins so for a formula, and runs it (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class ChannelView(BaseModel):
    """How many people came to which outcome on one channel."""

    channel: str
    delivered: int
    suppressed: int
    failed: int
    pending: int
    expected_end: datetime | None = Field(
        description="When the last one is told at the present pace; null where nobody waits, or "
        "nothing can be said yet. By e-mail it is when all that goes before has left at the "
        "account's pace, or later: to when somebody is put off, for a slow mail domain, a night, a "
        "digest or another try. Whose first turn is still to come may be put off, too."
    )


class ProofView(BaseModel):
    """Everybody who is told of a cause, backers and others, once for each channel."""

    cause: str
    channels: list[ChannelView]


def add_proof_routes(
    api: FastAPI, guard: Guard, queries: Queries, clock: Clock, mail: MailRoutes | None
) -> None:
    """Add them; where no mails are sent nothing is expected of that channel."""
    path = "/campaigns/{campaign_id}/notices/{kind}/{subject}"
    creator = creator_of(queries)

    @api.get(
        f"{path}/proof",
        dependencies=[guard.allow(Role.STAFF, creator, unknown=unknown_notice)],
    )
    async def read_proof(campaign_id: CampaignId, kind: CauseKind, subject: Subject) -> ProofView:
        """Count the outcomes of a cause by channel."""
        found = await find_notice(queries, campaign_id, kind, subject)
        name, now = found.name, clock.now()
        inbox = await _inbox(queries, found)
        email = await queries.channel_totals(Channel.EMAIL, name)
        channels = [_channel(INBOX, inbox, _end_of_fan_out(found.cause, inbox, now))]
        if email is not None:
            end = None
            if mail is not None and email.pending:
                end = await _end_of_mails(queries, mail, name, now)
            channels.append(_channel(Channel.EMAIL.value, email, end))
        otherwise = await queries.unreached_totals(name)
        if otherwise is not None:
            channels.append(_channel(OTHERWISE, otherwise, None))
        return ProofView(cause=name, channels=channels)

    @api.get(
        f"{path}/proof.csv",
        dependencies=[guard.allow(Role.STAFF, unknown=unknown_notice)],
        response_class=StreamingResponse,
        responses=files("text/csv"),
    )
    async def read_proof_table(
        campaign_id: CampaignId, kind: CauseKind, subject: Subject
    ) -> StreamingResponse:
        """Name every person of a cause with the outcome on each channel."""
        found = await find_notice(queries, campaign_id, kind, subject)
        shown = {"Content-Disposition": f'attachment; filename="proof-{kind.value}.csv"'}
        return StreamingResponse(_table(queries, found.name), media_type="text/csv", headers=shown)


async def _inbox(queries: Queries, found: FoundNotice) -> Totals:
    """Return the totals of everybody's inbox."""
    if found.cause is None:
        return totals_of(found.unplanned)
    others = (await queries.role_totals([found.name]))[found.name]
    return _sum(await queries.totals(found.name), *(one.totals for one in others))


def _sum(*parts: Totals) -> Totals:
    return Totals(
        delivered=sum(one.delivered for one in parts),
        pending=sum(one.pending for one in parts),
        suppressed=sum(one.suppressed for one in parts),
        failed=sum(one.failed for one in parts),
    )


async def _table(queries: Queries, name: str) -> AsyncIterator[str]:
    yield _lines([COLUMNS])
    after = ""
    while chunks := await queries.chunks_of(name, after, CHUNKS_PAGE):
        ids = [chunk.chunk_id for chunk in chunks]
        written = await queries.deliveries(Channel.EMAIL, ids)
        unreached = await queries.unreached_in(ids)
        for chunk in chunks:
            found = written.get(chunk.chunk_id)
            otherwise = [one for one in unreached if one.chunk_id == chunk.chunk_id]
            emails = {Channel.EMAIL: found} if found else {}
            yield _lines(map(_row, outcomes_of(chunk, emails, otherwise)))
        after = ids[-1]


def _row(outcome: Outcome) -> tuple[str, ...]:
    cells = (
        outcome.person_id,
        outcome.role.value,
        outcome.notification_id,
        outcome.channel,
        outcome.outcome,
        outcome.reason,
    )
    return tuple(map(_safe, cells))


def _safe(cell: str) -> str:
    """Return the cell as text for every spreadsheet: an apostrophe stands before a formula."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell


def _lines(rows: Iterable[Iterable[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _end_of_fan_out(cause: Cause | None, inbox: Totals, now: datetime) -> datetime | None:
    """Return when the inboxes are told if it goes on as it has gone since the plan."""
    told, began = inbox.delivered, cause.planned_at if cause is not None else None
    if began is None or not told or not inbox.pending:
        return None
    return now + (now - began) / told * inbox.pending


async def _end_of_mails(queries: Queries, mail: MailRoutes, name: str, now: datetime) -> datetime:
    """Return when this cause's last mail leaves: by the account's pace, or when it is put off to.

    Causes of one urgency have their turns, so all of theirs may come before; what is more urgent
    comes first. Nothing is asked that only the process knows which sends the mails.
    """
    (chunk,) = await queries.chunks_of(name, "", 1)
    priority = rules_of(chunk.told).priority
    queued = await queries.queued(Channel.EMAIL)
    before = sum(people for urgency, people in queued.items() if urgency <= priority)
    due = await queries.last_due(Channel.EMAIL, name)
    return last_leaves(now, before, mail.mails_per_second, due)


def _channel(name: str, totals: Totals, expected_end: datetime | None) -> ChannelView:
    return ChannelView(
        channel=name,
        delivered=totals.delivered,
        suppressed=totals.suppressed,
        failed=totals.failed,
        pending=totals.pending,
        expected_end=expected_end,
    )
