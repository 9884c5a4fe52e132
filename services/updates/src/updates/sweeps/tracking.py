"""Backers are asked whether what was sent has come; what nobody announced is announced."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from servicekit.errors import Conflict
from servicekit.units import UnitsOfWork
from updates.handlers.platform_notices import send_platform_notice
from updates.handlers.publish import PledgesPosition
from updates.handlers.tracking import PAGE, ask_for_receipts
from updates.ports.tracking import TrackingQueries
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
        for campaign_id in dict.fromkeys(place[0] for place in due):
            places = [place for place in due if place[0] == campaign_id]
            try:
                await self.units.run(partial(ask_for_receipts, places=places, now=now))
            except Conflict:
                continue
        return len(due)

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        return await self.queries.oldest_due_question()


@dataclass(frozen=True, slots=True)
class SendPlatformNotices:
    """Sends the platform's own delivery notice where none came in time."""

    units: UnitsOfWork[UpdatesUnit]
    queries: TrackingQueries
    pledges: PledgesPosition

    async def __call__(self, now: datetime) -> int:
        """Return how many were sent; another instance, or the creator, may be faster."""
        due = await self.queries.due_notices(now, PAGE)
        return sum([await self._send(*one, now) for one in due])

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        return await self.queries.oldest_due_notice()

    async def _send(self, campaign_id: str, reward_id: str, now: datetime) -> bool:
        try:
            return await self.units.run(
                lambda unit: send_platform_notice(unit, self.pledges, campaign_id, reward_id, now)
            )
        except Conflict:
            return False
