"""A verdict is heard: a missed goal begins the run of refunds, a met one the plan of stages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from payouts.domain.book import Book, Verdict, hear_verdict
from payouts.domain.errors import Refused
from payouts.domain.fees import FeeTerms
from payouts.handlers.plan import count_contradiction, plan_if_due
from payouts.handlers.work_kinds import refund_run_work
from payouts.ports import PayoutsUnit


@dataclass(frozen=True, slots=True)
class VerdictHeard:
    """A verdict of funding for one campaign, in the campaign's currency."""

    campaign_id: str
    currency: str
    verdict: Verdict
    fees: FeeTerms | None = None


async def take_verdicts(
    unit: PayoutsUnit, heard: Sequence[VerdictHeard], now: datetime
) -> dict[int, Refused]:
    """Keep each verdict; return those that contradict one already kept, by place in the batch."""
    books = await unit.books.load({one.campaign_id for one in heard})
    refused: dict[int, Refused] = {}
    for place, one in enumerate(heard):
        book = books.get(one.campaign_id) or Book(one.campaign_id, one.currency)
        try:
            after = hear_verdict(book, one.verdict, one.fees)
        except Refused as refusal:
            refused[place] = refusal
            continue
        count_contradiction(book, after)
        if after.run is not None and not after.run.finished:
            await unit.plumbing.work.offer([refund_run_work(one.campaign_id, now)])
        books[one.campaign_id] = await plan_if_due(unit, after, now)
        await unit.books.save([books[one.campaign_id]])
    return refused
