"""What became of mails, on `notifier.deliveries`, and reading it back after a restored backup."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from notifier.domain.chunk import Chunk
from notifier.domain.delivery import Channel, DeliveryState, Standing
from notifier.domain.notification import NotificationIds
from sosst_contracts import notifier
from sosst_contracts.codec import Decoded, Draft, Record, decode

DELIVERIES_TOPIC = notifier.DeliverySucceeded.topic
Outcome = notifier.DeliverySucceeded | notifier.DeliverySuppressed | notifier.DeliveryFailed


def outcomes_of(chunk: Chunk, standings: Mapping[int, Standing], now: datetime) -> list[Record]:
    """Return what is told of the recipients at these places who have an outcome."""
    ids = NotificationIds(chunk.told.cause, chunk.told.caused_at)
    records = []
    for place, standing in standings.items():
        person_id = chunk.recipients[place]
        event = _event(chunk, ids.of(person_id), person_id, standing, now)
        if event is not None:
            identity = f"{person_id} {event.notification_id} email {standing.state.value}"
            records.append(Draft(event, now, identity).seal())
    return records


def _event(
    chunk: Chunk, told_id: str, person_id: str, standing: Standing, now: datetime
) -> Outcome | None:
    shared: dict[str, Any] = {
        "notification_id": told_id,
        "cause": chunk.told.cause,
        "campaign_id": chunk.told.campaign_id,
        "recipient_id": person_id,
        "channel": Channel.EMAIL.value,
        "decided_at": now,
    }
    match standing.state:
        case DeliveryState.DELIVERED:
            return notifier.DeliverySucceeded(**shared, merged_into=standing.inside or None)
        case DeliveryState.SUPPRESSED:
            return notifier.DeliverySuppressed(**shared, reason=standing.reason)
        case DeliveryState.FAILED:
            return notifier.DeliveryFailed(**shared, reason=standing.reason)
    return None


def mailed_from(records: Sequence[Record]) -> list[str]:
    """Read which notifications a mail server has taken."""
    events = (read.event for one in records if isinstance(read := decode(one), Decoded))
    return [
        event.notification_id
        for event in events
        if isinstance(event, notifier.DeliverySucceeded) and event.channel == Channel.EMAIL.value
    ]
