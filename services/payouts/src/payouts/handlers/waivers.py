"""Two people give up a part of the platform's fee."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from payouts.domain.approval import Concerned
from payouts.domain.book import Book, Waiver
from payouts.domain.errors import Refused
from payouts.domain.funds import ProviderFunds
from payouts.domain.waiver import say
from payouts.handlers.approvals import concern_of
from payouts.handlers.funds import FundsReader
from payouts.handlers.kept_back import kept_back_in
from payouts.handlers.lending import READINGS_MAX, FloatMoved, lend
from payouts.handlers.posting import post
from payouts.handlers.supplement import plan_supplement
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork


@dataclass(frozen=True, slots=True)
class WaiveFees:
    """Takes one person's word after the other; what had been taken comes out of the float."""

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries
    funds: FundsReader
    clock: Clock

    async def __call__(
        self, campaign_id: str, waiver_id: str, amount: int, reason: str, by: str
    ) -> Waiver:
        """Say it as this person. Raises `Refused`."""
        book = await self.queries.book(campaign_id)
        if book is None:
            raise Refused("campaign-unknown", f"there is no book of campaign {campaign_id}")
        concerned, now = await concern_of(self.queries, campaign_id, by), self.clock.now()
        said = Waiver(waiver_id, amount, reason, by, now)
        for _ in range(READINGS_MAX):
            funds = await self.funds.read_to_lend(book.currency) if book.last_approved else None
            work = partial(
                waive_fee,
                campaign_id=campaign_id,
                said=said,
                concerned=concerned,
                funds=funds,
                now=now,
            )
            try:
                return await self.units.run(work)
            except FloatMoved:
                continue
        raise Refused("try-again", "the platform's own money is given to many at the same time")


async def waive_fee(
    unit: PayoutsUnit,
    campaign_id: str,
    said: Waiver,
    concerned: Concerned,
    funds: ProviderFunds | None,
    now: datetime,
) -> Waiver:
    """Keep what is said; with the second person's word the fee is less, or comes back."""
    book: Book = (await unit.books.load([campaign_id]))[campaign_id]
    stages = await unit.stages.load(campaign_id)
    debts = await unit.receivables.load(campaign_id)
    decision = say(book, stages, debts.values(), said, concerned, now)
    moved = decision.book
    if decision.posting is not None:
        await lend(unit, book.currency, [decision.posting], funds)
        moved = await post(unit, moved, [decision.posting], now)
    if moved != book:
        await unit.books.save([moved])
        kept = sum((await kept_back_in(unit, moved)).values())
        await plan_supplement(unit, moved, stages, kept, now)
    return decision.waiver
