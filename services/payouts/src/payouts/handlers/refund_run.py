"""The run of refunds of a missed campaign: pages of 500 with a cursor, each page one block."""

from datetime import datetime

from payouts.domain.book import advance_run
from payouts.domain.refund import request
from payouts.handlers.posting import post
from payouts.handlers.work_kinds import refund_work
from payouts.ports import PayoutsUnit
from servicekit.units import UnitsOfWork
from servicekit.work import Claim

# 100 000 documents do not fit one transaction; a page's entries fit one block.
PAGE = 500


async def run_page(
    units: UnitsOfWork[PayoutsUnit], claim: Claim, now: datetime, page_size: int = PAGE
) -> bool:
    """Create the refunds of the next page; return whether the run is finished.

    The claim ends in the transaction of the last page. A crash between pages goes on at the
    cursor; a pledge heard meanwhile is refunded by the handler that hears it.
    """
    campaign_id = claim.item.payload["campaign_id"]

    async def work(unit: PayoutsUnit) -> bool:
        book = (await unit.books.load([campaign_id]))[campaign_id]
        if book.run is None or book.run.finished:
            await unit.plumbing.work.finish([claim])
            return True
        page = await unit.pledges.page(campaign_id, book.run.cursor, page_size)
        decisions = [request(money, book.run.cause, now) for money in page if money.returnable]
        postings = [posting for decision in decisions for posting in decision.postings]
        last = len(page) < page_size
        moved = advance_run(book, page[-1].pledge_id if page else None, last)
        sealed = await post(unit, moved, postings, now)
        await unit.pledges.save([decision.money for decision in decisions])
        await unit.refunds.save([decision.refund for decision in decisions])
        await unit.books.save([sealed])
        await unit.facts.add([fact for decision in decisions for fact in decision.facts])
        refunds = [refund_work(decision.refund, now) for decision in decisions]
        await unit.plumbing.work.offer(refunds)
        if last:
            await unit.plumbing.work.finish([claim])
        return last

    return await units.run(work)
