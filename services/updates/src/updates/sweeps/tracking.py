"""Backers are asked whether what was sent has come; what nobody announced is announced."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from servicekit.sweeps import one_by_one
from servicekit.units import UnitsOfWork
from updates.handlers.platform_notices import send_platform_notice
from updates.handlers.publish import PledgesPosition
from updates.handlers.tracking import PAGE, ask_for_receipts
from updates.ports.tracking import TrackingPlace, TrackingQueries
from updates.ports.unit import UpdatesUnit


@dataclass(frozen=True, slots=True)
class AskForReceipts:
    """Asks page by page, also for what fell due while nothing ran."""

    units: UnitsOfWork[UpdatesUnit]
    queries: TrackingQueries

    async def __call__(self, now: datetime) -> int:
        """Return how many were due; who is moved meanwhile is looked at again."""
        due = await self.queries.due_questions(now, PAGE)
        # A transaction has one campaign: their facts are counted one by one.
        campaigns = dict.fromkeys(place[0] for place in due)
        of_each = [[place for place in due if place[0] == one] for one in campaigns]
        return await one_by_one(of_each, partial(self._ask, now=now))

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        return await self.queries.oldest_due_question()

    async def _ask(self, places: Sequence[TrackingPlace], now: datetime) -> int:
        return await self.units.run(partial(ask_for_receipts, places=places, now=now))


@dataclass(frozen=True, slots=True)
class SendPlatformNotices:
    """Sends the platform's own delivery notice where none came in time."""

    units: UnitsOfWork[UpdatesUnit]
    queries: TrackingQueries
    pledges: PledgesPosition

    async def __call__(self, now: datetime) -> int:
        """Return how many were sent; another instance, or the creator, may be faster."""
        due = await self.queries.due_notices(now, PAGE)
        return await one_by_one(due, partial(self._send, now=now))

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        return await self.queries.oldest_due_notice()

    async def _send(self, due: tuple[str, str], now: datetime) -> bool:
        return await self.units.run(
            lambda unit: send_platform_notice(unit, self.pledges, *due, now)
        )
