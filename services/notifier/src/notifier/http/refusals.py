"""How a refusal by the rules is answered: one status for each reason, whichever route it was."""

from notifier.domain.errors import Refused
from servicekit.problems import Problem

_STATUS = {
    "campaign-unknown": 404,
    "endpoint-unknown": 404,
    "names-its-people": 422,
    "too-many-asks": 429,
    "unreached-unknown": 404,
}


def problem_of(refusal: Refused) -> Problem:
    """Return the answer to a refusal: its type is the reason; what clashes is 409."""
    status, title = _STATUS.get(refusal.reason, 409), "Refused by the rules of notifier"
    return Problem(status, refusal.reason, title, refusal.detail, retry_after=refusal.retry_after)
