"""Lots: many records that differ in a few texts, written into Kafka's batches from one template.

aiokafka writes each header of each record anew, which costs as much as all else that telling a
person takes. Here what all of them have in common is written once. The batch around the records,
its compression and its checksum stay aiokafka's, of whose builder this fills in private fields:
look at it when aiokafka is updated.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Literal

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.util import encode_varint

from sosst_contracts.codec import Record

Fill = tuple[bytes, ...]
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

    The marks are bytes that occur nowhere else in the template's key, value and headers. Whoever
    cut it by partition says which of how many all its keys belong to: hashing each key once more
    would cost as much as its ids do. None: nobody knows.
    """

    template: Record
    marks: Fill
    fills: Sequence[Fill]
    partition: int | None = None
    partitions: int = 0

    def records(self) -> Iterator[Record]:
        """Return the records, whole, in their order."""
        one = self.template
        for fill in self.fills:
            headers = tuple((name, self._filled(text, fill)) for name, text in one.headers)
            key, value = self._filled(one.key, fill), self._filled(one.value, fill)
            yield Record(one.topic, key, value, headers)

    def _filled(self, text: bytes | None, fill: Fill) -> bytes | None:
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
        builder, offset = self._builder, self._relative_offset
        room, stencil = BATCH_BYTES_MAX - len(builder._buffer), _Stencil(lot)
        written: list[bytes] = []
        for fill in islice(lot.fills, begin, None):
            size, parts = stencil.record(offset, fill)
            room -= size
            if room < 0 and offset:
                break
            written += parts
            offset += 1
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


class _Stencil:
    """A lot's template as the format writes it (record format, version 2), cut at its marks.

    All sizes within a record follow from those of what is filled in, so what stands between is
    written once for each combination of them; most lots have one.
    """

    def __init__(self, lot: Lot) -> None:
        one = lot.template
        self._key, self._value = _cut(one.key, lot.marks), _cut(one.value, lot.marks)
        self._headers = [(name.encode(), _cut(text, lot.marks)) for name, text in one.headers]
        contents = (self._key, self._value, *(content for _, content in self._headers))
        self._filled = _getter([p for one in contents for p in one or () if isinstance(p, int)])
        self._sheets: dict[tuple[int, ...], tuple[int, list[bytes]]] = {}

    def record(self, offset: int, fill: Fill) -> tuple[int, Sequence[bytes]]:
        """Return the size of the record of this place in its batch, and its parts until the next.

        The parts stand in one list that is changed for each record: a new one would cost as much.
        """
        sizes = tuple(map(len, fill))
        sheet = self._sheets.get(sizes)
        if sheet is None:
            sheet = self._sheets[sizes] = self._sheet(sizes)
        size, parts = sheet
        place = _BEGINNING + _VARINTS[offset]
        size += len(place)
        parts[0], parts[1] = _VARINTS[size], place
        parts[3::2] = self._filled(fill)
        return len(parts[0]) + size, parts

    def _sheet(self, sizes: tuple[int, ...]) -> tuple[int, list[bytes]]:
        """Return the size of what follows the place, and the parts with gaps for what is filled."""
        written = [*_sized(self._key, sizes), *_sized(self._value, sizes)]
        written.append(_VARINTS[len(self._headers)])
        for name, content in self._headers:
            written += [*_sized([name], sizes), *_sized(content, sizes)]
        parts = [b"", b"", b""]
        for part in written:
            if isinstance(part, int):
                parts += [b"", b""]
            else:
                parts[-1] += part
        return _size(written, sizes), parts


def _getter(places: Sequence[int]) -> Callable[[Fill], Sequence[bytes]]:
    """Return what takes a fill in the order of the places; it is the hottest line there is."""
    return itemgetter(*places) if len(places) > 1 else lambda fill: [fill[p] for p in places]


def _cut(text: bytes | None, marks: Fill, first: int = 0) -> _Cut | None:
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
