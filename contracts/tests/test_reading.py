"""Each thing that can be wrong with a record has its answer, in every event and every header."""

import json
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.tests.records import (
    VERDICT,
    record_of,
    value_of,
    with_fields,
    with_header,
    without_header,
)
from sosst_contracts.codec import (
    UNUSABLE_REASONS,
    VALUE_BYTES_MAX,
    Decoded,
    Record,
    UnknownMajor,
    UnknownType,
    Unusable,
    decode,
)
from sosst_contracts.event import Event
from sosst_contracts.funding import PledgeCollected
from sosst_contracts.platform import PaymentCaptured
from sosst_contracts.registry import REGISTRY
from sosst_contracts.testing import sample

COLLECTED = record_of(sample(PledgeCollected))
NAIVE = "2026-03-01T12:00:00"
# Before the first year once it is brought to UTC, which Python cannot represent.
LATE = "0001-01-01T00:00:00+14:00"
DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000

SPOILED: list[tuple[str, str, Record]] = [
    ("null value", "null-value", replace(VERDICT, value=None)),
    ("no key", "missing-key", replace(VERDICT, key=None)),
    ("empty key", "missing-key", replace(VERDICT, key=b"")),
    ("key not UTF-8", "undecodable-key", replace(VERDICT, key=b"\xff")),
    ("no headers", "missing-header", replace(VERDICT, headers=())),
    ("type missing", "missing-header", without_header(VERDICT, "ce_type")),
    ("type null", "missing-header", with_header(VERDICT, "ce_type", None)),
    ("id missing", "missing-header", without_header(VERDICT, "ce_id")),
    ("id empty", "missing-header", with_header(VERDICT, "ce_id", b"")),
    ("source missing", "missing-header", without_header(VERDICT, "ce_source")),
    ("time missing", "missing-header", without_header(VERDICT, "ce_time")),
    ("version missing", "missing-header", without_header(VERDICT, "ce_specversion")),
    ("sequence missing", "missing-header", without_header(VERDICT, "ce_sequence")),
    ("type not UTF-8", "undecodable-header", with_header(VERDICT, "ce_type", b"\xff\xfe")),
    ("time not UTF-8", "undecodable-header", with_header(VERDICT, "ce_time", b"\xc3(")),
    ("subject not UTF-8", "undecodable-header", with_header(VERDICT, "ce_subject", b"\x80")),
    ("sequence not UTF-8", "undecodable-header", with_header(VERDICT, "ce_sequence", b"\xff")),
    ("other version", "malformed-header", with_header(VERDICT, "ce_specversion", b"0.3")),
    ("type not ours", "malformed-header", with_header(VERDICT, "ce_type", b"com.example.order")),
    ("time no time", "malformed-header", with_header(VERDICT, "ce_time", b"yesterday")),
    ("time no zone", "malformed-header", with_header(VERDICT, "ce_time", b"2026-03-01T12:00:00")),
    ("time before year 1", "malformed-header", with_header(VERDICT, "ce_time", LATE.encode())),
    ("id too long", "malformed-header", with_header(VERDICT, "ce_id", b"i" * 1_001)),
    ("sequence 0", "malformed-sequence", with_header(VERDICT, "ce_sequence", b"0" * 20)),
    ("sequence short", "malformed-sequence", with_header(VERDICT, "ce_sequence", b"7")),
    ("sequence empty", "malformed-sequence", with_header(VERDICT, "ce_sequence", b"")),
    ("sequence sign", "malformed-sequence", with_header(VERDICT, "ce_sequence", b"-" + b"1" * 19)),
    ("sequence huge", "malformed-sequence", with_header(VERDICT, "ce_sequence", b"9" * 20)),
    ("oversized", "oversized", replace(VERDICT, value=b" " * (VALUE_BYTES_MAX + 1))),
    ("empty value", "undecodable-value", replace(VERDICT, value=b"")),
    ("no JSON", "undecodable-value", replace(VERDICT, value=b"{")),
    ("value not UTF-8", "undecodable-value", replace(VERDICT, value=b'{"title":"\xff"}')),
    ("half a surrogate", "undecodable-value", with_fields(VERDICT, title="\ud800")),
    ("too deep", "undecodable-value", replace(VERDICT, value=DEEP[:VALUE_BYTES_MAX])),
    ("a list", "schema-mismatch", replace(VERDICT, value=b"[]")),
    ("JSON null", "schema-mismatch", replace(VERDICT, value=b"null")),
    ("no fields", "schema-mismatch", replace(VERDICT, value=b"{}")),
    ("negative amount", "schema-mismatch", with_fields(COLLECTED, amount=-1)),
    ("amount too large", "schema-mismatch", with_fields(COLLECTED, amount=900_000_001)),
    ("huge amount", "schema-mismatch", with_fields(COLLECTED, amount=10**400)),
    ("float amount", "schema-mismatch", with_fields(COLLECTED, amount=19.99)),
    ("whole float amount", "schema-mismatch", with_fields(COLLECTED, amount=20.0)),
    ("text amount", "schema-mismatch", with_fields(COLLECTED, amount="1999")),
    ("boolean amount", "schema-mismatch", with_fields(COLLECTED, amount=True)),
    ("NaN", "schema-mismatch", with_fields(COLLECTED, amount=float("nan"))),
    ("infinity", "schema-mismatch", with_fields(COLLECTED, amount=float("inf"))),
    ("null amount", "schema-mismatch", with_fields(COLLECTED, amount=None)),
    ("unknown currency", "schema-mismatch", with_fields(COLLECTED, currency="XXX")),
    (
        "time without zone",
        "schema-mismatch",
        with_fields(VERDICT, reached_at=NAIVE),
    ),
    ("time as number", "schema-mismatch", with_fields(VERDICT, reached_at=1_772_366_400)),
    ("time out of range", "schema-mismatch", with_fields(VERDICT, reached_at=LATE)),
    ("key of another", "key-mismatch", replace(VERDICT, key=b"campaign-2")),
]


