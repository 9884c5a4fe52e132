"""How a refused decision is answered: one status for each reason, whichever route it was."""

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
_INVALID = frozenset({"invalid-destination"})


def status_of(refusal: Refused) -> int:
    """Return the status of the answer; what clashes is 409."""
    return 404 if refusal.reason in _NOT_THERE else 422 if refusal.reason in _INVALID else 409


def problem_of(refusal: Refused) -> Problem:
    """Return the answer to a refusal: its type is the reason."""
    return Problem(status_of(refusal), refusal.reason, "Refused", refusal.detail)
