"""Batches are compressed by ISA-L, and any reader reads them."""

import gzip

from aiokafka import AIOKafkaProducer
from aiokafka.codec import gzip_encode

from servicekit import light_compression

MAGIC = b"\x1f\x8b\x08"
# Of a gzip header (RFC 1952, XFL and OS): zlib's dearest level, and what ISA-L says of itself.
WHO_PLACE, ZLIB_DEAREST, ISA_L = slice(8, 10), b"\x02\xff", b"\x00\xff"


async def test_a_batch_is_compressed_by_isa_l() -> None:
    """What aiokafka would do by itself is the dearest; installed twice is installed."""
    light_compression.install()
    light_compression.install()
    producer = AIOKafkaProducer(compression_type="gzip")
    batch = producer.create_batch()
    batch.append(key=b"key", value=b"value " * 1_000, timestamp=None)
    built = bytes(batch._build())
    compressed = built[built.index(MAGIC) :]
    assert compressed[WHO_PLACE] == ISA_L
    assert b"value value" in gzip.decompress(compressed)
    assert gzip_encode(b"value")[WHO_PLACE] == ZLIB_DEAREST
