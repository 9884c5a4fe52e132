"""The end of a run of refunds: told once, when none of its refunds goes on by itself any more.

Each is final, or in a queue where a person or a bank must act (claimable, blocked). What waits for
a top-up, for another try or for an answer goes on by itself, and the run with it. The figures are
of that moment; what comes later (a late pledge, a claim, a bank's decision) is told by its own
refund and never repeats this fact (decision 0026).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from payouts.domain.book import Book
from payouts.domain.refund import RESTING, RefundState

# A refund that follows another one of the same run says so in its cause.
AFTER = "/after-"
# They go on by themselves.
MOVING = frozenset(RefundState) - RESTING


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How many refunds of a run came to this state, and their sum in minor units."""

    state: RefundState
    count: int
    amount: int


@dataclass(frozen=True, slots=True)
class RefundRunFinished:
    campaign_id: str
    currency: str
    cause: str
    outcomes: tuple[RunOutcome, ...]
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The book that has told it, and the fact; None where it was told before."""

    book: Book
    fact: RefundRunFinished | None


def causes_of_run(run_cause: str) -> str:
    """Return the pattern of the causes that refunds of the run have: its own, and what followed.

    A regular expression, as a store searches by it; MongoDB and Python read it alike.
    """
    return f"^{re.escape(run_cause)}($|{AFTER})"


def end_run(
    book: Book, cause: str, figures: Mapping[RefundState, tuple[int, int]], now: datetime
) -> RunEnd:
    """Tell that the run is finished, with count and sum by state; told before, nothing more is."""
    if cause in book.runs_told:
        return RunEnd(book, None)
    outcomes = tuple(
        RunOutcome(state, *figures[state]) for state in RefundState if figures.get(state, (0, 0))[0]
    )
    fact = RefundRunFinished(book.campaign_id, book.currency, cause, outcomes, now)
    return RunEnd(told(book, cause), fact)


def told(book: Book, cause: str) -> Book:
    """Note that the run's end stands on the topic."""
    if cause in book.runs_told:
        return book
    return replace(book, runs_told=(*book.runs_told, cause))
