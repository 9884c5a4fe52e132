"""Records to try the codec on: a valid one of each event, and ways to spoil it."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sosst_contracts.codec import Draft, Record
from sosst_contracts.event import Event
from sosst_contracts.funding import VerdictReached
from sosst_contracts.testing import sample

HAPPENED_AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def draft_of(event: Event) -> Draft:
    return Draft(event, HAPPENED_AT, identity=None if event.sequenced else "sandbox/ch_1/captured")


def record_of(event: Event) -> Record:
    """Return the event's record; sequence 7 where its topic has one."""
    return draft_of(event).seal(7 if event.sequenced else None)


VERDICT = record_of(sample(VerdictReached))


def value_of(record: Record) -> dict[str, Any]:
    assert record.value is not None
    value: dict[str, Any] = json.loads(record.value)
    return value


def with_fields(record: Record, **changes: Any) -> Record:
    """Return the record with other JSON in it; no model is asked."""
    return replace(record, value=json.dumps(value_of(record) | changes).encode())


def with_header(record: Record, name: str, value: bytes | None) -> Record:
    headers = tuple((n, value if n == name else v) for n, v in record.headers)
    return replace(record, headers=headers)


def without_header(record: Record, name: str) -> Record:
    return replace(record, headers=tuple(pair for pair in record.headers if pair[0] != name))
