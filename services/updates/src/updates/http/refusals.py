"""How a refusal by the rules is answered: one status for each reason, whichever route it was."""

from servicekit.problems import Problem
from updates.domain.emergency import EFFECTS
from updates.domain.errors import Refused

_NOT_FOUND = frozenset(
    {
        "campaign-unknown",
        "claim-unknown",
        "comment-unknown",
        "delivery-unknown",
        "link-unknown",
        "media-unknown",
        "not-asked",
        "plan-unknown",
        "pledge-unknown",
        "problem-unknown",
        "questionnaire-unknown",
        "report-unknown",
        "reward-unknown",
        "survey-unknown",
        "update-unknown",
    }
)
_INVALID = frozenset(
    {
        "address-missing",
        "address-not-asked",
        "answer-invalid",
        "answer-missing",
        "ballot-missing",
        "choice-unknown",
        "choices-invalid",
        "days-out-of-order",
        "duplicate-language",
        "file-broken",
        "file-infected",
        "file-unsafe",
        "foreign-part",
        "image-in-text",
        "incomplete-plan",
        "invalid-attachments",
        "invalid-captions",
        "invalid-card",
        "invalid-description",
        "invalid-details",
        "invalid-form",
        "invalid-funds",
        "invalid-name",
        "invalid-parcel",
        "invalid-part",
        "invalid-readers",
        "invalid-settlement",
        "invalid-surveys",
        "invalid-text",
        "invalid-time",
        "invalid-title",
        "media-undescribed",
        "missing-part",
        "more-than-paid",
        "no-reason",
        "no-text",
        "nothing-asked",
        "option-missing",
        "option-twice",
        "option-unknown",
        "payer-impossible",
        "question-unknown",
        "reason-missing",
        "step-unknown",
        "too-many-marks",
        "unreadable-list",
        "use-of-funds-missing",
    }
)
_STATUS = (
    dict.fromkeys(_NOT_FOUND, 404)
    | dict.fromkeys(_INVALID, 422)
    | {"edition-stale": 412, "too-large": 413, "type-refused": 415, "upload-stalled": 408}
    | {"media-withdrawn": 410}
)


def problem_of(refusal: Refused) -> Problem:
    """Return the answer to a refusal: its type is the reason.

    What passes with time alone is 429 and says when, whatever else clashes is 409.
    """
    clash = 409 if refusal.retry_after is None else 429
    status, title = _STATUS.get(refusal.reason, clash), "Refused by the rules of updates"
    if refusal.reason == "confirmation-required":
        return Problem(status, refusal.reason, title, refusal.detail, effects=list(EFFECTS))
    return Problem(status, refusal.reason, title, refusal.detail, retry_after=refusal.retry_after)
