"""What only two people can do (`money.md` 8): one says it, and another one the same within a week.

A first word that nobody confirmed in time has fallen: whoever says it then is the first again.
"""

from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Protocol, TypeVar

from payouts.domain.errors import Refused

VALID = timedelta(days=7)


class Said(Protocol):
    """One person's word."""

    @property
    def by(self) -> str: ...

    @property
    def at(self) -> datetime: ...


class SaidTwice(Said, Protocol):
    """It and the second one's, None before that."""

    @property
    def second_by(self) -> str | None: ...


S = TypeVar("S", bound=Said)


class Turn(Enum):
    """What somebody's word is, where all of them say the same."""

    FIRST = auto()
    AGAIN = auto()
    SECOND = auto()


def standing(first: S | None, now: datetime) -> S | None:
    """Return the first person's word while it waits for a second one, None once it has fallen."""
    return first if first is not None and now < first.at + VALID else None


def turn_of(known: SaidTwice | None, by: str, now: datetime) -> Turn:
    """Return whose turn this person takes; raises `Refused` where two others have decided."""
    if known is None or (known.second_by is None and standing(known, now) is None):
        return Turn.FIRST
    if by in (known.by, known.second_by):
        return Turn.AGAIN
    if known.second_by is not None:
        raise Refused("already-decided", f"{known.by} and {known.second_by} have decided it")
    return Turn.SECOND
