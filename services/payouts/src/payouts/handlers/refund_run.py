"""The run of refunds of an ended campaign: pages of 500 with a cursor, each page one block.

After a missed goal everything goes back. After a cancellation of a met goal what is left is divided
by shares, and not before nothing is in flight that could still change it. What goes back in full
beside the shares waits for nothing, and is asked for first.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from payouts.domain.book import (
    LATE_PLEDGE,
    Book,
    RefundRun,
    advance_run,
    may_divide,
    rewards_as_of,
    share_run,
)
from payouts.domain.entitlement import entitlement_of
from payouts.domain.ledger import Account
from payouts.domain.owed import owed_cause
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.refund import Refund, RefundDecision, refund_id_of, request_part
from payouts.domain.refund_run_end import AFTER
from payouts.domain.shares import Entitlement, freeze, share_of
from payouts.domain.stage_cancelling import is_settled
from payouts.handlers.kept_back import kept_back_in
from payouts.handlers.posting import post
from payouts.handlers.rewards import settled_among
from payouts.handlers.sealed_amounts import amounts_sealed
from payouts.handlers.work_kinds import refund_run_end_work, refund_run_work, refund_work
from payouts.ports.sending import Freshness
from payouts.ports.unit import PayoutsUnit
from servicekit.units import UnitsOfWork
from servicekit.work import Claim

# 100 000 documents do not fit one transaction; a page's entries fit one block.
PAGE = 500
# So many are read at once where all of a campaign are looked at.
READ = 5_000
AGAIN = timedelta(seconds=1)
AGAIN_MAX = timedelta(seconds=60)


class Progress(StrEnum):
    """What a step of a run came to."""

    GOES_ON = "goes_on"
    ASKS = "asks"
    WAITS = "waits"
    FINISHED = "finished"


async def run_all(
    units: UnitsOfWork[PayoutsUnit],
    claim: Claim,
    rewards_read: Freshness,
    now: datetime,
    page_size: int = PAGE,
    apart: Collection[str] = (),
) -> Progress:
    """Create the refunds page by page, until the run is finished or has to wait."""
    page = partial(run_page, units, claim, rewards_read, now, page_size, apart)
    while (progress := await page()) is Progress.GOES_ON:
        pass
    return progress


async def run_page(
    units: UnitsOfWork[PayoutsUnit],
    claim: Claim,
    rewards_read: Freshness,
    now: datetime,
    page_size: int = PAGE,
    apart: Collection[str] = (),
) -> Progress:
    """Create the refunds of the next page, or freeze how it is divided.

    Frozen it is only once what was told of rewards and claims until the end was read.

    The claim ends in the transaction of the last page. A crash between pages goes on at the
    cursor; a pledge heard meanwhile is refunded by the handler that hears it. Of the pledges
    `apart` only those are refunded whose request is sealed already.
    """
    campaign_id = claim.item.payload["campaign_id"]

    async def work(unit: PayoutsUnit, *, read: bool | None = None) -> Progress:
        book = (await unit.books.load([campaign_id]))[campaign_id]
        run = book.run
        if run is None or run.finished:
            await unit.plumbing.work.finish([claim])
            return Progress.FINISHED
        page = partial(_create_page, unit, claim, book, run, now, page_size, apart)
        if book.cancellation is None:
            return await page()
        known = await unit.rewards.heard(campaign_id)
        if run.as_of is not None and not known.reaches(run.as_of):
            # The view is being read anew.
            return await _wait(unit, claim, now)
        if run.division is not None:
            return await page()
        if not run.full_asked:
            run, decisions = await _in_full(unit, book, run, page_size, apart, now)
            if decisions or not run.full_asked:
                await _save(unit, replace(book, run=run), decisions, now)
                return Progress.GOES_ON
        if read is False or not await _nothing_is_in_flight(unit, book):
            if run != book.run:
                await unit.books.save([replace(book, run=run)])
            return await _wait(unit, claim, now)
        if read is None:
            return Progress.ASKS
        as_of = rewards_as_of(book, known)
        await unit.books.save([await _frozen(unit, book, replace(run, as_of=as_of))])
        return Progress.GOES_ON

    progress = await units.run(work)
    if progress is Progress.ASKS:
        # Brokers are asked, so it is between two transactions.
        read = await rewards_read.fresh_since(f"division/{campaign_id}") is not None
        progress = await units.run(partial(work, read=read))
    return progress


async def _wait(unit: PayoutsUnit, claim: Claim, now: datetime) -> Progress:
    pause = min(AGAIN_MAX, AGAIN * (1 << min(claim.attempt, 6)))
    await unit.plumbing.work.postpone(claim, now + pause)
    return Progress.WAITS


async def _in_full(
    unit: PayoutsUnit,
    book: Book,
    run: RefundRun,
    page_size: int,
    apart: Collection[str],
    now: datetime,
) -> tuple[RefundRun, list[RefundDecision]]:
    """Return a page of refunds of pledges that the shares are not about, and the run behind it.

    They are behind the end, and were heard of before it. Nearly none is, so many are looked at for
    one page. While one is disputed its money is kept for it, and the dispute's end asks.
    """
    page = await unit.pledges.page(book.campaign_id, run.cursor, READ)
    causes = {one.pledge_id: owed_cause(book, one, ()) for one in page if _is_owed(one)}
    owed = [(one, cause) for one in page if (cause := causes.get(one.pledge_id))][:page_size]
    decisions = await _of_what_is_left(unit, book, run, owed, now)
    if apart:
        decisions = await _known_of(unit, decisions, apart)
    page_is_full = len(owed) == page_size
    if not page_is_full and len(page) < READ:
        return replace(run, cursor=None, full_asked=True), decisions
    reached = owed[-1][0] if page_is_full else page[-1]
    return replace(run, cursor=reached.pledge_id), decisions


async def _of_what_is_left(
    unit: PayoutsUnit,
    book: Book,
    run: RefundRun,
    owed: Sequence[tuple[PledgeMoney, str]],
    now: datetime,
) -> list[RefundDecision]:
    """Return the refunds of these pledges for these causes, as far as stages left something.

    What is missing then is asked for by the run that divides what came back, before it does.
    """
    if not owed:
        return []
    left = await _to_be_divided(unit, book)
    asked = await unit.refunds.load([refund_id_of(one.pledge_id, cause) for one, cause in owed])
    decisions = []
    for money, first in owed:
        again = refund_id_of(money.pledge_id, first) in asked
        cause = f"{first}{AFTER}{run.cause}" if again else first
        amount = min(money.returnable, left)
        if amount:
            decisions.append(request_part(money, amount, cause, now, money.returnable - amount))
            left -= amount
    return decisions


async def _create_page(
    unit: PayoutsUnit,
    claim: Claim,
    book: Book,
    run: RefundRun,
    now: datetime,
    page_size: int,
    apart: Collection[str],
) -> Progress:
    page = await unit.pledges.page(book.campaign_id, run.cursor, page_size)
    decisions = await _decisions(unit, book, run, page, now)
    if apart:
        decisions = await _known_of(unit, decisions, apart)
    last = len(page) < page_size
    await _save(unit, advance_run(book, page[-1].pledge_id if page else None, last), decisions, now)
    if last:
        await unit.plumbing.work.offer([refund_run_end_work(book.campaign_id, run.cause, now)])
        await unit.plumbing.work.finish([claim])
    return Progress.FINISHED if last else Progress.GOES_ON


async def _save(
    unit: PayoutsUnit, moved: Book, decisions: Sequence[RefundDecision], now: datetime
) -> None:
    postings = [posting for decision in decisions for posting in decision.postings]
    sealed = await post(unit, moved, postings, now)
    await unit.pledges.save([decision.money for decision in decisions])
    await unit.refunds.save([decision.refund for decision in decisions])
    await unit.books.save([sealed])
    await unit.facts.add([fact for decision in decisions for fact in decision.facts])
    await unit.plumbing.work.offer([refund_work(decision.refund, now) for decision in decisions])


async def _decisions(
    unit: PayoutsUnit, book: Book, run: RefundRun, page: Sequence[PledgeMoney], now: datetime
) -> list[RefundDecision]:
    if run.division is None:
        before = await _asked_before(unit, book, run, page)
        wanted = {one.pledge_id: before.get(one.pledge_id, one.returnable) for one in page}
        # What does not fit stays unclaimed, and is named: what came before it is missing.
        owed = [one for one in page if _is_owed(one) and wanted[one.pledge_id] <= one.returnable]
        return [request_part(one, wanted[one.pledge_id], run.cause, now) for one in owed]
    given = await _given(unit, run, page)
    settled = await settled_among(unit, page, run.as_of)
    left = await _to_be_divided(unit, book)
    decisions = []
    for money in page:
        if money.pledge_id in given:
            continue
        claim = entitlement_of(money, settled)
        # What was paid or lost since the shares were frozen is not there to be divided.
        amount = min(share_of(run.division, claim).amount, left)
        if amount:
            unpaid = money.lacking - amount
            decisions.append(request_part(money, amount, run.cause, now, unpaid))
            left -= amount
    return decisions


async def share_what_came_back(unit: PayoutsUnit, campaign_id: str, now: datetime) -> bool:
    """Begin another run for what came back behind the last one; whether there is such money.

    What nobody has a claim to stays where it is: who is out of the first division has none to what
    was left of it.
    """
    book = (await unit.books.load([campaign_id]))[campaign_id]
    run = book.run
    if book.cancellation is None or run is None or not run.finished:
        return False
    if book.unclaimed:
        # After a restored backup the ledger may know refunds of that run: a person looks first.
        return False
    if run.as_of is not None and not (await unit.rewards.heard(campaign_id)).reaches(run.as_of):
        return False
    if not await _to_be_divided(unit, book) or not await _somebody_claims(unit, campaign_id, run):
        return False
    await unit.books.save([replace(book, run=share_run(campaign_id, run.number + 1, run.as_of))])
    await unit.plumbing.work.offer([refund_run_work(campaign_id, now)])
    return True


async def _to_be_divided(unit: PayoutsUnit, book: Book) -> int:
    """All that is there, but for what a bank's decision may give to one backer."""
    kept = sum((await kept_back_in(unit, book)).values())
    return max(0, book.balances[Account.BACKER_FUNDS] - kept)


