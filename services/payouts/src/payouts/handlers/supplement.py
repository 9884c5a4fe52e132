"""Money that came back after the last stage was approved is paid as a supplement (row 22)."""

from collections.abc import Sequence
from datetime import datetime

from payouts.domain.book import Book
from payouts.domain.ledger import Account
from payouts.domain.plan import StageKind
from payouts.domain.stage import UNAPPROVED, Stage, supplement
from payouts.domain.stage_amount import become_due
from payouts.handlers.work_kinds import stage_work
from payouts.ports.unit import PayoutsUnit


async def plan_supplement(
    unit: PayoutsUnit, book: Book, stages: Sequence[Stage], kept_back: int, now: datetime
) -> None:
    """Plan one where there is money and none takes it yet; it is due once all before it are over.

    What is kept back for blocked refunds did not come back to the creator.

    Call it with all stages, after whatever may bring money back; it is approved and paid as any.
    """
    if book.cancellation is not None:
        # It is divided among the backers instead.
        return
    free = book.balances[Account.BACKER_FUNDS] - kept_back
    if not book.last_approved or free < book.quantum:
        # Nothing, or dust.
        return
    if any(one.kind is StageKind.SUPPLEMENT and _takes_more(one) for one in stages):
        return
    planned = supplement(book.campaign_id, len(stages) + 1, book.currency)
    due = become_due(book, planned, stages, now)
    await unit.stages.save([due.stage if due else planned])
    if due is not None:
        await unit.facts.add(due.facts)
        await unit.plumbing.work.offer([stage_work(due.stage, now)])


def _takes_more(stage: Stage) -> bool:
    """Whether it gets all that is there when it is approved; what is approved is a fixed amount."""
    return stage.state in UNAPPROVED
