"""The envelope: CloudEvents 1.0 in Kafka's binary mode, as headers beside a JSON value."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

SPECIFICATION_VERSION = "1.0"
CONTENT_TYPE = "application/json"
# As a plain string this extension must order like the number (`architecture.md`, contracts).
SEQUENCE_DIGITS = 20
LARGEST_SEQUENCE = 2**63 - 1

_SPECIFICATION = ("ce_specversion", SPECIFICATION_VERSION.encode())
_CONTENT = ("content-type", CONTENT_TYPE.encode())


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is known of an event beside its value.

    `sequence` is None on topics without one; `time` is when it happened, in UTC.
    """

    id: str
    type: str
    source: str
    time: datetime
    subject: str
    sequence: int | None
    data_schema: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    traceparent: str | None = None


def sequenced_id(topic: str, key: str, sequence: int) -> str:
    """Return the id of a fact with a sequence: equal on every retry, different for every fact."""
    return f"{topic}:{key}:{sequence}"


def hashed_id(topic: str, identity: str) -> str:
    """Return the id of a fact without sequence, from its natural key."""
    return hashed_ids(topic, [identity])[0]


def hashed_ids(topic: str, identities: Iterable[str]) -> list[str]:
    """Return the ids of many such facts: a call for each would cost a third as much as its hash."""
    begin, sha256 = f"{topic}\n".encode(), hashlib.sha256
    return [sha256(begin + one.encode()).hexdigest()[:32] for one in identities]


def to_headers(envelope: Envelope) -> tuple[tuple[str, bytes], ...]:
    """Return the Kafka headers of the envelope; what is absent is left out.

    Raises `ValueError` for a time without a zone and a sequence below 1: what readers refuse is
    not written.
    """
    if envelope.time.tzinfo is None:
        raise ValueError("the time of an event has a zone")
    time = envelope.time.astimezone(UTC).isoformat()[: -len("+00:00")] + "Z"
    # Made one by one: a loop over names and values costs as much as rendering the value.
    headers = [
        _SPECIFICATION,
        ("ce_id", envelope.id.encode()),
        ("ce_type", envelope.type.encode()),
        ("ce_source", envelope.source.encode()),
        ("ce_time", time.encode()),
        ("ce_subject", envelope.subject.encode()),
    ]
    if envelope.data_schema is not None:
        headers.append(("ce_dataschema", envelope.data_schema.encode()))
    if envelope.sequence is not None:
        headers.append(("ce_sequence", sequence_text(envelope.sequence).encode()))
    if envelope.correlation_id is not None:
        headers.append(("ce_correlationid", envelope.correlation_id.encode()))
    if envelope.causation_id is not None:
        headers.append(("ce_causationid", envelope.causation_id.encode()))
    if envelope.traceparent is not None:
        headers.append(("traceparent", envelope.traceparent.encode()))
    headers.append(_CONTENT)
    return tuple(headers)


def sequence_text(sequence: int) -> str:
    """Return the padded digits."""
    if not 1 <= sequence <= LARGEST_SEQUENCE:
        raise ValueError(f"a sequence lies between 1 and {LARGEST_SEQUENCE}, not {sequence}")
    return f"{sequence:0{SEQUENCE_DIGITS}}"
