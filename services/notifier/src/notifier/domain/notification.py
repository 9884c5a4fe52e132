"""A notification is known by its id: the same cause never tells the same person twice."""

import hashlib
from collections.abc import Iterable
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
        return self.of_all([recipient_id])[0]

    def of_all(self, recipient_ids: Iterable[str]) -> list[str]:
        """Return the ids of many: a call for each would cost a fifth as much as its hash."""
        time, copied, found = self._time, self._cause.copy, []
        for recipient_id in recipient_ids:
            digest = copied()
            digest.update(recipient_id.encode())
            found.append(time + digest.hexdigest())
        return found


def told_at(notification_id: str) -> datetime | None:
    """Return the millisecond of the cause that an id begins with, None for what is no id."""
    try:
        return _EPOCH + timedelta(milliseconds=int(notification_id[:12], 16))
    except (ValueError, OverflowError):
        return None


def notification_id(cause: str, caused_at: datetime, recipient_id: str) -> str:
    """Return the id of one notification."""
    return NotificationIds(cause, caused_at).of(recipient_id)
