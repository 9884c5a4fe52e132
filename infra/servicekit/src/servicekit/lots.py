"""Lots: many records that differ in a few texts, written into Kafka's batches from one template.

aiokafka writes each header of each record anew, which costs as much as all else that telling a
person takes. Here what all of them have in common is written once. The batch around the records,
its compression and its checksum stay aiokafka's, of whose builder this fills in private fields:
look at it when aiokafka is updated.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, repeat
from typing import Literal

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.util import encode_varint

from sosst_contracts.codec import Record

# What a lot's records put for one mark, in their order.
Column = Sequence[bytes]
Compression = Literal["gzip"] | None

# Above the largest event (256 KiB, `events.md` rule 7), below the broker's limit of 1 MiB.
BATCH_BYTES_MAX = 768 * 1024

_CODECS: dict[Compression, int] = {
    None: _DefaultRecordBatchBuilderPy.CODEC_NONE,
    "gzip": _DefaultRecordBatchBuilderPy.CODEC_GZIP,
}
# A record begins so: it has no attributes, and the time of its batch.
_BEGINNING = b"\x00\x00"


@dataclass(frozen=True, slots=True)
class Lot:
    """Records of one topic that go out together: a template, and what each puts for its marks.

    The marks are bytes that occur nowhere else in the template's key, value and headers; each has a
    column, all of which are as long as the lot has records. Whoever cut it by partition says which
    of how many all its keys belong to: hashing each key once more would cost as much as its ids do.
    None: nobody knows.
    """

    template: Record
    marks: Sequence[bytes]
    columns: Sequence[Column]
    partition: int | None = None
    partitions: int = 0

    def __post_init__(self) -> None:
        if len(self.columns) != len(self.marks) or len(set(map(len, self.columns))) != 1:
            raise ValueError("a lot's columns: one for each mark, all of one length, one at least")

    def __len__(self) -> int:
        return len(self.columns[0])

    def records(self) -> Iterator[Record]:
        """Return the records, whole, in their order."""
        one = self.template
        for fill in zip(*self.columns, strict=True):
            headers = tuple((name, self._filled(text, fill)) for name, text in one.headers)
            key, value = self._filled(one.key, fill), self._filled(one.value, fill)
            yield Record(one.topic, key, value, headers)

    def _filled(self, text: bytes | None, fill: tuple[bytes, ...]) -> bytes | None:
        if text is not None:
            for mark, part in zip(self.marks, fill, strict=True):
                text = text.replace(mark, part)
        return text


class LotBatch(BatchBuilder):  # type: ignore[misc]
    """A record batch that takes lots, for `AIOKafkaProducer.send_batch`."""

    _relative_offset: int

    def __init__(self, compression: Compression) -> None:
        codec = _CODECS[compression]
        super().__init__(BATCH_BYTES_MAX, codec)
        self._builder = builder = _DefaultRecordBatchBuilderPy(
            magic=2,
            compression_type=codec,
            is_transactional=0,
            producer_id=-1,
            producer_epoch=-1,
            base_sequence=0,
            batch_size=BATCH_BYTES_MAX,
        )
        builder._first_timestamp = builder._max_timestamp = int(time.time() * 1_000)

    def take(self, lot: Lot, begin: int) -> int:
        """Take the lot's records from `begin` on while they fit; return how many were taken.

        An empty batch takes one of any size.
        """
        builder, offset, stencil = self._builder, self._relative_offset, _Stencil(lot)
        room = BATCH_BYTES_MAX - len(builder._buffer)
        written: list[bytes] = []
        for run in _runs([column[begin:] for column in lot.columns]):
            records, count = stencil.records(run, offset, room)
            written.append(records)
            room -= len(records)
            offset += count
            if count < run.length:
                break
        taken = offset - self._relative_offset
        builder._buffer += b"".join(written)
        builder._num_records = self._relative_offset = offset
        builder._last_offset = max(0, offset - 1)
        return taken

    def _set_producer_state(
        self, producer_id: int, producer_epoch: int, base_sequence: int
    ) -> None:
        # aiokafka's own insists on its compiled builder.
        self._builder.set_producer_state(producer_id, producer_epoch, base_sequence)


class _Varints(dict[int, bytes]):
    """Numbers as the format writes them; most sizes are worked out before."""

    def __missing__(self, number: int) -> bytes:
        written = bytearray()
        encode_varint(number, written.append)
        return bytes(written)


_VARINTS = _Varints()
_VARINTS.update({number: _VARINTS[number] for number in range(4_096)})

# What stands as it is, and the places of marks between.
_Cut = list[bytes | int]


@dataclass(frozen=True, slots=True)
class _Run:
    """Records in a row whose texts are of the same sizes, by mark."""

    sizes: tuple[int, ...]
    length: int
    columns: Sequence[Column]


def _runs(columns: Sequence[Column]) -> Iterator[_Run]:
    if all(len(set(map(len, one))) == 1 for one in columns):
        # Nearly always: to compare each record's sizes costs a third as much as to write them.
        yield _Run(tuple(len(one[0]) for one in columns), len(columns[0]), columns)
        return
    begin = 0
    for alike, group in groupby(zip(*(map(len, one) for one in columns), strict=True)):
        end = begin + len(list(group))
        yield _Run(alike, end - begin, [one[begin:end] for one in columns])
        begin = end


class _Stencil:
    """A lot's template as the format writes it (record format, version 2), cut at its marks.

    All sizes within a record follow from those of what is filled in, so what stands between is
    written once for each combination of them, and a run of records is one join of columns: no
    line of Python is run for each record.
    """

    def __init__(self, lot: Lot) -> None:
        one = lot.template
        self._key, self._value = _cut(one.key, lot.marks), _cut(one.value, lot.marks)
        self._headers = [(name.encode(), _cut(text, lot.marks)) for name, text in one.headers]
        self._sheets: dict[tuple[int, ...], tuple[int, _Cut]] = {}

    def records(self, run: _Run, offset: int, room: int) -> tuple[bytes, int]:
        """Return the run's records from this place in the batch on, as many as fit; and how many.

        The first of a batch always fits.
        """
        sheet = self._sheets.get(run.sizes)
        if sheet is None:
            sheet = self._sheets[run.sizes] = self._sheet(run.sizes)
        size, parts = sheet
        written, done = b"", 0
        while done < run.length:
            place = _VARINTS[offset]
            length = len(_BEGINNING) + len(place) + size
            whole = len(_VARINTS[length]) + length
            # Behind this place a place takes one byte more.
            same = (1 << 7 * len(place) - 1) - offset
            fits = max((room - len(written)) // whole, 0 if offset else 1)
            count = min(run.length - done, same, fits)
            if not count:
                break
            columns = (
                run.columns[part][done : done + count] if isinstance(part, int) else repeat(part)
                for part in parts
            )
            places = map(_VARINTS.__getitem__, range(offset, offset + count))
            # The places end it: what stands as it is has no end.
            rows = zip(repeat(_VARINTS[length] + _BEGINNING), places, *columns, strict=False)
            written += b"".join(chain.from_iterable(rows))
            offset, done = offset + count, done + count
        return written, done

    def _sheet(self, sizes: tuple[int, ...]) -> tuple[int, _Cut]:
        """Return the size of what follows the place, and what it is made of."""
        written = [*_sized(self._key, sizes), *_sized(self._value, sizes)]
        written.append(_VARINTS[len(self._headers)])
        for name, content in self._headers:
            written += [*_sized([name], sizes), *_sized(content, sizes)]
        parts: _Cut = []
        between = b""
        for part in written:
            if isinstance(part, int):
                parts += [between, part]
                between = b""
            else:
                between += part
        return _size(written, sizes), [*parts, between]


def _cut(text: bytes | None, marks: Sequence[bytes], first: int = 0) -> _Cut | None:
    if text is None:
        return None
    for place, mark in enumerate(marks[first:], first):
        before, found, after = text.partition(mark)
        if found:
            return [
                *(_cut(before, marks, place + 1) or ()),
                place,
                *(_cut(after, marks, place) or ()),
            ]
    return [text]


def _size(cut: _Cut, sizes: tuple[int, ...]) -> int:
    return sum(sizes[part] if isinstance(part, int) else len(part) for part in cut)


def _sized(cut: _Cut | None, sizes: tuple[int, ...]) -> _Cut:
    """Return it behind its size; what is absent has the size -1."""
    return [_VARINTS[-1]] if cut is None else [_VARINTS[_size(cut, sizes)], *cut]
