"""A notification is known by its id: the same cause never tells the same person twice."""

import hashlib
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def notification_id(cause: str, caused_at: datetime, recipient_id: str) -> str:
    """Return f(cause, recipient) as 32 hexadecimal digits that order by the cause's time.

    Six bytes of the cause's milliseconds, then a hash of cause and recipient (`stack.md` 6.5).
    """
    # A fact may claim any time; one before 1970 must still be told.
    milliseconds = max(0, (caused_at - _EPOCH) // timedelta(milliseconds=1))
    subject = f"{len(cause)}:{cause}{recipient_id}".encode()
    digest = hashlib.blake2b(subject, digest_size=10).digest()
    return (milliseconds.to_bytes(6, "big") + digest).hex()
