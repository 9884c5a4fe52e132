"""Runs of refunds create all that is owed before anything is sent: each can be asked about."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from payouts.domain.book import Book
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.provider_keys import KeyRules
from payouts.handlers.recovery.refund_decisions import save_refunds
from payouts.handlers.refund_run import Progress, requested_before, run_all
from payouts.handlers.work_kinds import REFUND_RUN
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork
from servicekit.work import WorkQueue

PAGE = 100


@dataclass(frozen=True, slots=True)
class _Reread:
    """`ports.Freshness` of a recovery: it comes here once all inputs were read to their ends."""

    clock: Clock

    async def fresh_since(self, decision_id: str) -> datetime | None:
        return self.clock.now()


@dataclass(frozen=True, slots=True)
class FinishRuns:
    """Creates the refunds that are owed, those of a run by shares with the ledger's amounts."""

    units: UnitsOfWork[PayoutsUnit]
    queue: WorkQueue
    rules: KeyRules
    clock: Clock
    wait: Callable[[float], Awaitable[None]]

    async def ask_for_shares_again(self, book: Book) -> None:
        """Bring back the refunds of a run by shares, with the amounts that the ledger has.

        The provider is asked about each before anything is sent; the run goes on behind them.
        """
        if book.cancellation is None or book.run is None or book.run.finished:
            return
        after: str | None = None
        while book.unclaimed and (found := await self._shares_page(book.campaign_id, after)):
            after = found

    async def finish(self, disputed: Mapping[str, PledgeMoney]) -> None:
        """Create the refunds that are owed, so that the provider can be asked about each.

        Those of disputed pledges only where the ledger says that they were: others may have been
        charged back first.
        """
        apart = frozenset(money.pledge_id for money in disputed.values())
        waiting: set[str] = set()
        while (await self.queue.backlog(REFUND_RUN)).items > len(waiting):
            claims = await self.queue.claim(
                REFUND_RUN, self.clock.now(), PAGE, self.rules.lease_seconds
            )
            for claim in claims:
                # One that waits for an answer goes on by itself, once the service runs.
                waiting.discard(claim.item.id)
                now, read = self.clock.now(), _Reread(self.clock)
                progress = await run_all(self.units, claim, read, now, apart=apart)
                if progress is Progress.WAITS:
                    waiting.add(claim.item.id)
            if not claims:  # Its lease was saved with the backup, and will be over.
                await self.wait(1)

    async def _shares_page(self, campaign_id: str, after: str | None) -> str | None:
        async def work(unit: PayoutsUnit) -> str | None:
            book = (await unit.books.load([campaign_id]))[campaign_id]
            page = await unit.pledges.page(campaign_id, after, PAGE)
            decisions = await requested_before(unit, book, page, self.clock.now())
            if decisions and book.run is not None:
                await unit.books.save([replace(book, run=replace(book.run, resumed=True))])
                await save_refunds(unit, campaign_id, decisions, self.clock)
            return page[-1].pledge_id if page else None

        return await self.units.run(work)
