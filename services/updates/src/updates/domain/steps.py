"""Steps at fixed times after something began: each is taken once, however late."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Steps:
    """When it began, and how many of its steps are taken; their times are settings.

    `ended_at` is when the last of them was due, None until it is taken.
    """

    since: datetime
    taken: int = 0
    ended_at: datetime | None = None

    def next_due(self, delays: Sequence[timedelta]) -> datetime | None:
        """Return when the next step is due; None after the last one."""
        return self.since + delays[self.taken] if self.taken < len(delays) else None

    def take(self, delays: Sequence[timedelta], now: datetime) -> tuple["Steps", tuple[int, ...]]:
        """Take all steps that are due; return their places, several after a long absence."""
        due = [
            place for place in range(self.taken, len(delays)) if self.since + delays[place] <= now
        ]
        steps = replace(self, taken=self.taken + len(due))
        # Also where a fact of ours, or a release that noted no end, says that all are taken.
        if steps.ended_at is None and delays and steps.taken >= len(delays):
            steps = replace(steps, ended_at=self.since + delays[-1])
        return steps, tuple(due)
