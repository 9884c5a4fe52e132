"""What of a campaign's `backer_funds` waits for banks, read in the transaction that spends it."""

from payouts.domain.book import Book
from payouts.domain.kept_back import kept_back
from payouts.domain.owed import owed_cause
from payouts.ports.unit import PayoutsUnit


async def kept_back_in(unit: PayoutsUnit, book: Book) -> dict[str, int]:
    """Return by pledge what is kept for its blocked refunds, or goes back in full after a dispute.

    Every block of a refund and every step of a dispute saves the book: who saves the book too,
    meets them there.
    """
    blocked = await unit.refunds.blocked(book.campaign_id)
    if not blocked and book.cancellation is None:
        return {}
    opened = await unit.disputes.opened(book.campaign_id)
    if book.cancellation is None:
        return kept_back(blocked, opened)
    disputed = await unit.pledges.load({one.pledge_id for one in opened})
    in_full = [money for money in disputed.values() if owed_cause(book, money, ())]
    return kept_back(blocked, opened, in_full)
