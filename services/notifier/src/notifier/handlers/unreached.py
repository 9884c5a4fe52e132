"""Decisive messages that reached nobody by mail: noted with the mail's end, ended by staff."""

from collections.abc import Mapping
from datetime import datetime

from notifier.domain.chunk import Chunk
from notifier.domain.delivery import Standing
from notifier.domain.errors import Refused
from notifier.domain.kind import is_decisive
from notifier.domain.notification import NotificationIds
from notifier.domain.unreached import Ended, HowEnded, Unreached, end, leaves_unreached
from notifier.ports.unit import NotifierUnit
from servicekit.audit import AuditEntry


async def note_unreached(
    unit: NotifierUnit, chunk: Chunk, standings: Mapping[int, Standing], now: datetime
) -> None:
    """Keep whom of these nobody reached by mail though it is decisive for them."""
    if not is_decisive(chunk.told, chunk.role) or chunk.reason_gone:
        return
    told, ids = chunk.told, NotificationIds(chunk.told.cause, chunk.told.caused_at)
    found = [
        Unreached(
            notification_id=ids.of(chunk.recipients[place]),
            person_id=chunk.recipients[place],
            campaign_id=told.campaign_id,
            cause=told.cause,
            chunk_id=chunk.chunk_id,
            caused_at=told.caused_at,
            reason=standing.reason,
            since=now,
        )
        for place, standing in standings.items()
        if leaves_unreached(standing)
    ]
    await unit.unreached.add_new(found)


async def end_unreached(unit: NotifierUnit, notification_id: str, ended: Ended) -> Unreached:
    """Note what staff did about one, and whether it reached the person; audited.

    Raises `Refused` for one that is unknown, or that ended otherwise.
    """
    known = await unit.unreached.load(notification_id)
    if known is None:
        detail = "nobody waits to be reached by this notification; /unreached lists whom there is"
        raise Refused("unreached-unknown", detail)
    after = end(known, ended)
    if after != known:
        assert ended.at is not None
        await unit.unreached.save(after)
        what = {"notification": notification_id, "cause": known.cause}
        await unit.plumbing.audit.add(
            AuditEntry(ended.at, ended.by, "end unreached", what, ended.what, ended.how.value)
        )
    return after


async def note_read(unit: NotifierUnit, person_id: str, until: datetime, now: datetime) -> None:
    """Whoever has read their inbox up to there has been reached by what stands in it."""
    await unit.unreached.end_of([person_id], until, Ended(HowEnded.READ, now))
