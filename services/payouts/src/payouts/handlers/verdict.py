"""A verdict is heard: a missed goal begins the run of refunds, a met one the plan of stages.

A cancellation after a met goal stops that plan and begins a run by shares.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from payouts.domain.book import Book, Cancellation, Verdict, hear_cancellation, hear_verdict
from payouts.domain.errors import Refused
from payouts.domain.fees import FeeTerms
from payouts.handlers.cancel import stop_plan
from payouts.handlers.plan import count_contradiction, plan_if_due
from payouts.handlers.work_kinds import refund_run_work
from payouts.ports.unit import PayoutsUnit


@dataclass(frozen=True, slots=True)
class VerdictHeard:
    """A verdict of funding for one campaign, in the campaign's currency."""

    campaign_id: str
    currency: str
    verdict: Verdict
    fees: FeeTerms | None = None


@dataclass(frozen=True, slots=True)
class CancellationHeard:
    """The end of a campaign whose goal was met."""

    campaign_id: str
    currency: str
    cancellation: Cancellation


EndHeard = VerdictHeard | CancellationHeard


async def take_verdicts(
    unit: PayoutsUnit, heard: Sequence[EndHeard], now: datetime
) -> dict[int, Refused]:
    """Keep each verdict; return those that contradict one already kept, by place in the batch."""
    known = await unit.books.load({one.campaign_id for one in heard})
    books = dict(known)
    refused: dict[int, Refused] = {}
    for place, one in enumerate(heard):
        book = books.get(one.campaign_id) or Book(one.campaign_id, one.currency)
        try:
            after = _heard(book, one)
        except Refused as refusal:
            refused[place] = refusal
            continue
        count_contradiction(book, after)
        if after.run is not None and not after.run.finished:
            await unit.plumbing.work.offer([refund_run_work(one.campaign_id, now)])
        if after.cancellation != book.cancellation:
            after = await stop_plan(unit, after, now)
        books[one.campaign_id] = await plan_if_due(unit, after, now)
    await unit.books.save([book for one, book in books.items() if book != known.get(one)])
    return refused


def _heard(book: Book, heard: EndHeard) -> Book:
    if isinstance(heard, CancellationHeard):
        return hear_cancellation(book, heard.cancellation)
    return hear_verdict(book, heard.verdict, heard.fees)
