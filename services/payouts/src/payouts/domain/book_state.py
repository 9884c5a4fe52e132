"""The states of a book (`money.md` 7): new entries open again what was closed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from payouts.domain.errors import Refused
from payouts.domain.ledger import Account


class BookState(StrEnum):
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


TRANSITIONS: dict[BookState, frozenset[BookState]] = {
    BookState.OPEN: frozenset({BookState.CLOSING}),
    BookState.CLOSING: frozenset({BookState.OPEN, BookState.CLOSED}),
    BookState.CLOSED: frozenset({BookState.OPEN}),
}


@dataclass(frozen=True, slots=True)
class BookLife:
    """Where a book stands, and since when; None for one that was never over, or is open again.

    `dust_kept` is what its closings took of too little to be paid out, in minor units. `settled`
    is what they took of incomes and costs, by account, and was not undone since; `closed_in` is the
    block of the last of them (decision 0052).
    """

    state: BookState = BookState.OPEN
    since: datetime | None = None
    dust_kept: int = 0
    settled: Mapping[Account, int] = field(default_factory=dict)
    closed_in: int = 0


def move(life: BookLife, state: BookState) -> BookLife:
    """Return it in its new state: the only way in which a state changes."""
    if state not in TRANSITIONS[life.state]:
        raise Refused("impossible-transition", f"{life.state} does not become {state}")
    return replace(life, state=state)
