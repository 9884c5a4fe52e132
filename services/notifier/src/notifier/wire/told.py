"""What is told: this service's words become a contract's event."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from json.encoder import encode_basestring

from notifier.domain.cause import Cause, Told, Totals
from notifier.domain.chunk import Chunk
from notifier.domain.kind import ToldAs
from notifier.domain.notification import NotificationIds
from servicekit.lots import Column, Lot
from servicekit.traces import current_traceparent
from sosst_contracts import notifier
from sosst_contracts.codec import Decoded, Draft, Record, decode
from sosst_contracts.envelope import hashed_ids
from sosst_contracts.event import Event

Notified = notifier.BackerNotified | notifier.PersonNotified
NOTIFICATIONS_TOPIC = notifier.BackerNotified.topic


def _draft(event: Event, occurred_at: datetime, told: Told, identity: str | None = None) -> Draft:
    """Return the draft of an event that is there because of what is told."""
    origin = told.origin
    return Draft(
        event,
        occurred_at,
        identity,
        correlation_id=origin.correlation_id if origin else None,
        causation_id=origin.fact_id if origin else None,
        traceparent=current_traceparent() or (origin.traceparent if origin else None),
    )


def lot_of(chunk: Chunk, partitions: int) -> Lot:
    """Return one event per recipient: ids that are filled into what pydantic made once.

    `partitions` is how many the chunk was cut for. The first event is decoded and compared, so
    that a template that breaks is never sent: `ValueError`.
    """
    told, role = chunk.told, chunk.role
    ids = NotificationIds(told.cause, told.caused_at)
    template, marks = _template(told, role)
    # Records of one size are written all at once; nobody's comes before another's by a promise.
    recipients = sorted(chunk.recipients, key=len)
    columns = _columns(recipients, ids.of_all(recipients))
    lot = Lot(template, marks, columns, chunk.partition, partitions)
    for recipient_id, record in zip(recipients[:1], lot.records(), strict=False):
        _must_read_back(record, _event(told, role, recipient_id, ids.of(recipient_id)))
    return lot


def _must_read_back(record: Record, event: Notified) -> None:
    decoded = decode(record)
    if not isinstance(decoded, Decoded) or decoded.event != event:
        raise ValueError(f"a rendered notification of {event.cause} cannot be read back")


def _event(told: Told, role: ToldAs, recipient_id: str, told_id: str) -> Notified:
    made = notifier.BackerNotified if role is ToldAs.BACKER else notifier.PersonNotified
    return made(
        notification_id=told_id,
        cause=told.cause,
        campaign_id=told.campaign_id,
        recipient_id=recipient_id,
        kind=told.kind.value,
        role=role.value,
        notified_at=told.caused_at,
    )


def _template(told: Told, role: ToldAs) -> tuple[Record, Sequence[bytes]]:
    """Return one cause's event to nobody, and the marks in it in the order of `_columns`."""
    # Drawn anew for each template: no id that somebody chose can contain it.
    recipient, told_id, quoted = (secrets.token_hex(16) for _ in range(3))
    event = _event(told, role, recipient, told_id)
    record = _draft(event, told.caused_at, told, told_id).seal()
    assert record.value is not None
    value = record.value.replace(recipient.encode(), quoted.encode())
    *marks, _ = (mark for [mark] in _columns([recipient], [told_id]))
    return replace(record, value=value), (*marks, quoted.encode())


def _columns(recipient_ids: Sequence[str], told_ids: Sequence[str]) -> list[Column]:
    """Return what is each person's own of the event; equal on every retry."""
    recipients = _encoded(recipient_ids)
    return [
        recipients,
        _encoded(told_ids),
        _encoded(hashed_ids(NOTIFICATIONS_TOPIC, told_ids)),
        _quoted(recipient_ids, recipients),
    ]


def _encoded(texts: Sequence[str]) -> Column:
    return list(map(str.encode, texts))


def _quoted(texts: Sequence[str], encoded: Column) -> Column:
    """Return them as they stand between the quotes of a JSON string: nearly always as they are."""
    together = "".join(texts)
    if encode_basestring(together)[1:-1] == together:
        return encoded
    return [encode_basestring(one)[1:-1].encode() for one in texts]


def planned(cause: Cause) -> Draft:
    """Turn a planned cause into the event that says it."""
    assert cause.planned_at is not None
    event = notifier.NoticePlanned(
        campaign_id=cause.told.campaign_id,
        cause=cause.name,
        kind=cause.told.kind.value,
        pledges_sequence=cause.pledges_sequence,
        audience=cause.audience,
        planned_at=cause.planned_at,
    )
    return _draft(event, cause.planned_at, cause.told)


def completed(cause: Cause, totals: Totals, channels: Mapping[str, Totals]) -> Draft:
    """Turn a completed cause into the event that says it, with its totals by channel as they are.

    A channel beyond the inbox may still be under way: nobody's inbox waits for it.
    """
    assert cause.completed_at is not None
    event = notifier.NoticeCompleted(
        campaign_id=cause.told.campaign_id,
        cause=cause.name,
        kind=cause.told.kind.value,
        pledges_sequence=cause.pledges_sequence,
        audience=cause.audience,
        supplements=totals.supplements,
        delivered=totals.delivered,
        suppressed=totals.suppressed,
        failed=totals.failed,
        completed_at=cause.completed_at,
        channels=[_channel(name, sums) for name, sums in channels.items()],
    )
    return _draft(event, cause.completed_at, cause.told)


def _channel(name: str, totals: Totals) -> notifier.ChannelTotals:
    return notifier.ChannelTotals(
        channel=name,
        delivered=totals.delivered,
        suppressed=totals.suppressed,
        failed=totals.failed,
        pending=totals.pending,
    )
