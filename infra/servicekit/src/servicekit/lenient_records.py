"""Makes aiokafka read records whose header names are not UTF-8, instead of standing still there.

A broker takes any bytes as a header's name, and clients of other languages can send them. aiokafka
decodes names while it reads: one such record raises at every read, for ever, and takes its whole
partition and the process with it. `install` lets the same bytes be read again with the bytes that
are not UTF-8 replaced; such a header is then one more that nobody asks for. The fast parser still
reads everything else. Values of headers stay bytes and never were a problem.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy


class _LenientBytes(bytearray):
    """Bytes whose slices decode, whatever they are."""

    def __getitem__(self, index: Any) -> Any:
        part = super().__getitem__(index)
        return _LenientBytes(part) if isinstance(index, slice) else part

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        return super().decode(encoding, errors)


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    _buffer: Any

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _LenientBytes(self._buffer)


class _LenientRecords(_MemoryRecordsPy):  # type: ignore[misc]
    def next_batch(self) -> _LenientBatch:
        batch = _LenientBatch(self._next_slice)
        self._cache_next()
        return batch


class _KeptRecords(MemoryRecords):  # type: ignore[misc]
    """The fast parser, which otherwise does not show the bytes that it was given."""

    def __init__(self, given: bytes) -> None:
        super().__init__(given)
        self.given = given


class _LenientPartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    _records: Any

    def _unpack_records(self) -> Iterator[Any]:
        try:
            yield from super()._unpack_records()
        except UnicodeDecodeError:
            # What was already handed out lies below `next_fetch_offset` and is passed over.
            self._records = _LenientRecords(self._records.given)
            yield from super()._unpack_records()


def install() -> None:
    """Put the lenient reading in place for all consumers of this process; repeatable."""
    fetcher.MemoryRecords = _KeptRecords
    fetcher.PartitionRecords = _LenientPartitionRecords
