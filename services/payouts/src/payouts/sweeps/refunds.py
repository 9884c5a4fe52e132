"""What becomes due of refunds by time alone: an end, a reminder, another share."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import structlog

from payouts.domain.errors import Refused
from payouts.domain.postings import Payer
from payouts.domain.refund import Refund, RefundState
from payouts.domain.two_people import VALID
from payouts.handlers.claimable import remind_of_refund
from payouts.handlers.funds import FundsReader
from payouts.handlers.refund_requests import expire_refund
from payouts.handlers.refund_run import share_what_came_back
from payouts.handlers.unblock import note_why_blocked, unblock_refund
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.sweeps import Turns, one_by_one
from servicekit.units import UnitsOfWork

log = structlog.get_logger()

PAGE = 100


@dataclass(slots=True)
class ExpireRequests:
    """Refuses refunds that nobody approved in time, so that who asked hears an end."""

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries

    async def __call__(self, now: datetime) -> int:
        return await one_by_one(self._old(now), partial(self._expire, now=now))

    async def _old(self, now: datetime) -> AsyncIterator[Refund]:
        """Return them page by page, the oldest first: one that fails hides none behind it."""
        after: tuple[datetime, str] | None = None
        waiting = partial(self.queries.refund_queue, RefundState.AWAITING_APPROVAL)
        while page := await waiting(after, PAGE):
            for refund in page:
                if now < refund.created_at + VALID:
                    return
                yield refund
            after = page[-1].created_at, page[-1].refund_id

    async def oldest_due(self) -> datetime | None:
        """Return when the oldest of them expires."""
        waiting = await self.queries.refund_queue(RefundState.AWAITING_APPROVAL, None, 1)
        return waiting[0].created_at + VALID if waiting else None

    async def _expire(self, refund: Refund, now: datetime) -> int:
        await self.units.run(partial(expire_refund, refund=refund, now=now))
        return 1


@dataclass(slots=True)
class RemindBackers:
    """Says of claimable money, on its days, that its backer is to be told again."""

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries
    turns: Turns[Refund] = field(default_factory=partial(Turns, PAGE))

    async def __call__(self, now: datetime) -> int:
        due = partial(self.queries.reminders_due, now)
        return await self.turns.take(due, partial(self._remind, now=now))

    async def _remind(self, refund: Refund, now: datetime) -> int:
        await self.units.run(partial(remind_of_refund, refund=refund, now=now))
        return 1


@dataclass(frozen=True, slots=True)
class UnblockRefunds:
    """Asks again for blocked refunds whose bank has decided, once their money is there.

    What the platform pays goes on here only, once its own money at the provider covers it.
    """

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries
    funds: FundsReader

    async def __call__(self, now: datetime) -> int:
        """Look at all of them, most wait for a bank; 0, so that it rests between."""
        return await one_by_one(self._blocked(), partial(self._look, now=now))

    async def _blocked(self) -> AsyncIterator[Refund]:
        after: tuple[datetime, str] | None = None
        while page := await self.queries.refund_queue(RefundState.BLOCKED, after, PAGE):
            for refund in page:
                yield refund
            after = page[-1].created_at, page[-1].refund_id

    async def _look(self, refund: Refund, now: datetime) -> int:
        funds = None
        if refund.payer is Payer.PLATFORM:
            funds = await self.funds.read_to_lend(refund.currency)
        unblock = partial(unblock_refund, refund=refund, funds=funds, now=now)
        try:
            await self.units.run(unblock)
        except Refused as refusal:
            log.info("stays blocked", refund=refund.refund_id, why=str(refusal))
            why = partial(note_why_blocked, refund=refund, reason=refusal.reason)
            await self.units.run(why)
        return 0


@dataclass(frozen=True, slots=True)
class ShareWhatCameBack:
    """Begins another run where money came back behind the run of a cancelled campaign."""

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries

    async def __call__(self, now: datetime) -> int:
        """Look at all such campaigns; 0, so that it rests between."""
        return await one_by_one(self._shared(), partial(self._share, now=now))

    async def _shared(self) -> AsyncIterator[str]:
        after = ""
        while campaigns := await self.queries.shared_with_money_left(after, PAGE):
            for campaign_id in campaigns:
                yield campaign_id
            after = campaigns[-1]

    async def _share(self, campaign_id: str, now: datetime) -> int:
        share = partial(share_what_came_back, campaign_id=campaign_id, now=now)
        await self.units.run(share)
        return 0
