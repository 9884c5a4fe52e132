"""Valid sample events, for the tests of subscribers and of our own services."""

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from sosst_contracts.chain import ACCOUNTS, GENESIS_HASH, hash_of
from sosst_contracts.event import Event
from sosst_contracts.payouts import BlockSealed

E = TypeVar("E", bound=Event)

_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_TERMS = {
    "stage_shares_basis_points": [2000, 3000, 5000],
    "platform_fee_basis_points": 500,
    "processing_fee_basis_points": 290,
    "processing_fee_fixed": 30,
    "tax_basis_points": 0,
    "settle_seconds": 900,
    "pending_window_seconds": 3600,
}

# The same name means the same thing in every event, so one table serves them all.
_VALUES: dict[str, Any] = {
    "amount": 1999,
    "attempt": 1,
    "audience": 240,
    "audience_count": 240,
    "author_id": "creator-1",
    "backer_id": "backer-1",
    "balance_transaction": "txn_1",
    "balances": dict.fromkeys(ACCOUNTS, 0) | {"provider_balance": 1999, "backer_funds": 1999},
    "base": 123456,
    "by": "verdict",
    "campaign_id": "campaign-1",
    "cause": "verdict-reached/campaign-1",
    "collected": 123456,
    "count": 250,
    "creator_id": "creator-1",
    "currency": "EUR",
    "date": "2026-08-01",
    "delivered": 240,
    "destination_version": 1,
    "entries": [
        {
            "number": 1,
            "row": 1,
            "cause": "txn_1/pledge",
            "line": 1,
            "debit": "provider_balance",
            "credit": "backer_funds",
            "amount": 1999,
            "balance_transaction": "txn_1",
        }
    ],
    "evidence": "0" * 64,
    "failed": 0,
    "fully_refunded": True,
    "goal": 100000,
    "late_by_seconds": 2,
    "new": "2026-09-15",
    "notification_id": "019a2b3c4d5e6f708192a3b4c5d6e7f8",
    "old": "2026-08-01",
    "payment_reference": "ch_1",
    "pledge_id": "pledge-1",
    "pledges_sequence": 500,
    "previous_hash": GENESIS_HASH,
    "proof": "0" * 64,
    "provider": "sandbox",
    "provider_fee": 88,
    "reason": "card_declined",
    "recipient_id": "backer-1",
    "refund_id": "rf_1",
    "rewards": [{"reward_id": "reward-1", "title": "One lamp"}],
    "role": "backer",
    "stage": 1,
    "stages": [
        {
            "stage": number,
            "kind": kind,
            "share_basis_points": share,
            "planned_amount": 123456 * share // 10_000,
        }
        for number, kind, share in ((1, "first", 2000), (2, "second", 3000), (3, "last", 5000))
    ],
    "standing": "counted",
    "supplements": 0,
    "suppressed": 0,
    "terms": _TERMS,
    "texts": [{"language": "fr", "title": "Les moules sont prêts", "excerpt": "Tout avance."}],
    "title": "A lamp that follows the sun",
    "update_id": "update-1",
    "url": "/campaigns/campaign-1/updates/update-1",
    "verdict": "goal_met",
    "visibility": "public",
    "zone": "Europe/Paris",
}

# Words whose vocabulary differs from topic to topic.
_KINDS = {
    "payouts.refunds": "refund",
    "payouts.stages": "first",
    "updates.posts": "progress_report",
    "notifier.notifications": "update-published",
    "notifier.notices": "update-published",
}


def sample(event_type: type[E], **changes: Any) -> E:
    """Return a valid event with the given fields changed; optional fields only if given."""
    schema = _schema(event_type)
    values: dict[str, Any] = {
        name: _value(event_type, name, schema)
        for name, field in event_type.model_fields.items()
        if field.is_required() and name not in changes
    }
    if event_type is BlockSealed and "hash" not in changes:
        values["hash"] = _true_hash(values | changes)
    return event_type.model_validate(values | changes)


@cache
def _schema(event_type: type[Event]) -> dict[str, Any]:
    """Making it costs ninety times what the rest of a sample does, and nobody writes into it."""
    return event_type.model_json_schema()


def _true_hash(values: dict[str, Any]) -> str:
    """Return the hash that makes the block prove itself."""
    block = BlockSealed.model_validate(values | {"hash": GENESIS_HASH})
    return hash_of(json.loads(block.model_dump_json(exclude_none=True)))


def _value(event_type: type[Event], name: str, schema: dict[str, Any]) -> Any:
    usual = _KINDS.get(event_type.topic) if name == "kind" else None
    if usual is not None and not _has_other_words(schema["properties"][name], usual):
        return usual
    if name in _VALUES and not _has_other_words(schema["properties"][name], _VALUES[name]):
        return _VALUES[name]
    return _made_up(name, schema["properties"][name], schema.get("$defs", {}))


def _has_other_words(node: dict[str, Any], usual: Any) -> bool:
    """Whether a topic, or one event of it, has a vocabulary without the usual word."""
    return "x-extensible-enum" in node and usual not in node["x-extensible-enum"]


def _made_up(name: str, node: dict[str, Any], definitions: dict[str, Any]) -> Any:
    """Return the least value that the schema allows, for a field that the table does not know."""
    if "$ref" in node:
        node = definitions[node["$ref"].rsplit("/", 1)[-1]]
    match node.get("type"):
        case "string" if node.get("format") == "date-time":
            return _AT
        case "string":
            return node.get("x-extensible-enum", [f"{name}-1"])[0]
        case "integer":
            return node.get("minimum", 0)
        case "array":
            return [_made_up(name, node["items"], definitions)] * node.get("minItems", 1)
        case "object":
            return {
                field: _part(field, node["properties"][field], definitions)
                for field in node.get("required", ())
            }
    return True


def _part(name: str, node: dict[str, Any], definitions: dict[str, Any]) -> Any:
    if name in _VALUES and not _has_other_words(node, _VALUES[name]):
        return _VALUES[name]
    return _made_up(name, node, definitions)
