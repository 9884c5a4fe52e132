"""How many reported things wait for staff, and since when."""

from dataclasses import dataclass
from datetime import datetime

from updates.metrics import REPORTS_OLDEST, REPORTS_OPEN
from updates.ports.reports import ReportQueries


@dataclass(frozen=True, slots=True)
class MeasureReports:
    """Says how many cases nobody has decided, and when the first of them was reported."""

    reports: ReportQueries

    async def __call__(self, now: datetime) -> int:
        """Count them; 0, so that it rests between."""
        waiting = await self.reports.waiting()
        REPORTS_OPEN.set(waiting.cases)
        REPORTS_OLDEST.set(waiting.oldest.timestamp() if waiting.oldest else 0)
        return 0
