"""Batches are compressed at gzip's lightest level, and any reader reads them."""

import gzip

from aiokafka import AIOKafkaProducer
from aiokafka.codec import gzip_encode

from servicekit import light_compression

MAGIC = b"\x1f\x8b\x08"
# Of a gzip header (RFC 1952, XFL): which level was asked for.
LEVEL_PLACE, LIGHTEST, DEAREST = 8, 4, 2


async def test_a_batch_is_compressed_at_the_lightest_level() -> None:
    """What aiokafka would do by itself is the dearest; installed twice is installed."""
    light_compression.install()
    light_compression.install()
    producer = AIOKafkaProducer(compression_type="gzip")
    batch = producer.create_batch()
    batch.append(key=b"key", value=b"value " * 1_000, timestamp=None)
    built = bytes(batch._build())
    compressed = built[built.index(MAGIC) :]
    assert compressed[LEVEL_PLACE] == LIGHTEST
    assert b"value value" in gzip.decompress(compressed)
    assert gzip_encode(b"value")[LEVEL_PLACE] == DEAREST
