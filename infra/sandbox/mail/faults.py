"""What goes wrong on purpose: a rule names whom it hits, and how often it still does."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase


class FaultKind(StrEnum):
    SLOW = "slow"
    REFUSE = "refuse"
    GREYLIST = "greylist"
    DROP_AFTER_DATA = "drop-after-data"
    DROP_BEFORE_DATA = "drop-before-data"
    BOUNCE = "bounce"
    COMPLAIN = "complain"


@dataclass(slots=True)
class Fault:
    """Hits recipients that match the pattern; `remaining` None: for ever."""

    kind: FaultKind
    recipient: str = "*"
    remaining: int | None = None
    seconds: float = 1.0
    code: int = 550
    status: str = "5.1.1"
    fired: int = 0


@dataclass(slots=True)
class Faults:
    """The rules in force."""

    rules: list[Fault] = field(default_factory=list)

    def hit(self, kind: FaultKind, recipient: str) -> Fault | None:
        """Return the rule of this kind that hits the recipient, and count it."""
        for rule in self.rules:
            if rule.kind is not kind or rule.remaining == 0:
                continue
            if fnmatchcase(recipient.casefold(), rule.recipient.casefold()):
                rule.fired += 1
                if rule.remaining is not None:
                    rule.remaining -= 1
                return rule
        return None
