"""A notification is known by its id: the same cause never tells the same person twice."""

import hashlib
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NotificationIds:
    """The ids of one cause's notifications; what they share is worked out once."""

    def __init__(self, cause: str, caused_at: datetime) -> None:
        # A fact may claim any time; one before 1970 must still be told.
        milliseconds = max(0, (caused_at - _EPOCH) // timedelta(milliseconds=1))
        self._time = milliseconds.to_bytes(6, "big").hex()
        self._cause = hashlib.blake2b(f"{len(cause)}:{cause}".encode(), digest_size=10)

    def of(self, recipient_id: str) -> str:
        """Return f(cause, recipient) as 32 hexadecimal digits that order by the cause's time.

        Six bytes of the cause's milliseconds, then a hash of cause and recipient (`stack.md` 6.5).
        """
        digest = self._cause.copy()
        digest.update(recipient_id.encode())
        return self._time + digest.hexdigest()


def told_at(notification_id: str) -> datetime | None:
    """Return the millisecond of the cause that an id begins with, None for what is no id."""
    try:
        return _EPOCH + timedelta(milliseconds=int(notification_id[:12], 16))
    except (ValueError, OverflowError):
        return None


def notification_id(cause: str, caused_at: datetime, recipient_id: str) -> str:
    """Return the id of one notification."""
    return NotificationIds(cause, caused_at).of(recipient_id)