async def _somebody_claims(unit: PayoutsUnit, campaign_id: str, run: RefundRun) -> bool:
    after: str | None = None
    while page := await unit.pledges.page(campaign_id, after, READ):
        settled = await settled_among(unit, page, run.as_of)
        if any(entitlement_of(money, settled).amount for money in page):
            return True
        after = page[-1].pledge_id
    return False


async def requested_before(
    unit: PayoutsUnit, book: Book, page: Sequence[PledgeMoney], now: datetime
) -> list[RefundDecision]:
    """Return the refunds of the run that the ledger knows and we do not, after a restored backup.

    Their amounts are the ledger's: how it was divided may not be found again to the unit.
    """
    if book.run is None:
        return []
    before = await _asked_before(unit, book, book.run, page)
    return [
        request_part(money, amount, book.run.cause, now, max(0, money.lacking - amount))
        for money in page
        if (amount := before.get(money.pledge_id))
    ]


async def _asked_before(
    unit: PayoutsUnit, book: Book, run: RefundRun, page: Sequence[PledgeMoney]
) -> dict[str, int]:
    """Return by pledge for how much the ledger of a restored book has the run's refunds."""
    if not book.unclaimed:
        return {}
    names = {refund_id_of(money.pledge_id, run.cause): money.pledge_id for money in page}
    return {names[name]: amount for name, amount in (await amounts_sealed(unit, names)).items()}


