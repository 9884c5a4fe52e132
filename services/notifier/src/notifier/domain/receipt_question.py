"""Questions whether a reward came: asked while it is on its way, over once its backer has said so.

The fact names up to a thousand backers, each of whom answers alone: the question is over for them
while it stands for all others.
"""

from dataclasses import dataclass

from notifier.domain.cause import CauseKind, Told

# A reward that is so far may be asked about, in the words of the contract.
_ASKED_ABOUT = frozenset({"shipped", "delivered"})
# From there it comes to one of these when nothing is left to be asked. What a later contract may
# add ends no question.
_ANSWERED = frozenset({"not_started", "preparing", "partially_shipped", "received", "returned"})


@dataclass(frozen=True, slots=True)
class ReceiptQuestion:
    """Whether this reward of the campaign came to this backer."""

    campaign_id: str
    reward_id: str
    backer_id: str


def question_of(told: Told, backer_id: str) -> ReceiptQuestion | None:
    """Return what somebody is asked by this, None for whatever asks for no receipt."""
    if told.kind is not CauseKind.RECEIPT_ASKED or "reward_id" not in told.content:
        return None
    return ReceiptQuestion(told.campaign_id, str(told.content["reward_id"]), backer_id)


def is_over(old: str, new: str) -> bool | None:
    """Return whether a move ends the question, None where it neither ends nor opens one.

    A receipt that is taken back opens it again, and so does a reward that is sent once more.
    """
    if new in _ASKED_ABOUT:
        return None if old in _ASKED_ABOUT else False
    return True if old in _ASKED_ABOUT and new in _ANSWERED else None
