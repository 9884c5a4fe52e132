"""A process of payouts that can stand still at any save: for a while, or for ever."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

from payouts.consumer import subscriptions
from payouts.domain.errors import Refused
from payouts.domain.funds import ProviderFunds
from payouts.domain.refund_window import RefundWindows
from payouts.handlers.end_runs import EndRuns
from payouts.handlers.funds import FundsReader
from payouts.handlers.refund_run import run_all
from payouts.handlers.work_kinds import CLAIM, DISPUTE, REFUND, REFUND_RUN, REFUND_RUN_END, STAGE
from payouts.ports.unit import PayoutsUnit
from payouts.sweeps.books import CloseBooks
from payouts.sweeps.cash import FollowCash
from payouts.sweeps.refunds import ExpireRequests, RemindBackers, ShareWhatCameBack, UnblockRefunds
from payouts.sweeps.stages import PlanSupplements
from servicekit.consume import BatchConsumer
from servicekit.errors import Conflict, DependencyAway, LeaseLost
from servicekit.loops import Pulse
from servicekit.ordering import Incoming
from servicekit.units import UnitsOfWork
from servicekit.work import Claim
from services.payouts.tests.conftest import Payouts

T = TypeVar("T")
KINDS = (REFUND_RUN, CLAIM, REFUND, STAGE, DISPUTE, REFUND_RUN_END)
PAGE_SIZE = 3
WINDOWS = RefundWindows({"sepa_debit": 2})
# Short enough that a book is closed in the middle of a history, and opened again.
REST = timedelta(hours=1)


class Fate(StrEnum):
    """What becomes of a process at one of its saves."""

    NOTHING = "nothing"
    STILL_BEFORE = "still_before"
    STILL_AFTER = "still_after"


@dataclass
class Unsteady:
    """Units of work of one process; where its fate says so, all of them stand still.

    A process that nobody wakes has died: what it had saved is there, the rest is not.
    """

    steady: UnitsOfWork[PayoutsUnit]
    fates: deque[Fate] = field(default_factory=deque)
    still: asyncio.Event = field(default_factory=asyncio.Event)
    awake: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, work: Callable[[PayoutsUnit], Awaitable[T]]) -> T:
        fate = self.fates.popleft() if self.fates else Fate.NOTHING
        await self._maybe_stand_still(fate is Fate.STILL_BEFORE)
        result = await self.steady.run(work)
        await self._maybe_stand_still(fate is Fate.STILL_AFTER)
        return result

    async def _maybe_stand_still(self, now: bool) -> None:
        if now:
            self.still.set()
        if self.still.is_set():
            await self.awake.wait()


class _Unread(BaseException):
    """Passes by everything that a consumer catches."""


@dataclass
class LettingGo:
    """Units of a consumer that lets go of its page where it would wait in place without bound.

    What it waits for is read by another consumer, and in a history nobody reads beside it.
    """

    units: Unsteady

    async def run(self, work: Callable[[PayoutsUnit], Awaitable[T]]) -> T:
        try:
            return await self.units.run(work)
        except DependencyAway as away:
            raise _Unread from away


class ReadsAnew(FundsReader):
    """Reads the balance each time: what is kept for a second of real time is kept for ever here."""

    async def read(self, currency: str, *, anew: bool = False) -> ProviderFunds | None:
        return await self._read(currency)


@dataclass
class Process:
    """One process: consumers, workers and sweeps over its own unsteady units."""

    payouts: Payouts
    units: Unsteady = field(init=False)

    def __post_init__(self) -> None:
        self.units = Unsteady(self.payouts.units)
        self.payouts = replace(self.payouts, units=self.units, funds_reader=ReadsAnew)
        clock, queries = self.payouts.clock, self.payouts.queries
        self.consumers = [
            BatchConsumer(one, LettingGo(self.units), clock, Pulse("tests"))
            for one in subscriptions(clock, WINDOWS)
        ]
        self.sweeps = (
            FollowCash(self.units, queries, self.payouts.provider),
            ExpireRequests(self.units, queries),
            RemindBackers(self.units, queries),
            ShareWhatCameBack(self.units, queries),
            PlanSupplements(self.units, queries),
            CloseBooks(self.units, queries, self.payouts.checks, REST),
            UnblockRefunds(self.units, queries, self.payouts.stages.funds),
        )

    async def read(self, topic: str, page: list[Incoming]) -> None:
        """Save the page; `DependencyAway` where something else must be read first."""
        try:
            for one in self.consumers:
                if one.subscription.topic == topic:
                    await one.process(page)
        except _Unread as unread:
            raise DependencyAway(str(unread.__cause__)) from unread

    async def work(self, kinds: tuple[str, ...] = KINDS, limit: int = 100) -> None:
        """Do what is due of these kinds, each kind's items at the same time."""
        for kind in kinds:
            claims = await self.payouts.claim(kind, limit)
            await asyncio.gather(*(self._perform(kind, claim) for claim in claims))

    async def sweep(self) -> None:
        for sweep in self.sweeps:
            await sweep(self.payouts.clock.now())

    async def _perform(self, kind: str, claim: Claim) -> None:
        """As a worker does: what fails is let go of, and tried again later."""
        try:
            await self._performers()[kind](claim)
        except (Refused, LeaseLost, DependencyAway, Conflict):
            await self.payouts.work.postpone(claim, self.payouts.clock.now())

    def _performers(self) -> dict[str, Callable[[Claim], Awaitable[object]]]:
        async def run(claim: Claim) -> None:
            read, now = self.payouts.rewards_read, self.payouts.clock.now()
            await run_all(self.units, claim, read, now, page_size=PAGE_SIZE)

        return {
            REFUND_RUN: run,
            REFUND: self.payouts.refunds,
            STAGE: self.payouts.stages,
            DISPUTE: self.payouts.disputes,
            CLAIM: self.payouts.claims,
            REFUND_RUN_END: EndRuns(self.units, self.payouts.clock),
        }
