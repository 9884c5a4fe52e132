"""The plan of stages, once the goal is met and our own count agrees with the verdict's."""

from dataclasses import replace
from datetime import datetime

from payouts.domain.book import Agreement, Book, agreement, charge, plan_is_due
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.quantum import quantum_among
from payouts.domain.stage import schedule
from payouts.domain.stage_amount import become_due
from payouts.handlers.cancel import stop_plan
from payouts.handlers.work_kinds import stage_work
from payouts.metrics import VERDICT_CONTRADICTIONS
from payouts.ports.unit import PayoutsUnit

PAGE = 5_000


async def plan_if_due(unit: PayoutsUnit, book: Book, now: datetime) -> Book:
    """Plan the stages if it is time; the first one is due at once. Return the book to save."""
    if not plan_is_due(book) or book.verdict is None:
        return book
    verdict, pledges = book.verdict, await _pledges(unit, book.campaign_id)
    quantum = quantum_among(book.currency, [money.provider for money in pledges])
    book = replace(book, quantum=quantum)
    shares = verdict.shares_basis_points
    plan = schedule(book.campaign_id, book.currency, verdict.collected, shares, now, quantum)
    await unit.facts.add([plan])
    if book.cancellation is not None:
        # What was cancelled before its plan could be made has one, and no stage of it goes on.
        await unit.stages.save(plan.stages)
        return replace(await stop_plan(unit, book, now), planned=True)
    # The verdict is the first stage's milestone, so its turn has come.
    due = become_due(book, plan.stages[0], (), now)
    assert due is not None
    await unit.stages.save([due.stage, *plan.stages[1:]])
    await unit.facts.add(due.facts)
    await unit.plumbing.work.offer([stage_work(due.stage, now)])
    return replace(charge(book, [money.amount for money in pledges]), planned=True)


async def _pledges(unit: PayoutsUnit, campaign_id: str) -> list[PledgeMoney]:
    """Read once, when the plan is made, what the fees will be taken of; later ones add theirs."""
    kept: list[PledgeMoney] = []
    after: str | None = None
    while page := await unit.pledges.page(campaign_id, after, PAGE):
        kept += [money for money in page if not money.withdrawn]
        after = page[-1].pledge_id
    return kept


def count_contradiction(before: Book, after: Book) -> None:
    """Count a verdict that our own pledges begin to contradict, whichever was heard last."""
    contradicts = Agreement.CONTRADICTS
    if agreement(after) is contradicts and agreement(before) is not contradicts:
        VERDICT_CONTRADICTIONS.inc()
