"""Cash that left after the backup and belongs to nothing that any book knows."""

from collections.abc import Collection
from dataclasses import dataclass

from payouts.handlers.recovery.answers import answered, movements_behind
from payouts.handlers.wake import CURSOR
from payouts.ports.provider import CashMovement, Provider
from payouts.ports.queries import Queries
from payouts.ports.sending import Brake

# Types of balance transactions that leave by our own calls.
REFUND = "refund"
TRANSFER = "transfer"


@dataclass(frozen=True, slots=True)
class FindStrayCash:
    """Looks for money that went somewhere unknown, and stops its campaign's money."""

    queries: Queries
    provider: Provider
    brake: Brake

    async def find(self, at_rest: Collection[str]) -> list[str]:
        """Return the movements behind the backup's cursor that belong to nothing we know.

        `at_rest` are transfers that nobody has to look at any more.
        """
        lines: list[str] = []
        cursor = await self.queries.cursor(CURSOR)
        async for page in movements_behind(self.provider, cursor):
            left = {one.source: one for one in page if one.type in (REFUND, TRANSFER)}
            refunds = await self.queries.refunds_of_provider(list(left))
            known = {a.provider_refund_id for refund in refunds for a in refund.attempts}
            known |= await self.queries.transfers_known(list(left))
            known |= set(at_rest)
            strays = [one for source, one in left.items() if source not in known]
            lines += [await self._stop_for(one) for one in strays]
        return lines

    async def _stop_for(self, stray: CashMovement) -> str:
        """Nothing more of a campaign is paid whose money went somewhere that no book knows."""
        what = f"a person must look at {stray.id}: no book knows its {stray.type} {stray.source}"
        campaign_id = await answered(self.provider.campaign_of, stray)
        if campaign_id is None:
            return what
        await self.brake.stop(campaign_id, "recover", f"no book knows {stray.source}")
        return f"{what}; the money of {campaign_id} is stopped"
