"""What is scheduled goes out; what should have is measured."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from servicekit.sweeps import Turns
from servicekit.units import UnitsOfWork
from updates.domain.errors import Refused
from updates.domain.update import UpdateState
from updates.handlers.publish import USUAL_PUBLISHING_TERMS, PledgesPosition, PublishingTerms
from updates.handlers.schedule import publish_scheduled, unschedule_refused
from updates.metrics import PUBLISHED, SCHEDULED_OVERDUE, SCHEDULED_REFUSED
from updates.ports.queries import Queries
from updates.ports.unit import UpdatesUnit

PAGE = 100
# The sweep comes by every second; what is still there by then was kept back, or nobody sweeps.
OVERDUE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class PublishDue:
    """Publishes scheduled updates whose time has come, also those missed while nothing ran."""

    units: UnitsOfWork[UpdatesUnit]
    queries: Queries
    pledges: PledgesPosition
    terms: PublishingTerms = USUAL_PUBLISHING_TERMS
    turns: Turns[tuple[str, str]] = field(default_factory=partial(Turns, PAGE))

    async def __call__(self, now: datetime) -> int:
        """Return how many went out; another instance may be faster for any of them."""
        due = partial(self.queries.due_updates, now)
        return await self.turns.take(due, partial(self._publish, now=now))

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        return await self.queries.oldest_due_update()

    async def _publish(self, due: tuple[str, str], now: datetime) -> int:
        try:
            update = await self.units.run(
                lambda unit: publish_scheduled(unit, self.pledges, *due, now, self.terms)
            )
        except Refused as refusal:
            # Apart from what was refused, of which nothing may be kept: no fact, no moved date.
            because = refusal.reason
            if await self.units.run(lambda unit: unschedule_refused(unit, *due, because, now)):
                SCHEDULED_REFUSED.inc()
            return 0
        if update is None or update.state is not UpdateState.PUBLISHED:
            return 0
        PUBLISHED.labels(update.content.kind.value).inc()
        return 1


@dataclass(frozen=True, slots=True)
class MeasureSchedules:
    """Says how many updates should have gone out and have not."""

    queries: Queries

    async def __call__(self, now: datetime) -> int:
        """Count them; 0, so that it rests between."""
        SCHEDULED_OVERDUE.set(await self.queries.overdue_updates(now - OVERDUE))
        return 0
