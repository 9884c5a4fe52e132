"""How many appeals wait for another person's word, and since when."""

from dataclasses import dataclass
from datetime import datetime

from updates.metrics import APPEAL_OLDEST, APPEALS_OPEN
from updates.ports.appeals import AppealQueries


@dataclass(frozen=True, slots=True)
class MeasureAppeals:
    """Says how many appeals nobody has decided, and when the first of them was made."""

    appeals: AppealQueries

    async def __call__(self, now: datetime) -> int:
        """Count them; 0, so that it rests between."""
        waiting = await self.appeals.waiting()
        APPEALS_OPEN.set(waiting.appeals)
        APPEAL_OLDEST.set(waiting.oldest.timestamp() if waiting.oldest else 0)
        return 0
