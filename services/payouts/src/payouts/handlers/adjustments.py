"""Two people take back what the platform had paid for a campaign, where no claim reaches it.

What is left of a book is looked at beside the transaction that takes it. All that moves money saves
the book, so its version says whether the look is still true.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from payouts.domain.adjustment import AdjustmentDecision, Residue, residue_of, say
from payouts.domain.approval import Concerned
from payouts.domain.book import Adjustment, Book
from payouts.domain.errors import Refused
from payouts.domain.integrity import Kept
from payouts.handlers.approvals import concern_of
from payouts.handlers.posting import post
from payouts.ports.integrity import BookChecks
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork

# So often the book may move while it is looked at.
LOOKS_MAX = 5


@dataclass(frozen=True, slots=True)
class Adjust:
    """Takes one person's word after the other, and shows what there is to take."""

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries
    checks: BookChecks
    clock: Clock

    async def __call__(
        self, campaign_id: str, adjustment_id: str, amount: int, block: int, reason: str, by: str
    ) -> Adjustment:
        """Say it as this person, who saw the book as of `block`. Raises `Refused`."""
        concerned = await concern_of(self.queries, campaign_id, by)
        for _ in range(LOOKS_MAX):
            kept = await self._kept(campaign_id)
            said = Adjustment(adjustment_id, amount, block, reason, by, self.clock.now())
            if (given := await self._say(kept, said, concerned)) is not None:
                return given
        raise Refused("try-again", "the book moves while it is looked at")

    async def shown(self, campaign_id: str) -> tuple[Residue, Sequence[Adjustment]]:
        """Return what is left of a campaign, and what was said; raises `Refused` for no book."""
        kept = await self._kept(campaign_id)
        return await self._residue(kept), kept.book.adjustments

    async def residues(self, after: str, limit: int) -> list[Residue]:
        """Return what cancelled campaigns still hold, in order of campaign.

        Not those whose shares are not all given: of theirs nothing is left yet.
        """
        campaigns = await self.queries.shared_with_money_left(after, limit)
        return [await self._residue(await self._kept(campaign_id)) for campaign_id in campaigns]

    async def _kept(self, campaign_id: str) -> Kept:
        kept = await self.checks.kept(campaign_id)
        if kept is None:
            raise Refused("campaign-unknown", f"there is no book of campaign {campaign_id}")
        return kept

    async def _residue(self, kept: Kept) -> Residue:
        return await self.units.run(lambda unit: _residue(unit, kept))

    async def _say(self, kept: Kept, said: Adjustment, concerned: Concerned) -> Adjustment | None:
        """Keep it; None where the book was saved since the look at it."""

        async def work(unit: PayoutsUnit) -> Adjustment | None:
            campaign_id = kept.book.campaign_id
            book = (await unit.books.load([campaign_id]))[campaign_id]
            if book.version != kept.book.version:
                return None
            residue, paid = await _residue(unit, kept), await unit.refunds.of_platform(campaign_id)
            decision = say(book, residue, paid, said, concerned, said.at)
            if decision.book != book:
                await save_adjustment(unit, decision, said.at)
            return decision.adjustment

        return await self.units.run(work)


async def save_adjustment(unit: PayoutsUnit, decision: AdjustmentDecision, now: datetime) -> Book:
    """Save the book with what was said, and where it is given the posting and who bears what."""
    book = decision.book
    if decision.posting is not None:
        book = await post(unit, book, [decision.posting], now)
        await unit.refunds.save(decision.compensations)
    await unit.books.save([book])
    return book


async def _residue(unit: PayoutsUnit, kept: Kept) -> Residue:
    campaign_id = kept.book.campaign_id
    return residue_of(
        kept,
        claims_open=await unit.rewards.open_claims(campaign_id),
        facts_set_aside=await unit.plumbing.set_aside.count(campaign_id),
        breaks_open=len(await unit.breaks.open_of(campaign_id)),
    )
