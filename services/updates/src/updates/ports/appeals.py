"""Appeals that wait for a ruling: kept in the transaction that makes them, and what staff read."""

from datetime import datetime
from typing import NamedTuple, Protocol

from updates.domain.open_appeal import OpenAppeal
from updates.domain.report import Thing


class Appeals(Protocol):
    """Open appeals, bound to one transaction; of each thing there is one at most."""

    async def add(self, appeal: OpenAppeal) -> None:
        """Keep it in place of one about the same thing, if there is one."""
        ...

    async def remove(self, thing: Thing) -> None:
        """It is decided; one that is not there is the same."""
        ...


class AppealsWaiting(NamedTuple):
    """How many nobody has decided, and since when the first of them waits."""

    appeals: int
    oldest: datetime | None


class AppealQueries(Protocol):
    """Reads of open appeals outside a transaction."""

    async def appeals_waiting(
        self, after: tuple[datetime, Thing] | None, limit: int
    ) -> list[OpenAppeal]:
        """Return open appeals of all campaigns, the longest waiting first, behind `after`."""
        ...

    async def waiting(self) -> AppealsWaiting:
        """Count the open appeals of all campaigns."""
        ...
