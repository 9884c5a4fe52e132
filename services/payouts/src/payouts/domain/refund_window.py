"""How long a payment can be returned the way it came (`money.md` 9).

A direct debit or a transfer is returned by the provider for about half a year, a card for as long
as anybody asks. Past it a refund is claimable at once and is never sent: the provider would only
refuse it, and its backer would have waited for that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from payouts.domain import postings
from payouts.domain.claimable import begin_reminding
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.refund import Refund, RefundClaimable, RefundDecision, RefundState, move

WINDOW_CLOSED = "window-closed"
# Nothing is at the provider, and nobody has been told yet to claim it.
_SENDABLE = frozenset({RefundState.REQUESTED, RefundState.AWAITING_FUNDS, RefundState.FAILED})
# They wait for a person, for money or for a bank, while the window closes.
WAITS = (
    RefundState.AWAITING_APPROVAL,
    RefundState.REQUESTED,
    RefundState.AWAITING_FUNDS,
    RefundState.FAILED,
    RefundState.UNKNOWN,
    RefundState.BLOCKED,
)


@dataclass(frozen=True, slots=True)
class RefundWindows:
    """Days from the capture by method of payment; a method that is not there has no end."""

    days: Mapping[str, int] = field(default_factory=dict)

    def until(self, method: str | None, captured_at: datetime) -> datetime | None:
        """Return until when such a payment is returned, None for without end."""
        days = self.days.get(method or "")
        try:
            return None if days is None else captured_at + timedelta(days=days)
        except OverflowError:  # Of a capture that an earlier release of funding took from a topic.
            return None


def close_window(refund: Refund, money: PledgeMoney, now: datetime) -> RefundDecision:
    """Let its backer claim what can no longer be sent (row 6); anything else stays as it is."""
    if refund.state not in _SENDABLE or refund.is_refundable(now):
        return RefundDecision(refund, money)
    waiting = begin_reminding(move(refund, RefundState.CLAIMABLE, WINDOW_CLOSED), now)
    posting = postings.refund_claimable(closing_of(refund), refund.amount)
    fact = RefundClaimable(waiting, WINDOW_CLOSED, now)
    return RefundDecision(waiting, money, (posting,), (fact,))


def closing_of(refund: Refund) -> str:
    """Return the name of this closing in the book.

    After as many attempts it is met again only where a dispute took the refund back meanwhile.
    """
    return f"{refund.refund_id}/closed-{len(refund.attempts)}-{refund.blocks}"


def attempts_of(closing: str) -> int | None:
    """Return after how many attempts a claimable posting's name says that its window closed."""
    place = closing.rpartition("/")[2]
    if not place.startswith("closed-"):
        return None
    return int(place.removeprefix("closed-").partition("-")[0])
