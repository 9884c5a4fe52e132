"""Disputes that began or ended after the backup are followed, once what was sent is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from payouts.domain.dispute import DisputeSeen
from payouts.domain.errors import InvariantBroken, Refused
from payouts.domain.pledge_money import PledgeMoney
from payouts.handlers.disputes import take_dispute
from payouts.handlers.recovery.answers import answered, movements_behind
from payouts.handlers.recovery.refunds import AdoptRefunds
from payouts.handlers.wake import CURSOR, DISPUTE_TYPES, wake_disputes
from payouts.ports.provider import NotThere, Provider
from payouts.ports.queries import Queries
from payouts.ports.sending import Brake
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork

PAGE = 100


@dataclass(frozen=True, slots=True)
class FollowMissedDisputes:
    """Reads what banks did meanwhile, and takes it over with the refunds that came behind it."""

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries
    provider: Provider
    brake: Brake
    clock: Clock
    refunds: AdoptRefunds

    async def seen(self) -> list[DisputeSeen]:
        """Read what banks did after the backup, and what they had not decided before it."""
        found: list[DisputeSeen] = []
        for dispute_id in [*await self._undecided(), *await self._withdrawn()]:
            seen: DisputeSeen | NotThere = await answered(self.provider.find_dispute, dispute_id)
            if isinstance(seen, DisputeSeen):
                found.append(seen)
        return found

    async def pledges_of(self, disputes: Sequence[DisputeSeen]) -> dict[str, PledgeMoney]:
        """Return the pledges that are disputed, by payment."""

        async def read(unit: PayoutsUnit) -> dict[str, PledgeMoney]:
            payments = {seen.payment_reference for seen in disputes}
            found = {one: await unit.pledges.of_payment(one) for one in payments}
            return {payment: money for payment, money in found.items() if money is not None}

        return await self.units.run(read)

    async def follow(self, disputes: Sequence[DisputeSeen]) -> list[str]:
        """Take the disputes over, and what was sent for their pledges once they had ended."""
        lines: list[str] = []
        pledges = await self.pledges_of(disputes)
        for seen in disputes:
            known = await self.queries.dispute(seen.dispute_id)
            money = pledges.get(seen.payment_reference)
            take = partial(take_dispute, seen=seen, now=self.clock.now())
            try:
                taken = await self.units.run(take)
            except (Refused, InvariantBroken) as error:
                lines.append(await self._stop_for(seen, money, error))
                continue
            if taken != known:
                what = f"dispute {seen.dispute_id}: {taken.state}, taken over from the provider"
                lines.append(what)
            named = [seen.dispute_id]
            wake = partial(wake_disputes, dispute_ids=named, now=self.clock.now())
            await self.units.run(wake)
            if money is not None:
                lines += await self.refunds.adopt_of_pledge(money)
        return lines

    async def _undecided(self) -> list[str]:
        found: list[str] = []
        while page := await self.queries.undecided_disputes(found[-1] if found else "", PAGE):
            found += [dispute.dispute_id for dispute in page]
        return found

    async def _withdrawn(self) -> list[str]:
        """Return the disputes whose cash moved behind the backup's cursor, in that order."""
        found: dict[str, None] = {}
        cursor = await self.queries.cursor(CURSOR)
        async for page in movements_behind(self.provider, cursor):
            found |= {one.source: None for one in page if one.type in DISPUTE_TYPES}
        return list(found)

    async def _stop_for(
        self, seen: DisputeSeen, money: PledgeMoney | None, error: Exception
    ) -> str:
        what = f"a person must look at dispute {seen.dispute_id}: {error}"
        if money is None:
            return what
        await self.brake.stop(money.campaign_id, "recover", f"{seen.dispute_id}: {error}")
        return f"{what}; the money of {money.campaign_id} is stopped"
