"""Money that operators have stopped: nothing that moves it is sent, looking goes on."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Stopped:
    """Who stopped the money, of all campaigns or of one, and until when if that is known."""

    by: str
    since: datetime
    until: datetime | None = None

    def __str__(self) -> str:
        ends = f" until {_shown(self.until)}" if self.until else ""
        return f"money is stopped by {self.by} since {_shown(self.since)}{ends}"


def _shown(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")
