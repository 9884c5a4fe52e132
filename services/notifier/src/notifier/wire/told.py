"""What is told: this service's words become a contract's event."""

import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime
from json.encoder import encode_basestring

from notifier.domain.cause import Cause, Told, Totals
from notifier.domain.chunk import Chunk
from notifier.domain.kind import ToldAs
from notifier.domain.notification import NotificationIds
from servicekit.traces import current_traceparent
from sosst_contracts import notifier
from sosst_contracts.codec import Decoded, Draft, Record, decode
from sosst_contracts.envelope import hashed_id
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


def records_of(chunk: Chunk) -> Iterator[Record]:
    """Render one event per recipient by splicing ids into a template that pydantic made once.

    The first rendered one is decoded and compared, so that a template that breaks is never sent:
    `ValueError`.
    """
    told, role = chunk.told, chunk.role
    template, ids = _Template(told, role), NotificationIds(told.cause, told.caused_at)
    for position, recipient_id in enumerate(chunk.recipients):
        told_id = ids.of(recipient_id)
        record = template.record(recipient_id, told_id)
        if position == 0:
            _must_read_back(record, _event(told, role, recipient_id, told_id))
        yield record


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


class _Template:
    """One cause's event, cut at the holes for the notification id and the recipient."""

    def __init__(self, told: Told, role: ToldAs) -> None:
        # Drawn anew for each template: no id that somebody chose can contain it.
        recipient, told_id = secrets.token_hex(16), secrets.token_hex(16)
        record = _draft(
            _event(told, role, recipient, told_id), told.caused_at, told, told_id
        ).seal()
        assert record.value is not None
        self._before, _, rest = record.value.partition(told_id.encode())
        self._between, _, self._after = rest.partition(recipient.encode())
        changing = ("ce_id", "ce_subject")
        self._headers = tuple(h for h in record.headers if h[0] not in changing)

    def record(self, recipient_id: str, told_id: str) -> Record:
        """Return the event for this person; equal on every retry."""
        key = recipient_id.encode()
        value = b"".join(
            (self._before, told_id.encode(), self._between, _json_text(recipient_id), self._after)
        )
        ids = (
            ("ce_id", hashed_id(NOTIFICATIONS_TOPIC, told_id).encode()),
            ("ce_subject", key),
        )
        return Record(NOTIFICATIONS_TOPIC, key, value, ids + self._headers)


def _json_text(text: str) -> bytes:
    """Return the text as it stands between the quotes of a JSON string."""
    return encode_basestring(text)[1:-1].encode()


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
