"""The plan of stages, once the goal is met and our own count agrees with the verdict's."""

from dataclasses import replace
from datetime import datetime

from payouts.domain.book import Agreement, Book, agreement, plan_is_due
from payouts.domain.ledger import Account
from payouts.domain.plan import stage_amount
from payouts.domain.stage import make_due, schedule
from payouts.handlers.work_kinds import stage_work
from payouts.metrics import VERDICT_CONTRADICTIONS
from payouts.ports import PayoutsUnit


async def plan_if_due(unit: PayoutsUnit, book: Book, now: datetime) -> Book:
    """Plan the stages if it is time; the first one is due at once. Return the book to save."""
    if not plan_is_due(book) or book.verdict is None:
        return book
    verdict = book.verdict
    shares = verdict.shares_basis_points
    plan = schedule(book.campaign_id, book.currency, verdict.collected, shares, now)
    available = book.balances[Account.BACKER_FUNDS]
    first = make_due(plan.stages[0], stage_amount(1, verdict.collected, shares, available, 0), now)
    await unit.stages.save([first.stage, *plan.stages[1:]])
    await unit.facts.add([plan, *first.facts])
    await unit.plumbing.work.offer([stage_work(first.stage, now)])
    return replace(book, planned=True)


def count_contradiction(before: Book, after: Book) -> None:
    """Count a verdict that our own pledges begin to contradict, whichever was heard last."""
    contradicts = Agreement.CONTRADICTS
    if agreement(after) is contradicts and agreement(before) is not contradicts:
        VERDICT_CONTRADICTIONS.inc()
