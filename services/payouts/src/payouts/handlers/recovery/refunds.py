"""Refunds that were sent after the backup are taken over, posted on the cash that is found."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from payouts.domain import refund_recovery
from payouts.domain.book import Book
from payouts.domain.errors import InvariantBroken, Refused
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.refund import Refund, RefundDecision, RefundState, owed_posting
from payouts.domain.refund_blocking import unblock
from payouts.domain.refund_outcome import RefundSeen
from payouts.handlers.recovery.answers import answered
from payouts.handlers.recovery.refund_decisions import save_refunds
from payouts.handlers.recovery.unclaimed import REFUND_CANCELLED, unclaimed
from payouts.ports.provider import Provider
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork

PAGE = 100
QUESTIONS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class AdoptRefunds:
    """Asks the provider about refunds, and takes over every attempt that it has made."""

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries
    provider: Provider
    clock: Clock

    async def adopt_all(self, book: Book) -> list[str]:
        """Take over what the provider has of the campaign's refunds."""
        lines: list[str] = []
        # What a dispute took back first is asked about once the dispute is followed.
        taken_back = await unclaimed(self.queries, book, REFUND_CANCELLED)
        later = {_refund_of(cause) for cause in taken_back}
        after, taken_over = "", 0
        while page := await self.queries.refunds(book.campaign_id, after, PAGE):
            turns = asyncio.Semaphore(QUESTIONS_AT_ONCE)
            asked = [one for one in page if one.refund_id not in later and _is_adopted(one)]
            found = await asyncio.gather(*(self._ask(one, turns) for one in asked))
            pairs = [(one, seen) for one, seen in zip(asked, found, strict=True) if seen]
            taken_over += await self._adopt(book.campaign_id, pairs, lines)
            after = page[-1].refund_id
        if taken_over:
            lines.append(f"{book.campaign_id}: {taken_over} refunds taken over from the provider")
        return lines

    async def adopt_of_pledge(self, money: PledgeMoney) -> list[str]:
        """Take over those of one pledge, one question after the other."""
        lines: list[str] = []
        await self.units.run(partial(_unblock_again, pledge_id=money.pledge_id, clock=self.clock))
        refunds = await self.units.run(lambda unit: unit.refunds.of_pledge(money.pledge_id))
        turns = asyncio.Semaphore(1)
        asked = [(one, await self._ask(one, turns)) for one in refunds if _is_adopted(one)]
        await self._adopt(money.campaign_id, [pair for pair in asked if pair[1]], lines)
        return lines

    async def _ask(self, refund: Refund, turns: asyncio.Semaphore) -> list[RefundSeen]:
        async with turns:
            return await answered(self.provider.refunds_of, refund)

    async def _adopt(
        self,
        campaign_id: str,
        pairs: Sequence[tuple[Refund, list[RefundSeen]]],
        lines: list[str],
    ) -> int:
        async def work(unit: PayoutsUnit) -> tuple[int, list[str]]:
            refunds = await unit.refunds.load({refund.refund_id for refund, _ in pairs})
            money = await unit.pledges.load({r.pledge_id for r in refunds.values()})
            now, refused = self.clock.now(), []
            decisions: list[RefundDecision] = []
            for refund, found in pairs:
                known = refunds[refund.refund_id]
                try:
                    decision = refund_recovery.adopt(known, money[known.pledge_id], found, now)
                except (Refused, InvariantBroken) as error:
                    refused.append(f"a person must look at refund {refund.refund_id}: {error}")
                    continue
                if decision.refund != known:
                    decisions.append(decision)
                    money[known.pledge_id] = decision.money
            await save_refunds(unit, campaign_id, decisions, self.clock)
            return len(decisions), refused

        if not pairs:
            return 0
        count, refused = await self.units.run(work)
        lines += refused
        return count


async def _unblock_again(unit: PayoutsUnit, pledge_id: str, clock: Clock) -> None:
    """Ask again for what went on once its bank had decided, as the ledger has it.

    It may have been sent: the provider is asked about it next, and not about one that is blocked.
    """
    for refund in await unit.refunds.of_pledge(pledge_id):
        money = (await unit.pledges.load({pledge_id}))[pledge_id]
        if refund.state is not RefundState.BLOCKED or money.returnable < refund.amount:
            continue
        if await unit.books.sealed([owed_posting(refund).cause]):
            decision = unblock(refund, money, clock.now())
            if decision.refund != refund:
                await save_refunds(unit, refund.campaign_id, [decision], clock)


def _refund_of(cause: str) -> str:
    """Return whose taking back a posting's cause names."""
    return cause.removeprefix(REFUND_CANCELLED).partition("/")[0]


def _is_adopted(refund: Refund) -> bool:
    """One that a dispute has blocked is not asked about before the dispute is followed."""
    return refund.state is not RefundState.BLOCKED
