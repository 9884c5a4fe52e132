"""What people did about a refund: who, when, and why; kept for ever beside it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ActKind(StrEnum):
    ASKED = "asked"
    APPROVED = "approved"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Act:
    """One act of one person; `reason` in the person's own words, empty where none is asked for."""

    kind: ActKind
    by: str
    at: datetime
    reason: str = ""
