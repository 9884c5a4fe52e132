"""Watching a run of refunds until none of them goes on by itself, and telling it once."""

from dataclasses import dataclass
from datetime import timedelta

from payouts.domain.book import Book
from payouts.domain.refund_run_end import RefundRunFinished, end_run, told
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork
from servicekit.work import Claim

AGAIN = timedelta(seconds=1)
AGAIN_MAX = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class EndRuns:
    """Performs work of the kind `refund-run-end`, which the last page of a run offers."""

    units: UnitsOfWork[PayoutsUnit]
    clock: Clock

    async def __call__(self, claim: Claim) -> None:
        now, payload = self.clock.now(), claim.item.payload

        async def work(unit: PayoutsUnit) -> None:
            campaign_id, cause = payload["campaign_id"], payload["cause"]
            if await unit.refunds.run_moves(campaign_id, cause):
                pause = min(AGAIN_MAX, AGAIN * (1 << min(claim.attempt, 6)))
                await unit.plumbing.work.postpone(claim, now + pause)
                return
            book = (await unit.books.load([campaign_id]))[campaign_id]
            figures = await unit.refunds.run_figures(campaign_id, cause)
            end = end_run(book, cause, figures, now)
            if end.fact is not None:
                # Whoever tells it saves the book: of two only one does.
                await unit.books.save([end.book])
                await unit.facts.add([end.fact])
            await unit.plumbing.work.finish([claim])

        await self.units.run(work)


async def remember_end(unit: PayoutsUnit, end: RefundRunFinished) -> None:
    """Note, after a restored backup, that this end stands on the topic: it is not told again."""
    found = await unit.books.load([end.campaign_id])
    book = found.get(end.campaign_id) or Book(end.campaign_id, end.currency)
    noted = told(book, end.cause)
    if noted != book:
        await unit.books.save([noted])
