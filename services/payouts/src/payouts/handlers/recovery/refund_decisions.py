"""What a recovery decides about refunds is saved as a running service saves it."""

from collections.abc import Sequence

from payouts.domain.refund import RefundDecision
from payouts.handlers.posting import post
from payouts.handlers.work_kinds import refund_work
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock


async def save_refunds(
    unit: PayoutsUnit, campaign_id: str, decisions: Sequence[RefundDecision], clock: Clock
) -> None:
    """Save refunds of one campaign, their postings, facts and next work, in this unit."""
    now = clock.now()
    postings = [posting for decision in decisions for posting in decision.postings]
    if postings:
        book = (await unit.books.load([campaign_id]))[campaign_id]
        await unit.books.save([await post(unit, book, postings, now)])
        money = {decision.money.pledge_id: decision.money for decision in decisions}
        await unit.pledges.save(list(money.values()))
    await unit.refunds.save([decision.refund for decision in decisions])
    await unit.facts.add([fact for decision in decisions for fact in decision.facts])
    await unit.plumbing.work.offer([refund_work(decision.refund, now) for decision in decisions])
