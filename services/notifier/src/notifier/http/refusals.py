"""How a refusal by the rules is answered: one status for each reason, whichever route it was."""

from notifier.domain.errors import Refused
from servicekit.problems import Problem

_STATUS = {
    "campaign-unknown": 404,
    "endpoint-unknown": 404,
    "names-its-people": 422,
    "unreached-unknown": 404,
}


def problem_of(refusal: Refused) -> Problem:
    """Return the answer to a refusal: its type is the reason.

    What passes with time alone is 429 and says when, whatever else clashes is 409.
    """
    clash = 409 if refusal.retry_after is None else 429
    status, title = _STATUS.get(refusal.reason, clash), "Refused by the rules of notifier"
    return Problem(status, refusal.reason, title, refusal.detail, retry_after=refusal.retry_after)
