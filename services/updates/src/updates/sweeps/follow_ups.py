"""What a campaign owes in words is asked for when it is due."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from servicekit.sweeps import Turns
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
    turns: Turns[str] = field(default_factory=partial(Turns, PAGE))

    async def __call__(self, now: datetime) -> int:
        """Return of how many campaigns steps were taken; those that wait are no reason to hurry."""
        due = partial(self.queries.due_follow_ups, now)
        return await self.turns.take(due, partial(self._follow, now=now))

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        return await self.queries.oldest_due_follow_up()

    async def _follow(self, campaign_id: str, now: datetime) -> bool:
        return await self.units.run(
            lambda unit: follow(unit, self.pledges, self.terms, campaign_id, now)
        )
