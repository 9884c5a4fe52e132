"""Timed work of notifier: causes that a crash left open are closed, incomplete ones measured."""

from dataclasses import dataclass
from datetime import datetime

from notifier.domain.cause import CauseState
from notifier.handlers.publish import close_causes
from notifier.metrics import CAUSES, OLDEST_INCOMPLETE
from notifier.ports import NotifierUnit, Queries
from servicekit.units import UnitsOfWork

PAGE = 500


@dataclass(frozen=True, slots=True)
class CloseCauses:
    """Looks at every cause that is not completed."""

    units: UnitsOfWork[NotifierUnit]
    queries: Queries

    async def __call__(self, now: datetime) -> int:
        """Close what can be closed; 0, so that it rests between."""
        found = await self.queries.incomplete(PAGE)
        for state in (CauseState.WAITING, CauseState.PLANNED):
            CAUSES.labels(state.value).set(sum(1 for cause in found if cause.state is state))
        OLDEST_INCOMPLETE.set(found[0].heard_at.timestamp() if found else 0)
        for cause in found:
            if cause.state is CauseState.PLANNED:
                await close_causes(self.units, {cause.name}, now)
        return 0
