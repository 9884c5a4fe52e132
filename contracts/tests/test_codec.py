"""Writing is strict, reading is total."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from sosst_contracts import funding, notifier, platform
from sosst_contracts.codec import (
    UNUSABLE_REASONS,
    VALUE_BYTES_MAX,
    Decoded,
    Draft,
    Erased,
    OversizedEvent,
    Record,
    UnknownMajor,
    UnknownType,
    Unusable,
    decode,
    tombstone,
)
from sosst_contracts.event import Event
from sosst_contracts.registry import REGISTRY
from sosst_contracts.testing import sample

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
PLEDGE = funding.PledgeCollected


def record_of(event: Event, sequence: int = 1) -> Record:
    if event.sequenced:
        return Draft(event, AT).seal(sequence)
    return Draft(event, AT, identity="natural-key").seal()


def with_value(record: Record, **changes: Any) -> Record:
    value = json.loads(record.value or b"{}") | changes
    return Record(record.topic, record.key, json.dumps(value).encode(), record.headers)


def with_header(record: Record, name: str, value: bytes | None) -> Record:
    headers = tuple(h for h in record.headers if h[0] != name)
    return Record(record.topic, record.key, record.value, (*headers, (name, value)))


def without_header(record: Record, name: str) -> Record:
    headers = tuple(h for h in record.headers if h[0] != name)
    return Record(record.topic, record.key, record.value, headers)


@pytest.mark.parametrize("event_type", REGISTRY.event_types, ids=lambda e: e.__name__)
def test_every_event_comes_back_as_it_was_written(event_type: type[Event]) -> None:
    """What is written is read back equal, with its envelope."""
    event = sample(event_type)
    read = decode(record_of(event, 7))
    assert isinstance(read, Decoded)
    assert read.event == event and read.key == event.key
    assert read.envelope.time == AT and read.envelope.type == event_type.type_name()
    assert read.envelope.sequence == (7 if event_type.sequenced else None)


def test_the_id_is_equal_on_every_retry_and_differs_between_facts() -> None:
    """ce_id is a function of topic, key and sequence, or of the natural key."""
    pledge = sample(PLEDGE)
    first, again, other = (record_of(pledge, n).headers for n in (1, 1, 2))
    assert first == again and dict(first)["ce_id"] != dict(other)["ce_id"]
    payment = sample(platform.PaymentCaptured)
    ids = {dict(Draft(payment, AT, identity=i).seal().headers)["ce_id"] for i in ("a", "a", "b")}
    assert len(ids) == 2


def test_the_sequence_orders_as_a_plain_string() -> None:
    """ce_sequence is padded, so that 9 sorts before 10."""
    nine, ten = (dict(record_of(sample(PLEDGE), n).headers)["ce_sequence"] for n in (9, 10))
    assert nine is not None and ten is not None and nine < ten and len(nine) == 20


def test_a_draft_refuses_a_wrong_sequence_or_a_missing_natural_key() -> None:
    """A sequenced topic needs a sequence, another one a natural key."""
    with pytest.raises(ValueError, match="has sequence"):
        Draft(sample(PLEDGE), AT).seal()
    with pytest.raises(ValueError, match="has no sequence"):
        Draft(sample(platform.PaymentPending), AT, identity="x").seal(1)
    with pytest.raises(ValueError, match="natural key"):
        Draft(sample(platform.PaymentPending), AT).seal()


def test_an_event_above_256_kib_is_refused_when_it_is_written() -> None:
    """`events.md` rule 7: the limit holds for writers."""
    rewards = [{"reward_id": f"r{n}", "title": "t" * 140} for n in range(2_000)]
    event = sample(platform.CampaignApproved, rewards=rewards)
    with pytest.raises(OversizedEvent):
        Draft(event, AT, identity="x").seal()


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"amount": -1}, "negative"),
        ({"amount": 19.99}, "float"),
        ({"amount": True}, "boolean"),
        ({"amount": "1999"}, "text"),
        ({"amount": 900_000_001}, "above the maximum"),
        ({"currency": "XXX"}, "unknown currency"),
        ({"currency": "eur"}, "lower case"),
        ({"captured_at": datetime(2026, 3, 1)}, "naive time"),
        ({"standing": "perhaps"}, "unknown word"),
        ({"pledge_id": ""}, "empty id"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_writers_are_strict(changes: dict[str, Any], refused: str) -> None:
    """A model refuses values that are outside the contract."""
    with pytest.raises(ValidationError):
        sample(PLEDGE, **changes)


def bad(name: str) -> Record:
    """A record that is wrong in one way, by the reason that must come out."""
    good = record_of(sample(PLEDGE))
    return {
        "null-value": Record(good.topic, good.key, None, good.headers),
        "missing-key": Record(good.topic, None, good.value, good.headers),
        "undecodable-key": Record(good.topic, b"\xff\xfe", good.value, good.headers),
        "missing-header": without_header(good, "ce_id"),
        "undecodable-header": with_header(good, "ce_type", b"\xff\xfe"),
        "malformed-header": with_header(good, "ce_time", b"yesterday"),
        "malformed-sequence": with_header(good, "ce_sequence", b"7"),
        "oversized": Record(good.topic, good.key, b" " * (VALUE_BYTES_MAX + 1), good.headers),
        "undecodable-value": Record(good.topic, good.key, b"\x00\xff{", good.headers),
        "schema-mismatch": with_value(good, amount=-1),
        "key-mismatch": Record(good.topic, b"another", good.value, good.headers),
    }[name]


@pytest.mark.parametrize("reason", UNUSABLE_REASONS)
def test_every_reason_for_refusal_can_happen(reason: str) -> None:
    """Each word of the list comes out for a record that is wrong in that way."""
    read = decode(bad(reason))
    assert isinstance(read, Unusable) and read.reason == reason


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"amount": -1}, "amount"),
        ({"amount": 1.5}, "amount"),
        ({"amount": 10**30}, "amount"),
        ({"currency": "ZZZ"}, "currency"),
        ({"captured_at": "2026-03-01T12:00:00"}, "captured_at"),
        ({"campaign_id": None}, "campaign_id"),
    ],
)
def test_bad_values_are_named_by_their_place(changes: dict[str, Any], where: str) -> None:
    """The detail says which field, and never repeats the value."""
    read = decode(with_value(record_of(sample(PLEDGE)), **changes))
    assert isinstance(read, Unusable) and read.reason == "schema-mismatch"
    assert where in read.detail and str(next(iter(changes.values()))) not in read.detail


def test_an_unusable_record_is_attributed_as_far_as_possible() -> None:
    """Key and sequence are kept, so that the key can wait at its place."""
    read = decode(bad("schema-mismatch"))
    assert isinstance(read, Unusable) and (read.key, read.sequence) == ("campaign-1", 1)


def test_a_null_header_is_a_missing_one_and_foreign_headers_do_no_harm() -> None:
    """A null ce_id is refused; headers of others may hold any bytes."""
    good = record_of(sample(PLEDGE))
    read = decode(with_header(good, "ce_id", None))
    assert isinstance(read, Unusable) and read.reason == "missing-header"
    assert isinstance(decode(with_header(good, "x-trace", b"\xff")), Decoded)


def test_an_unknown_type_is_told_from_an_unknown_major() -> None:
    """A new event is skipped; a new major of a known one means that the deploy is wrong."""
    good = record_of(sample(PLEDGE), 5)
    read = decode(with_header(good, "ce_type", b"sosst.funding.pledge-framed.v1"))
    assert isinstance(read, UnknownType) and read.sequence == 5
    read = decode(with_header(good, "ce_type", b"sosst.funding.pledge-collected.v2"))
    assert isinstance(read, UnknownMajor)


def test_readers_ignore_new_fields_and_map_new_words_to_unknown() -> None:
    """What a later minor version adds is read by today's reader."""
    read = decode(with_value(record_of(sample(PLEDGE)), brand_new=1, standing="frozen"))
    assert isinstance(read, Decoded)
    assert isinstance(read.event, PLEDGE) and read.event.standing == "unknown"


