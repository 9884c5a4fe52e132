"""What becomes due of stages by time alone: a supplement of money that came back."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from payouts.handlers.supplement import plan_what_came_back
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.sweeps import one_by_one
from servicekit.units import UnitsOfWork

PAGE = 100


@dataclass(frozen=True, slots=True)
class PlanSupplements:
    """Plans the money that is left behind the last stage, whichever way it came back.

    A refund that ends because a bank paid its backer, or that is denied, leaves it there long after
    whatever had planned it.
    """

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries

    async def __call__(self, now: datetime) -> int:
        """Look at all such books, most wait for an approval; 0, so that it rests between."""
        return await one_by_one(self._left(), partial(self._plan, now=now))

    async def _left(self) -> AsyncIterator[str]:
        after = ""
        while campaigns := await self.queries.paid_with_money_left(after, PAGE):
            for campaign_id in campaigns:
                yield campaign_id
            after = campaigns[-1]

    async def _plan(self, campaign_id: str, now: datetime) -> int:
        await self.units.run(partial(plan_what_came_back, campaign_id=campaign_id, now=now))
        return 0
