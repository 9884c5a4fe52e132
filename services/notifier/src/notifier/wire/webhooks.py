"""What endpoints are sent, and what is told of it (decision 0033).

A fact goes out as it stands on its topic: its envelope and its value are one CloudEvents document,
the same bytes on every attempt.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from notifier.domain.webhook_endpoint import SendOutcome, WebhookEndpoint
from notifier.ports.webhooks import FeedFact
from servicekit.ordering import Incoming
from sosst_contracts import funding, notifier, payouts, updates
from sosst_contracts.codec import Decoded, Draft, Record, decode
from sosst_contracts.envelope import hashed_id
from sosst_contracts.registry import REGISTRY

# Every topic about campaigns for the whole company that notifier may read, kept for ever: none that
# is restricted. An endpoint chooses campaigns; an erasure has none, and its topic is read itself.
FEED_TOPICS: tuple[str, ...] = (
    funding.CampaignLaunched.topic,
    funding.PledgeCollected.topic,
    payouts.RefundSucceeded.topic,
    payouts.StageDue.topic,
    payouts.DisputeOpened.topic,
    updates.UpdatePublished.topic,
    updates.PlanPublished.topic,
    updates.DeliveryChanged.topic,
    updates.ClaimOpened.topic,
    updates.SurveyOpened.topic,
    notifier.NoticePlanned.topic,
)
FEED_TYPES = frozenset(e.type_name() for e in REGISTRY.event_types if e.topic in FEED_TOPICS)

DELIVERIES_TOPIC = notifier.DeliverySucceeded.topic
IDENTIFIER_LENGTH_MAX = 200
_ATTRIBUTES = {
    "ce_specversion": "specversion",
    "ce_id": "id",
    "ce_type": "type",
    "ce_source": "source",
    "ce_subject": "subject",
    "ce_time": "time",
    "ce_dataschema": "dataschema",
    "ce_sequence": "sequence",
    "ce_correlationid": "correlationid",
    "ce_causationid": "causationid",
}
_REQUIRED = frozenset({"specversion", "id", "type", "source"})
CONTENT_TYPE = "application/cloudevents+json"


def feed_fact(incoming: Incoming) -> FeedFact:
    """Return what is sent of a record, also of a type that this release does not know."""
    record = incoming.record
    attributes = _attributes(record)
    return FeedFact(
        topic=record.topic,
        partition=incoming.partition,
        offset=incoming.offset,
        fact_id=attributes.get("id", ""),
        type_name=attributes.get("type", ""),
        campaign_id=(record.key or b"").decode(errors="replace"),
        body=_body(attributes, record.value),
    )


def _attributes(record: Record) -> dict[str, str]:
    return {
        _ATTRIBUTES[name]: value.decode(errors="replace")
        for name, value in record.headers
        if name in _ATTRIBUTES and value is not None
    }


def _body(attributes: dict[str, str], value: bytes | None) -> bytes | None:
    if value is None or attributes.keys() < _REQUIRED:
        return None
    try:
        json.loads(value)
    except ValueError:
        return None
    envelope = json.dumps(attributes | {"datacontenttype": "application/json"})
    # The value as its maker wrote it: a number in it is not read and written again.
    return envelope[:-1].encode() + b', "data": ' + value + b"}"


def sent(endpoint: WebhookEndpoint, facts: Sequence[FeedFact], now: datetime) -> list[Record]:
    """Return what is told of facts that an endpoint took."""
    return [
        _sealed(notifier.DeliverySucceeded(**_delivery(endpoint, fact, now)), "succeeded")
        for fact in facts
    ]


_FAILED = {SendOutcome.GONE: "gone", SendOutcome.REDIRECTED: "redirected"} | {
    SendOutcome.FORBIDDEN_ADDRESS: "forbidden-address"
}


def given_up(endpoint: WebhookEndpoint, fact: FeedFact, now: datetime) -> Record:
    """Return what is told of the fact with which an endpoint was given up."""
    reason = _FAILED.get(endpoint.last_failure or SendOutcome.REFUSED, "expired")
    event = notifier.DeliveryFailed(**_delivery(endpoint, fact, now), reason=reason)
    return _sealed(event, f"failed {now.isoformat()}")


def _delivery(endpoint: WebhookEndpoint, fact: FeedFact, now: datetime) -> dict[str, Any]:
    return {
        "notification_id": told_id(fact.fact_id),
        "cause": fact.type_name,
        "campaign_id": fact.campaign_id,
        "recipient_id": endpoint.recipient_id,
        "channel": "webhook",
        "decided_at": now,
    }


def told_id(fact_id: str) -> str:
    """Return the fact's id as it is told; one too long for the contract stands as its hash."""
    fits = len(fact_id) <= IDENTIFIER_LENGTH_MAX
    return fact_id if fits else hashed_id(notifier.DeliverySucceeded.topic, fact_id)


def taken_from(record: Record) -> tuple[str, str] | None:
    """Read which endpoint took which fact, None for any other record."""
    decoded = decode(record)
    if not isinstance(decoded, Decoded):
        return None
    event = decoded.event
    if not isinstance(event, notifier.DeliverySucceeded) or event.channel != "webhook":
        return None
    return event.recipient_id, event.notification_id


def _sealed(event: notifier.DeliverySucceeded | notifier.DeliveryFailed, outcome: str) -> Record:
    identity = f"{event.recipient_id} {event.notification_id} {outcome}"
    return Draft(event, event.decided_at, identity).seal()
