"""How a refusal by the rules is answered: one status for each reason, whichever route it was."""

from funding.domain.errors import Refused
from servicekit.problems import Problem

_NOT_FOUND = frozenset(
    {
        "campaign-unknown",
        "pledge-unknown",
    }
)
_INVALID = frozenset(
    {
        "capture-incomplete",
        "column-missing",
        "column-twice",
        "contact-column",
        "currency-counted-otherwise",
        "currency-not-settled",
        "deadline-passed",
        "duplicate-reward",
        "fees-too-high",
        "invalid-amount",
        "invalid-goal",
        "invalid-instant",
        "invalid-terms",
        "owner-is-fixed",
        "person-twice",
        "reason-missing",
        "return-incomplete",
        "role-missing",
        "row-count",
        "smallest-pledge-too-small",
        "team-too-large",
        "unknown-currency",
        "unknown-field",
        "unknown-zone",
        "unreadable-file",
    }
)


def problem_of(refusal: Refused) -> Problem:
    """Return the answer to a refusal: its type is the reason; what clashes is 409."""
    status = 404 if refusal.reason in _NOT_FOUND else 422 if refusal.reason in _INVALID else 409
    return Problem(status, refusal.reason, "Refused by the rules of funding", refusal.detail)
