"""Batches are compressed by ISA-L, and any reader reads them."""

import gzip
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.codec import gzip_encode
from aiokafka.producer.message_accumulator import BatchBuilder

from servicekit import light_compression
from servicekit.lots import Lot, LotBatch
from sosst_contracts.codec import Record

MAGIC = b"\x1f\x8b\x08"
# Of a gzip header (RFC 1952, XFL and OS): zlib's dearest level, and what ISA-L says of itself.
WHO_PLACE, ZLIB_DEAREST, ISA_L = slice(8, 10), b"\x02\xff", b"\x00\xff"
VALUE = b"value " * 1_000


def batch_of_records() -> BatchBuilder:
    batch = AIOKafkaProducer(compression_type="gzip").create_batch()
    batch.append(key=b"key", value=VALUE, timestamp=None)
    return batch


def batch_of_lots() -> BatchBuilder:
    batch = LotBatch("gzip")
    batch.take(Lot(Record("topic", b"key", VALUE, ()), (b"@",), [[b""]]), 0)
    return batch


@pytest.mark.parametrize("begun", [batch_of_records, batch_of_lots])
async def test_a_batch_is_compressed_by_isa_l(begun: Callable[[], BatchBuilder]) -> None:
    """What aiokafka would do by itself is the dearest; installed twice is installed."""
    light_compression.install()
    light_compression.install()
    built = bytes(begun()._build())
    compressed = built[built.index(MAGIC) :]
    assert compressed[WHO_PLACE] == ISA_L
    assert b"value value" in gzip.decompress(compressed)
    assert gzip_encode(b"value")[WHO_PLACE] == ZLIB_DEAREST
