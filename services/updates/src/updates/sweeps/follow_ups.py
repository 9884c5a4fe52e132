"""What a campaign owes in words is asked for when it is due."""

from dataclasses import dataclass
from datetime import datetime

from servicekit.errors import Conflict
from servicekit.units import UnitsOfWork
from updates.domain.follow_up import FollowUpTerms
from updates.handlers.follow_time import follow
from updates.handlers.publish import PledgesPosition
from updates.ports.follow_ups import FollowUpQueries
from updates.ports.unit import UpdatesUnit

PAGE = 100


@dataclass(frozen=True, slots=True)
class FollowDue:
    """Takes due steps, also those missed while nothing ran, each of them once."""

    units: UnitsOfWork[UpdatesUnit]
    queries: FollowUpQueries
    pledges: PledgesPosition
    terms: FollowUpTerms

    async def __call__(self, now: datetime) -> int:
        """Return of how many campaigns something was due."""
        due = await self.queries.due_follow_ups(now, PAGE)
        for campaign_id in due:
            await self._follow(campaign_id, now)
        return len(due)

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        return await self.queries.oldest_due_follow_up()

    async def _follow(self, campaign_id: str, now: datetime) -> None:
        try:
            await self.units.run(
                lambda unit: follow(unit, self.pledges, self.terms, campaign_id, now)
            )
        except Conflict:
            pass  # Somebody else has moved it; the next look sees.
