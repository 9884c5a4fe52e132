"""What staff decided after the backup is owed again, or the money stops until they decide."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from payouts.domain import refund_recovery
from payouts.domain.errors import InvariantBroken, Refused
from payouts.domain.refund import Refund, RefundState, move
from payouts.domain.refund_request import by_staff
from payouts.handlers.recovery.refund_decisions import save_refunds
from payouts.handlers.recovery.unclaimed import COMPENSATION, REFUND_CANCELLED
from payouts.handlers.sealed_amounts import REQUESTED
from payouts.ports.queries import Queries
from payouts.ports.sending import Brake
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork

PAGE = 100


@dataclass(frozen=True, slots=True)
class RestoreStaffDecisions:
    """Owes again what the ledger has of refunds by staff; stops the money of what was held."""

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries
    brake: Brake
    clock: Clock

    async def remember(self, asked: Sequence[Refund]) -> None:
        """Keep what staff asked for after the backup; nothing is owed before the ledger says so."""

        async def work(unit: PayoutsUnit) -> None:
            known = await unit.refunds.load({refund.refund_id for refund in asked})
            await unit.refunds.save([refund for refund in asked if refund.refund_id not in known])

        await self.units.run(work)

    async def remember_refusals(self, refused: Sequence[Refund]) -> None:
        """Who was told no after the backup is not paid now: what waits here was decided there."""

        async def work(unit: PayoutsUnit) -> None:
            known = await unit.refunds.load({refund.refund_id for refund in refused})
            waiting = [one for one in known.values() if one.state is RefundState.AWAITING_APPROVAL]
            reasons = {refund.refund_id: refund.reason for refund in refused}
            await unit.refunds.save(
                [
                    *(refund for refund in refused if refund.refund_id not in known),
                    *(move(one, RefundState.REFUSED, reasons[one.refund_id]) for one in waiting),
                ]
            )

        await self.units.run(work)

    async def stop_what_was_held(self, held: Mapping[str, str]) -> list[str]:
        """The hold is forgotten, and what it held must not be paid for that."""
        lines: list[str] = []
        for campaign_id, why in sorted(held.items()):
            await self.brake.stop(campaign_id, "recover", f"held after the backup, {why}")
            lines.append(
                f"a person must place a hold again, the money of {campaign_id} is stopped: {why}"
            )
        return lines

    async def owe_approved(self) -> list[str]:
        """What the ledger has of a refund that people asked for is owed again, or taken back again.

        It may have been sent, and no rule would make it again: the provider is asked about it next.
        """
        lines: list[str] = []
        after: tuple[datetime, str] | None = None
        state = RefundState.AWAITING_APPROVAL
        while page := await self.queries.refund_queue(state, after, PAGE):
            after = page[-1].created_at, page[-1].refund_id
            for refund in page:
                try:
                    await self.units.run(partial(_owe_again, refund, self.clock))
                except (Refused, InvariantBroken) as error:
                    what = f"refund {refund.refund_id}: {error}"
                    await self.brake.stop(refund.campaign_id, "recover", what)
                    lines.append(f"a person must look, the campaign's money is stopped: {what}")
        return lines


async def _owe_again(refund: Refund, clock: Clock, unit: PayoutsUnit) -> None:
    ways = [f"{REQUESTED}{refund.refund_id}", f"{COMPENSATION}{refund.refund_id}"]
    taken_back = f"{REFUND_CANCELLED}{by_staff(refund.refund_id)}"
    sealed = await unit.books.sealed({*ways, taken_back})
    owed = [sealed[cause] for cause in ways if cause in sealed]
    if not owed:
        return
    known = (await unit.refunds.load({refund.refund_id}))[refund.refund_id]
    money = (await unit.pledges.load({known.pledge_id})).get(known.pledge_id)
    if money is None:
        raise Refused("pledge-unknown", f"pledge {known.pledge_id} is not here")
    decision = refund_recovery.owe_again(known, money, owed[0])
    if taken_back in sealed:
        again = refund_recovery.take_back_again(decision, sealed[taken_back])
        await save_refunds(unit, known.campaign_id, [again], clock)
        return
    await save_refunds(unit, known.campaign_id, [decision], clock)
