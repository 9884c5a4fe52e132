"""Two people end a creator's debt: it was paid, or nobody will pay it (row 21)."""

from datetime import datetime

from payouts.domain.approval import Concerned
from payouts.domain.errors import Refused
from payouts.domain.receivable import Proposed, Receivable, propose
from payouts.handlers.posting import post
from payouts.ports.unit import PayoutsUnit


async def end_receivable(
    unit: PayoutsUnit,
    campaign_id: str,
    receivable_id: str,
    proposed: Proposed,
    concerned: Concerned,
    now: datetime,
) -> Receivable:
    """Take one person's word, or book it with the second one's; raises `Refused` otherwise."""
    known = (await unit.receivables.load(campaign_id)).get(receivable_id)
    if known is None:
        raise Refused("receivable-unknown", f"campaign {campaign_id} has no such debt")
    decision = propose(known, proposed, concerned)
    if decision.receivable != known:
        await unit.receivables.save([decision.receivable])
    if decision.postings:
        book = (await unit.books.load([campaign_id]))[campaign_id]
        await unit.books.save([await post(unit, book, decision.postings, now)])
    return (await unit.receivables.load(campaign_id))[receivable_id]
