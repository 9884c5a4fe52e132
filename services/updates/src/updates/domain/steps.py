"""Steps at fixed times after something began: each is taken once, however late."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Steps:
    """When it began, and how many of its steps are taken; their times are settings."""

    since: datetime
    taken: int = 0

    def next_due(self, delays: Sequence[timedelta]) -> datetime | None:
        """Return when the next step is due; None after the last one."""
        return self.since + delays[self.taken] if self.taken < len(delays) else None

    def take(self, delays: Sequence[timedelta], now: datetime) -> tuple["Steps", tuple[int, ...]]:
        """Take all steps that are due; return their places, several after a long absence."""
        due = [
            place for place in range(self.taken, len(delays)) if self.since + delays[place] <= now
        ]
        return replace(self, taken=self.taken + len(due)), tuple(due)
