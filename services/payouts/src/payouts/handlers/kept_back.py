"""What of a campaign's `backer_funds` waits for banks, read in the transaction that spends it."""

from payouts.domain.kept_back import kept_back
from payouts.ports.unit import PayoutsUnit


async def kept_back_in(unit: PayoutsUnit, campaign_id: str) -> dict[str, int]:
    """Return by pledge what is kept for its blocked refunds.

    Every block of a refund and every step of a dispute saves the book: who saves the book too,
    meets them there.
    """
    blocked = await unit.refunds.blocked(campaign_id)
    if not blocked:
        return {}
    return kept_back(blocked, await unit.disputes.opened(campaign_id))
