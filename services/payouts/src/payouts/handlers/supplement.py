"""Money that came back after the last stage was approved is paid as a supplement (row 22)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from payouts.domain.book import Book
from payouts.domain.ledger import Account
from payouts.domain.plan import StageKind
from payouts.domain.postings import STAGE_APPROVED
from payouts.domain.stage import UNAPPROVED, Stage, supplement
from payouts.domain.stage_amount import become_due
from payouts.handlers.kept_back import kept_back_in
from payouts.handlers.work_kinds import stage_work
from payouts.ports.unit import PayoutsUnit


async def plan_supplement(
    unit: PayoutsUnit, book: Book, stages: Sequence[Stage], kept_back: int, now: datetime
) -> bool:
    """Plan one where there is money and none takes it yet; it is due once all before it are over.

    What is kept back for blocked refunds did not come back to the creator.

    Call it with all stages, after whatever may bring money back; it is approved and paid as any.
    Whether anything is new. Who has not saved the book in this unit saves it then: a cancellation
    that comes meanwhile meets it there.
    """
    if book.cancellation is not None:
        # It is divided among the backers instead.
        return False
    free = book.balances[Account.BACKER_FUNDS] - kept_back
    if not book.last_approved or free < book.quantum:
        # Nothing, or dust.
        return False
    known = _that_takes_more(stages)
    planned = known or _following(book, stages)
    due = become_due(book, planned, stages[: planned.number - 1], now)
    if due is None and known is not None:
        return False
    await unit.stages.save([due.stage if due else planned])
    if due is not None:
        await unit.facts.add(due.facts)
        await unit.plumbing.work.offer([stage_work(due.stage, now)])
    return True


async def plan_what_came_back(unit: PayoutsUnit, campaign_id: str, now: datetime) -> bool:
    """Plan what lies behind the campaign's last stage, whatever left it there; whether it did."""
    book = (await unit.books.load([campaign_id]))[campaign_id]
    stages = await unit.stages.load(campaign_id)
    taker = _that_takes_more(stages) or _following(book, stages)
    if book.unclaimed and await approved_before(unit, book, taker) is None:
        # After a restored backup the ledger may know where it went: a person looks first.
        return False
    kept = sum((await kept_back_in(unit, book)).values())
    planned = await plan_supplement(unit, book, stages, kept, now)
    if planned:
        await unit.books.save([book])
    return planned


async def approved_before(unit: PayoutsUnit, book: Book, stage: Stage) -> int | None:
    """Return for how much the ledger of a restored book has a supplement's next approval.

    In minor units; None where it has none that is not said again. More may have come back since,
    or before what is heard again: that is for the supplement behind it.
    """
    if not book.unclaimed or stage.kind is not StageKind.SUPPLEMENT:
        return None
    again = replace(stage, approvals=stage.approvals + 1)
    posted = await unit.books.sealed([f"{STAGE_APPROVED}{again.approval_id}"])
    return sum(entry.amount for one in posted.values() for entry in one.entries) or None


def _following(book: Book, stages: Sequence[Stage]) -> Stage:
    return supplement(book.campaign_id, len(stages) + 1, book.currency)


def _that_takes_more(stages: Sequence[Stage]) -> Stage | None:
    """Return the one that gets all that is there when it is approved: an approval fixes it."""
    unapproved = (one for one in stages if one.state in UNAPPROVED)
    return next((one for one in unapproved if one.kind is StageKind.SUPPLEMENT), None)