def test_a_record_without_a_value_erases_its_key_where_the_topic_is_compacted() -> None:
    """No header is needed; on any other topic it is unusable, and cannot be made."""
    assert decode(tombstone(platform.PersonDescribed, "anna")) == Erased("anna")
    bare = Record(PLEDGE.topic, b"campaign-1", None, ())
    assert isinstance(decode(bare), Unusable)
    with pytest.raises(ValueError, match="not compacted"):
        tombstone(PLEDGE, "campaign-1")


def test_deeply_nested_json_is_refused_and_not_a_crash() -> None:
    """A hundred thousand brackets give an answer."""
    good = record_of(sample(PLEDGE))
    read = decode(Record(good.topic, good.key, b"[" * 100_000, good.headers))
    assert isinstance(read, Unusable)


_BYTES = st.one_of(st.none(), st.binary(max_size=200))
_NAMES = st.one_of(
    st.text(max_size=10),
    st.sampled_from([name for name, _ in record_of(sample(PLEDGE)).headers]),
)


@given(
    topic=st.sampled_from([*REGISTRY.topics(), "another.topic"]),
    key=_BYTES,
    value=_BYTES,
    headers=st.lists(st.tuples(_NAMES, _BYTES), max_size=12),
)
@example(topic="platform.people", key=b"\x00", value=None, headers=[])
def test_decode_is_total(
    topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    """Any bytes whatever give one of the answers; that somebody was erased on one topic alone."""
    read = decode(Record(topic, key, value, tuple(headers)))
    assert isinstance(read, Decoded | Unusable | UnknownType | UnknownMajor | Erased)
    assert not isinstance(read, Erased) or topic == "platform.people"


@given(data=st.data())
def test_decode_is_total_around_a_valid_record(data: st.DataObject) -> None:
    """A valid record with one part replaced by any bytes gives one of the four answers."""
    good = record_of(sample(PLEDGE))
    name = data.draw(st.sampled_from([name for name, _ in good.headers]))
    spoilt = with_header(good, name, data.draw(_BYTES))
    spoilt = Record(spoilt.topic, spoilt.key, data.draw(_BYTES), spoilt.headers)
    for record in (with_header(good, name, data.draw(_BYTES)), spoilt):
        assert isinstance(decode(record), Decoded | Unusable | UnknownType | UnknownMajor)


def test_the_official_library_reads_our_records() -> None:
    """The CloudEvents library is the oracle for what must be readable."""
    from cloudevents.core.bindings import kafka

    record = record_of(sample(notifier.BackerNotified))
    message = kafka.KafkaMessage(
        headers=dict(record.headers), key=record.key, value=record.value or b""
    )
    event = kafka.from_binary_event(message)
    assert event.get_type() == notifier.BackerNotified.type_name()
    assert event.get_source() == "/sosst/notifier" and event.get_subject() == "backer-1"
    assert event.get_time() == AT
