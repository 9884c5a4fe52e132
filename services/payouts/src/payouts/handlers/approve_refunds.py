"""A second person approves a refund; where the platform gives of its own, it is read first."""

from dataclasses import dataclass
from functools import partial

from payouts.domain.claim_money import Ceilings
from payouts.domain.errors import Refused
from payouts.domain.funds import ProviderFunds
from payouts.domain.refund import Refund
from payouts.handlers.funds import FundsReader
from payouts.handlers.lending import READINGS_MAX, FloatMoved
from payouts.handlers.refund_requests import (
    Person,
    Shown,
    approve_refund,
    may_need_float,
)
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork


@dataclass(frozen=True, slots=True)
class ApproveRefunds:
    """Approves one after the other; each that needs the platform's money reads it anew."""

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries
    funds: FundsReader
    ceilings: Ceilings
    clock: Clock

    async def __call__(self, campaign_id: str, refund_id: str, shown: Shown, by: str) -> Refund:
        """Approve it as this person. Raises `Refused`."""
        person = Person(by, await self.queries.creator(campaign_id))
        for _ in range(READINGS_MAX):
            approve = partial(
                approve_refund,
                campaign_id=campaign_id,
                refund_id=refund_id,
                shown=shown,
                person=person,
                funds=await self._funds_for(campaign_id, refund_id),
                ceilings=self.ceilings,
                now=self.clock.now(),
            )
            try:
                return await self.units.run(approve)
            except FloatMoved:
                continue
        raise Refused("try-again", "the platform's own money is given to many at the same time")

    async def _funds_for(self, campaign_id: str, refund_id: str) -> ProviderFunds | None:
        """Only what the platform may have to lend or pay for needs its own money."""
        refund = await self.queries.refund(campaign_id, refund_id)
        if refund is None or not may_need_float(refund):
            return None
        return await self.funds.read_to_lend(refund.currency)
