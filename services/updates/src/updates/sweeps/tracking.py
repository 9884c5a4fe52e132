"""Backers are asked whether what was sent has come; what nobody announced is announced."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from servicekit.sweeps import Turns, together
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
    turns: Turns[Sequence[TrackingPlace]] = field(default_factory=lambda: Turns(PAGE, weight=len))

    async def __call__(self, now: datetime) -> int:
        """Return how many were due; who is moved meanwhile is looked at again."""
        due, ask = partial(self._due, now), partial(self._ask, now=now)
        return await self.turns.take(due, lambda places: together(places, ask))

    async def _due(self, now: datetime, limit: int, skip: int) -> list[list[TrackingPlace]]:
        """Return them by campaign: a transaction has one, their facts are counted one by one."""
        due = await self.queries.due_questions(now, limit, skip)
        campaigns = dict.fromkeys(place[0] for place in due)
        return [[place for place in due if place[0] == one] for one in campaigns]

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
    turns: Turns[tuple[str, str]] = field(default_factory=partial(Turns, PAGE))

    async def __call__(self, now: datetime) -> int:
        """Return how many were sent; another instance, or the creator, may be faster."""
        due = partial(self.queries.due_notices, now)
        return await self.turns.take(due, partial(self._send, now=now))

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        return await self.queries.oldest_due_notice()

    async def _send(self, due: tuple[str, str], now: datetime) -> bool:
        return await self.units.run(
            lambda unit: send_platform_notice(unit, self.pledges, *due, now)
        )
