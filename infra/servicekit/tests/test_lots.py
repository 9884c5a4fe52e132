"""Records written from a template stand in a batch as aiokafka would have written them."""

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from hypothesis import example, given
from hypothesis import strategies as st

from servicekit.lots import BATCH_BYTES_MAX, Lot, LotBatch
from sosst_contracts.codec import Record

MARKS = (b"@first@", b"@second@", b"@third@")
UNCOMPRESSED = 0

# Sizes around 64 are met at every place: from there on a size takes two bytes.
PARTS = st.binary(max_size=80).map(lambda part: part.replace(b"@", b"?"))
TEXTS = st.lists(PARTS | st.sampled_from(MARKS), max_size=5).map(b"".join)
TEMPLATES = st.builds(
    Record,
    st.just("topic"),
    st.none() | TEXTS,
    st.none() | TEXTS,
    st.lists(st.tuples(st.text(max_size=20), st.none() | TEXTS)).map(tuple),
)
Fill = tuple[bytes, bytes, bytes]
FILLS = st.lists(st.tuples(PARTS, PARTS, PARTS), min_size=1, max_size=70)


def columns(fills: list[Fill]) -> list[tuple[bytes, ...]]:
    return list(zip(*fills, strict=True))


def as_aiokafka_writes(lots: list[Lot], milliseconds: int) -> bytes:
    batch = BatchBuilder(BATCH_BYTES_MAX * 1_000, UNCOMPRESSED)
    for record in (record for lot in lots for record in lot.records()):
        headers = list(record.headers)
        batch.append(timestamp=milliseconds, key=record.key, value=record.value, headers=headers)
    return bytes(batch._build())


ALIKE = Record("topic", MARKS[0], b"a" + MARKS[1] + b"b" + MARKS[0], (("name", MARKS[2]),))
# From 8 192 on, and from the 65th record on, it takes three bytes, and two.
LARGE = [(b"key", b"x" * size, b"") for size in range(8_130, 8_200)]


@given(TEMPLATES, FILLS, TEMPLATES, FILLS)
@example(ALIKE, LARGE, ALIKE, [(b"key", b"value", b"header")])
def test_what_is_written_is_what_aiokafka_writes(
    template: Record, fills: list[Fill], other: Record, others: list[Fill]
) -> None:
    """Byte for byte, the checksum included: any sizes, any place of a mark, two lots in a row."""
    lots = [Lot(template, MARKS, columns(fills)), Lot(other, MARKS, columns(others))]
    batch = LotBatch(None)
    assert [batch.take(lot, 0) for lot in lots] == [len(fills), len(others)]
    milliseconds = batch._builder._first_timestamp
    assert bytes(batch._build()) == as_aiokafka_writes(lots, milliseconds)


def test_a_full_batch_takes_no_more() -> None:
    """It takes what fits, nothing once it is full, and one of any size while it is empty."""
    half, whole = b"x" * (BATCH_BYTES_MAX // 2), b"x" * (BATCH_BYTES_MAX + 1)
    template = Record("topic", b"key", MARKS[0], ())
    lot = Lot(template, MARKS[:1], [[b"small", half, half, b"small"]])
    batch = LotBatch(None)
    assert [batch.take(lot, begin) for begin in (0, 2, 2, 3)] == [2, 0, 0, 1]
    assert LotBatch(None).take(Lot(template, MARKS[:1], [[whole, whole]]), 0) == 1


@pytest.mark.parametrize(
    "columns", [[], [[b"a"]], [[b"a", b"b"], [b"c"]], [[b"a"], [b"b"], [b"c"]]]
)
def test_columns_that_do_not_match_make_no_lot(columns: list[list[bytes]]) -> None:
    """Its batch would say that it holds more records than it does, and be refused whole."""
    with pytest.raises(ValueError, match="columns"):
        Lot(Record("topic", MARKS[0], MARKS[1], ()), MARKS[:2], columns)
