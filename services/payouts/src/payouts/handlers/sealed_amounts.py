"""For how much the ledger of a restored book has refunds that a rule asks for again.

What was given of a pledge before them comes back in another order, or later: by that a rule would
ask for more, and what is sealed with other content can never be posted.
"""

from collections.abc import Collection

from payouts.ports.unit import PayoutsUnit

# How the cause of the posting begins by which a refund is asked for.
REQUESTED = "refund-requested/"


async def amounts_sealed(unit: PayoutsUnit, refund_ids: Collection[str]) -> dict[str, int]:
    """Return it by refund, in minor units; of those that nothing has claimed yet."""
    causes = {f"{REQUESTED}{refund_id}": refund_id for refund_id in refund_ids}
    sealed = await unit.books.sealed(causes)
    return {
        causes[cause]: sum(entry.amount for entry in posting.entries)
        for cause, posting in sealed.items()
    }
