"""Makes aiokafka compress at gzip's lightest level: it knows no setting for the level.

Its own level is the dearest, 9. On notifications that cost more than rendering them, a quarter of
the time at level 1 makes the batches an eighth larger, and every consumer reads either.
"""

import gzip
from typing import Any

from aiokafka.record import default_records

LEVEL = 1


def _compressed(payload: Any, level: int | None = None) -> bytes:
    return gzip.compress(bytes(payload), LEVEL if level is None else level)


def install() -> None:
    """Put the level in place for all producers of this process; repeatable."""
    default_records.gzip_encode = _compressed
    try:
        from aiokafka.record._crecords import default_records as compiled
    except ImportError:  # Installed without its compiled parts, it uses the other ones.
        return
    compiled.gzip_encode = _compressed
