"""An appeal against a hiding that nobody has decided yet."""

from dataclasses import dataclass
from datetime import datetime

from updates.domain.report import Thing


@dataclass(frozen=True, slots=True)
class OpenAppeal:
    """What is hidden, since when somebody asks for another person's word, and who hid it."""

    thing: Thing
    appealed_at: datetime
    hidden_by: str
