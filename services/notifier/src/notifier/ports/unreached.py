"""Decisive messages that reached nobody by mail: kept in one transaction, read outside of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from notifier.domain.cause import Totals
from notifier.domain.unreached import Ended, Unreached


class UnreachedMessages(Protocol):
    """Bound to one transaction."""

    async def load(self, notification_id: str) -> Unreached | None: ...

    async def add_new(self, unreached: Sequence[Unreached]) -> None:
        """Keep these; one that is known stays as it is."""
        ...

    async def save(self, unreached: Unreached) -> None:
        """Keep this in the place of what was known of it."""
        ...

    async def end_of(self, people: Collection[str], until: datetime | None, ended: Ended) -> None:
        """End the open ones of these people, of causes until then where that is given."""
        ...

    async def end_in(self, chunk_ids: Collection[str], ended: Ended) -> None:
        """End the open ones of these chunks."""
        ...

    async def shed(self, chunk_ids: Collection[str]) -> None:
        """Forget who it was, of these chunks, and what was done; how each ended stays."""
        ...


@dataclass(frozen=True, slots=True)
class OpenUnreached:
    """How many wait for somebody, and since when the oldest; None where nobody waits."""

    count: int
    oldest: datetime | None


class UnreachedQueries(Protocol):
    """Reads outside a transaction."""

    async def unreached(self, after: tuple[datetime, str] | None, limit: int) -> list[Unreached]:
        """Return a page of the open ones, the oldest first."""
        ...

    async def unreached_of(self, person_id: str, most: int) -> list[Unreached]:
        """Return a person's open ones, the newest causes first."""
        ...

    async def unreached_in(self, chunk_ids: Collection[str]) -> list[Unreached]:
        """Return all of these chunks, open or not."""
        ...

    async def unreached_totals(self, cause: str) -> Totals | None:
        """Sum how those of a cause ended; None where everybody's mail came."""
        ...

    async def open_unreached(self) -> OpenUnreached:
        """Count all that are open."""
        ...
