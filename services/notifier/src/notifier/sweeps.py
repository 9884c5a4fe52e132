"""Timed work of notifier: causes that a crash left open are closed, incomplete ones measured."""

from dataclasses import dataclass
from datetime import datetime

from notifier.domain.cause import CauseState
from notifier.handlers.publish import close_causes
from notifier.metrics import CAUSES, GAP, OLDEST_INCOMPLETE
from notifier.ports import NotifierUnit, Queries
from servicekit.metrics import AS_OF_WAITING, AS_OF_WAITING_OLDEST
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
        # Waiting for our own view of the pledges to reach N; above 0 for 30 s is alarmed.
        waiting = [cause.heard_at for cause in found if cause.state is CauseState.WAITING]
        AS_OF_WAITING.set(len(waiting))
        AS_OF_WAITING_OLDEST.set(min(waiting).timestamp() if waiting else 0)
        gap = 0
        for cause in found:
            if cause.state is CauseState.PLANNED:
                totals = await self.queries.totals(cause.name)
                # A cause with a gap is never closed, so the metric keeps showing it.
                gap += abs(totals.gap(cause.audience))
                if not totals.pending:
                    await close_causes(self.units, {cause.name}, now)
        GAP.set(gap)
        return 0
