"""What is scheduled goes out."""

from dataclasses import dataclass
from datetime import datetime

from servicekit.errors import Conflict
from servicekit.units import UnitsOfWork
from updates.domain.update import UpdateState
from updates.handlers.publish import PledgesPosition
from updates.handlers.schedule import publish_scheduled
from updates.metrics import PUBLISHED, SCHEDULED_REFUSED
from updates.ports.queries import Queries
from updates.ports.unit import UpdatesUnit

PAGE = 100


@dataclass(frozen=True, slots=True)
class PublishDue:
    """Publishes scheduled updates whose time has come, also those missed while nothing ran."""

    units: UnitsOfWork[UpdatesUnit]
    queries: Queries
    pledges: PledgesPosition

    async def __call__(self, now: datetime) -> int:
        """Return how many went out; another instance may be faster for any of them."""
        due = await self.queries.due_updates(now, PAGE)
        return sum([await self._publish(*one, now) for one in due])

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        return await self.queries.oldest_due_update()

    async def _publish(self, campaign_id: str, update_id: str, now: datetime) -> int:
        try:
            update = await self.units.run(
                lambda unit: publish_scheduled(unit, self.pledges, campaign_id, update_id, now)
            )
        except Conflict:
            return 0  # Somebody else has published, moved or rewritten it; the next look sees.
        if update is None:
            return 0
        if update.state is UpdateState.DRAFT:
            SCHEDULED_REFUSED.inc()
        if update.state is UpdateState.PUBLISHED:
            PUBLISHED.labels(update.content.kind.value).inc()
        return int(update.state is UpdateState.PUBLISHED)
