"""From event to record and back. Writing is strict; reading is total: any bytes give an answer."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from sosst_contracts.envelope import (
    LARGEST_SEQUENCE,
    SEQUENCE_DIGITS,
    SPECIFICATION_VERSION,
    Envelope,
    hashed_id,
    sequenced_id,
    to_headers,
)
from sosst_contracts.event import READING, Event
from sosst_contracts.registry import REGISTRY

VALUE_BYTES_MAX = 256 * 1024

UNUSABLE_REASONS = (
    "null-value",
    "missing-key",
    "undecodable-key",
    "missing-header",
    "undecodable-header",
    "malformed-header",
    "malformed-sequence",
    "oversized",
    "undecodable-value",
    "schema-mismatch",
    "key-mismatch",
)

# Far above our own, of a topic's name, a key and a number. What is caused by a fact carries its id
# and its story twice over: without a limit, a record of half a MiB would make one that no broker
# takes, and stop every fact behind it.
ID_CHARACTERS_MAX = 1_000

_TYPE = re.compile(r"sosst\.([a-z]+)\.([a-z][a-z0-9-]*)\.v([1-9][0-9]*)")
_SEQUENCE = re.compile(rf"[0-9]{{{SEQUENCE_DIGITS}}}")
_TRACEPARENT = re.compile(r"[0-9a-f-]{1,100}")


class OversizedEvent(ValueError):
    """The value is above 256 KiB (`events.md` rule 7)."""


@dataclass(frozen=True, slots=True)
class Record:
    """A Kafka record with the logical name of its topic."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that still lacks its sequence.

    `identity` is the natural key of a fact on a topic without sequence; its id is made of it.
    """

    event: Event
    occurred_at: datetime
    identity: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    traceparent: str | None = None

    @property
    def topic(self) -> str:
        return self.event.topic

    @property
    def key(self) -> str:
        return self.event.key

    def seal(self, sequence: int | None = None) -> Record:
        """Return the record.

        Raises `OversizedEvent`, and `ValueError` for a sequence that is wrong or not the topic's
        to have, a time without a zone, and a missing natural key where there is no sequence.
        """
        event = self.event
        if event.sequenced != (sequence is not None):
            raise ValueError(f"{event.topic} {'has' if event.sequenced else 'has no'} sequence")
        value = event.model_dump_json(exclude_none=True).encode()
        if len(value) > VALUE_BYTES_MAX:
            raise OversizedEvent(f"{event.type_name()} has {len(value)} bytes")
        key = event.key
        headers = to_headers(self._envelope(key, sequence))
        return Record(event.topic, key.encode(), value, headers)

    def _envelope(self, key: str, sequence: int | None) -> Envelope:
        event = self.event
        if sequence is not None:
            event_id = sequenced_id(event.topic, key, sequence)
        elif self.identity is not None:
            event_id = hashed_id(event.topic, self.identity)
        else:
            raise ValueError(f"{event.topic} has no sequence, so a draft needs its natural key")
        return Envelope(
            id=event_id,
            type=event.type_name(),
            source=event.source(),
            time=self.occurred_at,
            subject=key,
            sequence=sequence,
            data_schema=event.schema_id(),
            correlation_id=self.correlation_id,
            causation_id=self.causation_id,
            traceparent=self.traceparent,
        )


@dataclass(frozen=True, slots=True)
class Decoded:
    """An event that was understood."""

    event: Event
    envelope: Envelope
    key: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """A record that cannot be used: why, and as far as it can be told, whose it is.

    `detail` never repeats a value from the record, because it may be personal.
    """

    reason: str
    detail: str
    key: str | None
    sequence: int | None


@dataclass(frozen=True, slots=True)
class UnknownType:
    """A type that this release does not know on a topic that it does: skipped and counted."""

    type: str
    key: str | None
    sequence: int | None


@dataclass(frozen=True, slots=True)
class UnknownMajor:
    """A newer major on an existing topic: the deploy is wrong and the consumer must stop."""

    type: str


@dataclass(frozen=True, slots=True)
class Erased:
    """A tombstone: what a compacted topic said of this key is to be forgotten."""

    key: str


class _Refusal(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


def tombstone(event_type: type[Event], key: str) -> Record:
    """Return the record that erases a key of a compacted topic; any other topic: `ValueError`."""
    if not event_type.compacted:
        raise ValueError(f"{event_type.topic} is not compacted, nothing on it can be erased")
    return Record(event_type.topic, key.encode(), None, ())


def decode(record: Record) -> Decoded | Erased | Unusable | UnknownType | UnknownMajor:
    """Read a record; never raises, whatever the bytes are."""
    headers = dict(record.headers)
    try:
        return _decode(record, headers)
    except _Refusal as refusal:
        key, sequence = attribution(record)
        return Unusable(refusal.reason, refusal.detail, key, sequence)


def _decode(
    record: Record, headers: dict[str, bytes | None]
) -> Decoded | Erased | UnknownType | UnknownMajor:
    key = _key(record)
    if record.value is None and REGISTRY.is_compacted(record.topic):
        return Erased(key)  # Whoever erases need not say anything else: no header is asked for.
    if (version := _header(headers, "ce_specversion")) != SPECIFICATION_VERSION:
        raise _Refusal("malformed-header", f"ce_specversion is not 1.0 ({len(version)} characters)")
    type_name = _header(headers, "ce_type")
    sequence = _sequence(headers)
    event_type = REGISTRY.event_type(record.topic, type_name)
    if event_type is None:
        match = _TYPE.fullmatch(type_name)
        if match is None:
            raise _Refusal("malformed-header", "ce_type")
        if REGISTRY.has_other_major(record.topic, match[1], match[2]):
            return UnknownMajor(type_name[:200])
        return UnknownType(type_name[:200], key, sequence)
    if event_type.sequenced and sequence is None:
        raise _Refusal("missing-header", "ce_sequence")
    event = _event(event_type, record.value)
    if event.key != key:
        raise _Refusal("key-mismatch", f"the key is not the {event_type.key_field}")
    return Decoded(event, _envelope(headers, type_name, sequence), key)


def attribution(record: Record) -> tuple[str | None, int | None]:
    """Return whose a record is and its place there, as far as it can be told without its value."""
    headers = dict(record.headers)
    try:
        key = _key(record)
    except _Refusal:
        key = None
    try:
        sequence = _sequence(headers)
    except _Refusal:
        sequence = None
    return key, sequence


def _key(record: Record) -> str:
    if not record.key:
        raise _Refusal("missing-key", "the record has no key")
    try:
        return record.key.decode()
    except UnicodeDecodeError:
        raise _Refusal("undecodable-key", "the key is not UTF-8") from None


def _event(event_type: type[Event], value: bytes | None) -> Event:
    if value is None:
        raise _Refusal("null-value", "the record has no value")
    if len(value) > VALUE_BYTES_MAX:
        raise _Refusal("oversized", f"{len(value)} bytes")
    try:
        return event_type.model_validate_json(value, context=READING)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        malformed = first["type"] == "json_invalid"
        where = "/".join(str(part) for part in first["loc"])
        detail = f"{where}: {first['type']}" if where else first["type"]
        raise _Refusal(
            "undecodable-value" if malformed else "schema-mismatch", detail[:500]
        ) from None
    except Exception as error:  # Whatever a field's rule overlooked, one record stops nobody.
        raise _Refusal("undecodable-value", type(error).__name__) from None


def _header(headers: dict[str, bytes | None], name: str) -> str:
    text = _optional_header(headers, name)
    if not text:
        raise _Refusal("missing-header", name)
    return text


def _optional_header(headers: dict[str, bytes | None], name: str) -> str | None:
    value = headers.get(name)
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise _Refusal("undecodable-header", name) from None


def _sequence(headers: dict[str, bytes | None]) -> int | None:
    text = _optional_header(headers, "ce_sequence")
    if text is None:
        return None
    if not _SEQUENCE.fullmatch(text) or not 1 <= int(text) <= LARGEST_SEQUENCE:
        raise _Refusal("malformed-sequence", f"not {SEQUENCE_DIGITS} digits from 1")
    return int(text)


def _envelope(headers: dict[str, bytes | None], type_name: str, sequence: int | None) -> Envelope:
    fact_id = _header(headers, "ce_id")
    if len(fact_id) > ID_CHARACTERS_MAX:
        raise _Refusal("malformed-header", f"ce_id has {len(fact_id)} characters")
    return Envelope(
        id=fact_id,
        type=type_name,
        source=_header(headers, "ce_source"),
        time=_time(_header(headers, "ce_time")),
        subject=_optional_header(headers, "ce_subject") or "",
        sequence=sequence,
        data_schema=_optional_header(headers, "ce_dataschema"),
        correlation_id=_origin(headers, "ce_correlationid"),
        causation_id=_origin(headers, "ce_causationid"),
        traceparent=_trace(headers),
    )


def _origin(headers: dict[str, bytes | None], name: str) -> str | None:
    """Return an id that only says why there is this fact: one that is no id is left out."""
    text = _optional_header(headers, name)
    return text if text is None or len(text) <= ID_CHARACTERS_MAX else None


def _trace(headers: dict[str, bytes | None]) -> str | None:
    """Return the trace context, left out where it cannot be one."""
    text = _optional_header(headers, "traceparent")
    return text if text is None or _TRACEPARENT.fullmatch(text) else None


def _time(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise _Refusal("malformed-header", "ce_time") from None
    if instant.tzinfo is None:
        raise _Refusal("malformed-header", "ce_time has no zone")
    try:
        return instant.astimezone(UTC)
    except (OverflowError, ValueError):
        raise _Refusal("malformed-header", "ce_time") from None
