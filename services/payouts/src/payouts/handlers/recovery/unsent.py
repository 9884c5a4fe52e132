"""Refunds that the ledger says were given up or paid otherwise: never sent again by themselves."""

from dataclasses import dataclass

from payouts.domain import refund_recovery
from payouts.domain.book import Book
from payouts.domain.errors import InvariantBroken, Refused
from payouts.domain.refund_window import attempts_of
from payouts.handlers.recovery.refund_decisions import save_refunds
from payouts.handlers.recovery.unclaimed import CLAIMABLE, PAID_OTHERWISE, unclaimed
from payouts.ports.queries import Queries
from payouts.ports.sending import Brake
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork


@dataclass(frozen=True, slots=True)
class KeepUnsent:
    """Keeps refunds from being sent whose money waits for its backer, or came another way."""

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries
    brake: Brake
    clock: Clock

    async def give_up_again(self, book: Book) -> list[str]:
        """What waits to be claimed by its backer is never sent again by itself."""
        lines: list[str] = []
        for cause in await unclaimed(self.queries, book, CLAIMABLE):
            refund_id, _, number = cause.removeprefix(CLAIMABLE).rpartition("/")

            async def work(unit: PayoutsUnit, one: str = refund_id, at: str = number) -> None:
                refund = (await unit.refunds.load({one})).get(one)
                if refund is None:
                    return
                money = (await unit.pledges.load({refund.pledge_id}))[refund.pledge_id]
                now, closed = self.clock.now(), attempts_of(at)
                if closed is not None:
                    decision = refund_recovery.close_again(refund, money, closed, now)
                else:
                    decision = refund_recovery.give_up_again(refund, money, int(at), now)
                if decision.refund != refund:
                    await save_refunds(unit, book.campaign_id, [decision], self.clock)

            try:
                await self.units.run(work)
            except (Refused, InvariantBroken) as error:
                await self.brake.stop(book.campaign_id, "recover", f"{cause}: {error}")
                lines.append(f"a person must look at {cause}, the campaign's money is stopped")
        return lines

    async def pay_otherwise_again(self, book: Book) -> list[str]:
        """What two people said was paid outside the provider is never sent again."""
        lines: list[str] = []
        for cause in await unclaimed(self.queries, book, PAID_OTHERWISE):

            async def work(
                unit: PayoutsUnit, one: str = cause.removeprefix(PAID_OTHERWISE)
            ) -> None:
                known = (await unit.refunds.load({one}))[one]
                money = (await unit.pledges.load({known.pledge_id}))[known.pledge_id]
                decision = refund_recovery.pay_otherwise_again(known, money)
                await save_refunds(unit, book.campaign_id, [decision], self.clock)

            try:
                await self.units.run(work)
            except (Refused, InvariantBroken, KeyError) as error:
                await self.brake.stop(book.campaign_id, "recover", f"{cause}: {error}")
                lines.append(f"a person must look at {cause}, the campaign's money is stopped")
        return lines
