"""Where time comes from: rules never ask for it, they are handed an instant."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from servicekit.mongo import Database


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the present instant, aware, in UTC; never blocks, never fails."""
        ...


class DatabaseClock:
    """The database's clock, so that every instance of a service agrees on what is due.

    `synchronise` reads the server's time once; between two readings the local clock runs on
    with the offset found. Instances with wrong local clocks therefore still fire together.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._offset = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    async def synchronise(self) -> timedelta:
        """Read the server's time; return the skew of the local clock against it."""
        before = datetime.now(UTC)
        server_time = await self._database.server_time()
        after = datetime.now(UTC)
        self._offset = server_time - (before + (after - before) / 2)
        return -self._offset


class ManualClock:
    """A clock that moves only when told to, for tests and simulations."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, **duration: float) -> datetime:
        """Move forward by `timedelta(**duration)` and return the new instant."""
        self._now += timedelta(**duration)
        return self._now
