"""A book that is over is closed with every account at zero, and nothing else ever is (I7)."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from payouts.domain.block import postings_in
from payouts.domain.book import Book, Outcome, RefundRun
from payouts.domain.book_state import BookState
from payouts.domain.closing import RESULT, outstanding
from payouts.domain.dispute import DisputeState, ProviderDisputeStatus
from payouts.domain.integrity import Invariant, Kept, PledgeSums, of_book
from payouts.domain.ledger import Account
from payouts.domain.postings import CLOSING
from payouts.domain.receivable import EndKind, Proposed
from payouts.domain.refund import RefundState
from payouts.domain.stage import StageState
from payouts.handlers.close_books import close_if_over
from payouts.handlers.receivables import end_receivable
from payouts.metrics import BOOKS
from payouts.ports.integrity import BookChecks
from payouts.ports.unit import PayoutsUnit
from payouts.sweeps.books import CloseBooks
from services.payouts.tests.builders import a_book, a_dispute, a_verdict, the_stages
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts
from services.payouts.tests.test_integrity import sweep
from services.payouts.tests.test_later_stages import approve, decide, first_paid, pay, show
from services.payouts.tests.test_publishing import ledger_of
from services.payouts.tests.test_receivables import NOBODY
from services.payouts.tests.test_recover import (
    assert_the_ledger_goes_on,
    back_up,
    recover,
    restore,
    roll_forward,
)

REST = timedelta(days=30)


async def all_paid(payouts: Payouts) -> None:
    """Two pledges, three stages, fees out of the last one."""
    await first_paid(payouts)
    for number, amount in ((2, 3_000), (3, 5_000 - 1_020)):
        await show(payouts, number)
        await decide(payouts, number)
        await approve(payouts, number, amount)
        await pay(payouts)


async def look(payouts: Payouts) -> Book:
    """Let the sweep look once, as every minute; return the book as it is then."""
    close = CloseBooks(payouts.units, payouts.queries, payouts.checks, REST)
    await close(payouts.clock.now())
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None
    return book


async def rest(payouts: Payouts) -> Book:
    """Look, let the time of rest pass, and look again."""
    await look(payouts)
    payouts.clock.advance(seconds=REST.total_seconds())
    return await look(payouts)


async def closings(payouts: Payouts) -> list[str]:
    blocks = await payouts.queries.blocks(CAMPAIGN, 0, 1_000)
    causes = [posting.cause for block in blocks for posting in postings_in(block)]
    return [cause for cause in causes if cause.startswith(CLOSING)]


def all_zero(book: Book) -> bool:
    return not any(book.balances.values())


async def test_a_book_that_is_over_rests_and_is_closed_with_nothing_left(payouts: Payouts) -> None:
    """Open while a stage waits; then closing, and after its rest closed, once."""
    await first_paid(payouts)
    assert (await rest(payouts)).life.state is BookState.OPEN
    for number, amount in ((2, 3_000), (3, 5_000 - 1_020)):
        await show(payouts, number)
        await decide(payouts, number)
        await approve(payouts, number, amount)
        await pay(payouts)
    begun = await look(payouts)
    assert begun.life.state is BookState.CLOSING and not all_zero(begun)
    payouts.clock.advance(seconds=REST.total_seconds() - 1)
    assert (await look(payouts)).life.state is BookState.CLOSING
    payouts.clock.advance(seconds=1)
    for _ in range(2):
        closed = await look(payouts)
        assert closed.life.state is BookState.CLOSED and all_zero(closed)
        assert await closings(payouts) == [f"close/{CAMPAIGN}/{closed.head.block}"]
    assert (
        BOOKS.labels("closed")._value.get()
        == 1
        == sum(BOOKS.labels(state.value)._value.get() for state in BookState)
    )
    await payouts.assert_books_true()


async def test_what_is_booked_later_opens_it_again_until_that_is_over_too(
    payouts: Payouts,
) -> None:
    """A chargeback after the end: the platform lends, the creator owes; then closed once more."""
    await all_paid(payouts)
    first = await rest(payouts)
    payouts.provider.dispute("ch_1", 5_000)
    await pay(payouts, turns=3)
    assert (await rest(payouts)).life.state is BookState.OPEN
    payouts.provider.move_dispute("dp_0", ProviderDisputeStatus.LOST)
    payouts.clock.advance(seconds=3_600)
    await pay(payouts, turns=3)
    (debt,) = await payouts.queries.receivables(CAMPAIGN)
    assert (await rest(payouts)).life.state is BookState.OPEN
    for person in ("staff-1", "staff-2"):
        said = Proposed(EndKind.WRITTEN_OFF, debt.open, "gone", person, payouts.clock.now())
        await payouts.units.run(
            lambda unit, said=said: end_receivable(
                unit, CAMPAIGN, debt.receivable_id, said, NOBODY, payouts.clock.now()
            )
        )
    again = await rest(payouts)
    assert again.life.state is BookState.CLOSED and all_zero(again)
    blocks = first.head.block, again.head.block
    assert await closings(payouts) == [f"close/{CAMPAIGN}/{block}" for block in blocks]
    await payouts.assert_books_true()


async def test_what_moves_a_book_while_it_rests_begins_its_rest_anew(payouts: Payouts) -> None:
    """A late pledge of a missed goal comes and goes; the thirty days begin when it is gone."""
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.work_off()
    assert (await look(payouts)).life.state is BookState.CLOSING
    payouts.clock.advance(seconds=REST.total_seconds() - 3_600)
    await payouts.collect(2, counted=False)
    await payouts.work_off()
    payouts.clock.advance(seconds=3_600)
    assert (await look(payouts)).life.state is BookState.CLOSING
    payouts.clock.advance(seconds=REST.total_seconds())
    closed = await look(payouts)
    assert closed.life.state is BookState.CLOSED and all_zero(closed)


async def test_claimable_money_keeps_a_book_open(payouts: Payouts) -> None:
    """It is owed however long it waits."""
    payouts.provider.faults["create_refund"] = ["decline"] * 3
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.work_off()
    assert (await rest(payouts)).life.state is BookState.OPEN
    assert await closings(payouts) == []


class _Stale:
    """What was read before a pledge came."""

    def __init__(self, checks: BookChecks, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._checks, self._meanwhile = checks, meanwhile

    async def kept(self, campaign_id: str) -> Kept | None:
        kept = await self._checks.kept(campaign_id)
        await self._meanwhile()
        return kept


async def test_a_book_that_moves_while_it_is_looked_at_is_not_closed(payouts: Payouts) -> None:
    """The look is true for one version of the book; the next look sees what came between."""
    await all_paid(payouts)
    await look(payouts)
    payouts.clock.advance(seconds=REST.total_seconds())
    stale = _Stale(payouts.checks, lambda: payouts.collect(3, counted=False))
    now = payouts.clock.now()
    assert await close_if_over(payouts.units, stale, CAMPAIGN, REST, now) is None  # type: ignore[arg-type]
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and book.life.state is BookState.OPEN
    assert await closings(payouts) == []


async def test_a_closed_book_with_anything_left_is_found(payouts: Payouts) -> None:
    """I7's offender: a buggy write; it is named, counted, and found again until it is right."""
    await all_paid(payouts)
    await rest(payouts)
    assert await sweep(payouts) == {}

    async def spoil(unit: PayoutsUnit) -> None:
        book = (await unit.books.load([CAMPAIGN]))[CAMPAIGN]
        left = {**book.balances, Account.LOSS_COSTS: 1}
        await unit.books.save([replace(book, balances=left)])

    await payouts.units.run(spoil)
    for _ in range(2):
        assert (await sweep(payouts)).keys() == {"I4", "I7"}
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None
    assert [(v.invariant, v.detail) for v in of_book(book)] == [
        (Invariant.CLOSED, "the book is closed with {'loss_costs': 1}")
    ]


