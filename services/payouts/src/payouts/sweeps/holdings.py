"""How long money is held, looked at every hour: a limit is days away when it is near."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from payouts.domain.book import Book
from payouts.domain.holding import HoldingLimits
from payouts.handlers.holdings import look_at_holding
from payouts.metrics import HOLD_LIMIT_RATIO
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.sweeps import one_by_one
from servicekit.units import UnitsOfWork

PAGE = 100


@dataclass(frozen=True, slots=True)
class MeasureHoldings:
    """Looks at every book, and publishes the greatest part of a limit that is used up."""

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries
    limits: HoldingLimits

    async def __call__(self, now: datetime) -> int:
        """Look at all of them; 0, so that it rests between."""
        ratios = [0.0]

        async def look(book: Book) -> int:
            ratios.append(await look_at_holding(self.units, self.queries, self.limits, book, now))
            return 0

        await one_by_one(self._books(), look)
        HOLD_LIMIT_RATIO.set(max(ratios))
        return 0

    async def _books(self) -> AsyncIterator[Book]:
        after = ""
        while books := await self.queries.books(after, PAGE):
            for book in books:
                yield book
            after = books[-1].campaign_id