@pytest.mark.parametrize(
    ("reason", "record"), [s[1:] for s in SPOILED], ids=[s[0] for s in SPOILED]
)
def test_refusals(reason: str, record: Record) -> None:
    """A spoiled record is unusable, for the reason that says what is wrong with it."""
    found = decode(record)
    assert isinstance(found, Unusable), found
    assert found.reason == reason


def test_an_origin_that_is_none_is_left_out() -> None:
    """Why there is a fact is copied into all that it causes, and never at any size."""
    record, names = VERDICT, ("ce_correlationid", "ce_causationid", "traceparent")
    for name in names:
        record = replace(record, headers=(*record.headers, (name, b"a" * 500_000)))
    found = decode(record)
    assert isinstance(found, Decoded)
    envelope = found.envelope
    assert envelope.correlation_id is envelope.causation_id is envelope.traceparent is None
    known = decode(with_header(record, "ce_correlationid", b"a" * 1_000))
    assert isinstance(known, Decoded) and known.envelope.correlation_id == "a" * 1_000


def test_every_reason_is_tried() -> None:
    """There is no reason for refusing that is not tried above, and none that is not declared."""
    assert {reason for _, reason, _ in SPOILED} == set(UNUSABLE_REASONS)


def test_a_refusal_repeats_no_value() -> None:
    """The detail names the place and never the value, which may be somebody's."""
    found = decode(with_fields(VERDICT, title=["secret"], creator_id={"secret": "secret"}))
    assert isinstance(found, Unusable)
    assert "title" in found.detail or "creator_id" in found.detail
    assert "secret" not in found.detail


def test_type_of_another_topic() -> None:
    """An event that belongs on another topic is unknown on this one."""
    found = decode(with_header(VERDICT, "ce_type", b"sosst.funding.pledge-placed.v1"))
    assert isinstance(found, UnknownType)


def test_unknown_topic() -> None:
    """On a topic that is not known every type is unknown."""
    assert isinstance(decode(replace(VERDICT, topic="funding.other")), UnknownType)


def test_sequence_is_not_asked_for_where_there_is_none() -> None:
    """A topic without sequence is read without the header."""
    found = decode(record_of(sample(PaymentCaptured)))
    assert isinstance(found, Decoded)
    assert found.envelope.sequence is None


NAMES = [name for name, _ in VERDICT.headers]
NAME = st.text(max_size=9)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(LATE),
    lambda child: (
        st.lists(child, max_size=4) | st.dictionaries(st.text(max_size=9), child, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=500)
@given(event_type=st.sampled_from(REGISTRY.event_types), data=st.data())
def test_any_json_in_any_field(event_type: type[Event], data: st.DataObject) -> None:
    """Whatever JSON stands in a field of any event, there is an answer."""
    record = record_of(sample(event_type))
    name = data.draw(st.sampled_from(sorted(event_type.model_fields)))
    value = json.dumps(value_of(record) | {name: data.draw(JSON)}).encode()
    _answered(replace(record, value=value))


@settings(max_examples=300)
@given(
    name=st.sampled_from(NAMES),
    value=st.none() | st.binary(max_size=60) | st.datetimes().map(lambda t: t.isoformat().encode()),
)
@example(name="ce_time", value=LATE.encode())
def test_any_bytes_in_any_header(name: str, value: bytes | None) -> None:
    """Whatever stands in one header of a good record, there is an answer."""
    _answered(with_header(VERDICT, name, value))


def _answered(record: Record) -> None:
    found = decode(record)
    assert isinstance(found, Decoded | Unusable | UnknownType | UnknownMajor)
    if isinstance(found, Unusable):
        assert found.reason in UNUSABLE_REASONS