async def test_a_restored_database_takes_its_closings_back() -> None:
    """What the ledger's topic says was closed is not closed by another posting of the same name."""
    payouts = memory_payouts()
    await all_paid(payouts)
    backup = back_up(payouts)
    first = await rest(payouts)
    ledger = await ledger_of(payouts)
    payouts = restore(payouts, backup)
    await roll_forward(payouts, ledger)
    assert await recover(payouts) == []
    taken = await look(payouts)
    assert (taken.unclaimed, all_zero(taken)) == (0, True)
    await payouts.collect(3, counted=False)
    await payouts.work_off()
    closed = await rest(payouts)
    assert closed.life.state is BookState.CLOSED and all_zero(closed)
    blocks = first.head.block, closed.head.block
    assert await closings(payouts) == [f"close/{CAMPAIGN}/{block}" for block in blocks]
    await assert_the_ledger_goes_on(payouts, ledger)
    await payouts.assert_books_true()


def over() -> Kept:
    """A met goal of which nothing is left but the platform's result."""
    stages = tuple(replace(stage, state=StageState.PAID) for stage in the_stages())
    balances = {**a_book().balances, Account.PLATFORM_CURRENT: -5, Account.PROVIDER_COSTS: 5}
    book = replace(
        a_book(),
        balances=balances,
        verdict=a_verdict(),
        counted=18_333,
        count=3,
        pledges_sequence=3,
        planned=True,
    )
    return Kept(book, PledgeSums(), {RefundState.SUCCEEDED: 0}, 0, stages)


