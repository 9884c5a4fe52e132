"""Events and their deliveries, written with the change they tell of."""

from __future__ import annotations

import json
import secrets
import time

from infra.sandbox.provider import faults
from infra.sandbox.provider.book import PLATFORM, Body, Session, dump

EVENT_TYPES = frozenset(
    {
        "charge.succeeded",
        "refund.created",
        "refund.updated",
        "refund.failed",
        "transfer.created",
        "transfer.reversed",
        "payout.created",
        "payout.paid",
        "payout.failed",
        "topup.succeeded",
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
    }
)


def emit(session: Session, type: str, subject: Body, account: str = PLATFORM) -> None:
    """Write the event, and one waiting delivery per endpoint that wants it."""
    assert type in EVENT_TYPES, type
    event: Body = {
        "id": f"evt_{secrets.token_hex(12)}",
        "object": "event",
        "type": type,
        "created": int(session.now),
        "livemode": False,
        "data": {"object": subject},
    }
    if account != PLATFORM:
        event["account"] = account
    session.connection.execute("INSERT INTO events VALUES (?, ?)", (event["id"], dump(event)))
    session.emitted.append(event["id"])
    for endpoint in _endpoints(session, type):
        _queue(session, event["id"], endpoint, type, _tokens(subject))


def _queue(session: Session, event: str, endpoint: str, type: str, tokens: frozenset[str]) -> None:
    fault = faults.draw(session, faults.WEBHOOK_KINDS, type, tokens)
    kind = fault.kind if fault else None
    if kind == "webhook_early":
        session.early.append(event)
    state = "lost" if kind == "webhook_lost" else "waiting"
    for _ in range(2 if kind == "webhook_doubled" else 1):
        session.connection.execute(
            "INSERT INTO deliveries (event, endpoint, state, due) VALUES (?, ?, ?, ?)",
            (event, endpoint, state, time.time()),
        )


def _endpoints(session: Session, type: str) -> list[str]:
    rows = session.connection.execute(
        "SELECT body FROM objects WHERE kind = 'webhook_endpoint' AND account = ?", (PLATFORM,)
    )
    bodies = [json.loads(row["body"]) for row in rows]
    return [body["id"] for body in bodies if {"*", type} & set(body["enabled_events"])]


def _tokens(subject: Body) -> frozenset[str]:
    values = [*subject.values(), *subject.get("metadata", {}).values()]
    return frozenset(value for value in values if isinstance(value, str))
