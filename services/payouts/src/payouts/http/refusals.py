"""How a refused decision is answered: 404 where what it is about is not there, else 409."""

from payouts.domain.errors import Refused
from servicekit.problems import Problem

_NOT_THERE = frozenset(
    {
        "break-unknown",
        "campaign-unknown",
        "hold-unknown",
        "pledge-unknown",
        "receivable-unknown",
        "refund-unknown",
        "stage-unknown",
    }
)


def status_of(refusal: Refused) -> int:
    """Return the status of the answer."""
    return 404 if refusal.reason in _NOT_THERE else 409


def problem_of(refusal: Refused) -> Problem:
    """Return the answer to raise: its type is the reason."""
    return Problem(status_of(refusal), refusal.reason, "Refused", refusal.detail)