def with_book(**changes: object) -> Kept:
    return replace(over(), book=replace(over().book, **changes))  # type: ignore[arg-type]


def test_nothing_is_outstanding_of_what_is_over() -> None:
    """Costs and the platform's current account are settled by the closing itself."""
    assert outstanding(over()) == []


@pytest.mark.parametrize("account", sorted(set(Account) - RESULT))
def test_money_on_any_other_account_is_outstanding(account: Account) -> None:
    """Whoever's it is; what row 23 settles is all that may be left."""
    balances = {**over().book.balances, account: 1}
    assert outstanding(with_book(balances=balances)) == [f"1 on {account}"]


UNFINISHED = RefundRun("campaign-cancelled/campaign-1")


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (with_book(verdict=None), "no verdict"),
        (with_book(verdict=a_verdict(Outcome.UNKNOWN)), "what the verdict means"),
        (with_book(pledges_sequence=2), "our count"),
        (with_book(count=2), "our count"),
        (with_book(planned=False), "not planned"),
        (with_book(run=UNFINISHED), "not finished"),
        (with_book(unclaimed=2), "made again"),
        (replace(over(), stages=the_stages()[:1]), "stage 1 is planned"),
        (replace(over(), disputes=(a_dispute(),)), "dispute dp_1 is inquiry"),
        (replace(over(), debts=1), "owes 1"),
    ],
)
def test_what_is_not_over_is_said(kept: Kept, why: str) -> None:
    """Each alone keeps a book open that is over otherwise."""
    [line] = outstanding(kept)
    assert why in line


@pytest.mark.parametrize("state", RefundState)
def test_a_refund_that_is_not_final_keeps_its_book_open(state: RefundState) -> None:
    """Also one that waits for a person or a bank, of which nothing is booked yet."""
    final = {RefundState.SUCCEEDED, RefundState.REFUSED, RefundState.CANCELLED}
    final.add(RefundState.PAID_BY_OTHER_MEANS)
    found = outstanding(replace(over(), refunds={state: 700}))
    assert found == ([] if state in final else [f"refunds of 700 are {state}"])


def test_a_decided_dispute_keeps_nothing_open() -> None:
    """A lost one's money is gone, and what is owed for it is a debt."""
    lost = replace(a_dispute(), state=DisputeState.LOST)
    assert outstanding(replace(over(), disputes=(lost,))) == []