async def _nothing_is_in_flight(unit: PayoutsUnit, book: Book) -> bool:
    """Whether our view is the cancellation's, and nothing is on its way that could change D.

    A fact of the campaign that is set aside may be a return, or a pledge's end: it is taken in or
    given up first, as before a stage is paid.
    """
    if not may_divide(book) or not book.planned:
        return False
    if await unit.plumbing.set_aside.count(book.campaign_id):
        return False
    if not all(is_settled(stage) for stage in await unit.stages.load(book.campaign_id)):
        return False
    assert book.run is not None
    besides = (LATE_PLEDGE, book.run.cause)
    return await unit.refunds.unanswered(book.campaign_id, besides) == 0


async def _frozen(unit: PayoutsUnit, book: Book, run: RefundRun) -> Book:
    """Freeze D and the entitlements: from here on every page has its shares."""
    entitled: list[Entitlement] = []
    already, after = 0, None
    while page := await unit.pledges.page(book.campaign_id, after, READ):
        given = await _given(unit, run, page)
        already += sum(refund.amount for refund in given.values())
        settled = await settled_among(unit, page, run.as_of)
        for money in page:
            refund = given.get(money.pledge_id)
            # What was given was a share of it, wherever its reward is by now.
            claims = money.lacking if refund else entitlement_of(money, settled).amount
            whole = claims + (refund.amount if refund else 0)
            entitled.append(Entitlement(money.pledge_id, whole))
        after = page[-1].pledge_id
    division = freeze(await _to_be_divided(unit, book) + already, entitled)
    return replace(book, run=replace(run, division=division))


async def _given(
    unit: PayoutsUnit, run: RefundRun, page: Sequence[PledgeMoney]
) -> dict[str, Refund]:
    """Return the refunds of this run that a recovery brought back before it, by pledge."""
    if not run.resumed:
        return {}
    ids = [refund_id_of(money.pledge_id, run.cause) for money in page]
    return {refund.pledge_id: refund for refund in (await unit.refunds.load(ids)).values()}


async def _known_of(
    unit: PayoutsUnit, decisions: Sequence[RefundDecision], apart: Collection[str]
) -> list[RefundDecision]:
    """Leave out what is for pledges `apart`, but for those whose request is sealed already."""
    causes = {decision.postings[0].cause: decision for decision in decisions}
    sealed = await unit.books.sealed(causes)
    return [
        decision
        for cause, decision in causes.items()
        if decision.money.pledge_id not in apart or cause in sealed
    ]


def _is_owed(money: PledgeMoney) -> bool:
    """While a pledge is charged back, its refund waits: the dispute's end asks for what is left."""
    return money.returnable > 0 and not money.disputed
