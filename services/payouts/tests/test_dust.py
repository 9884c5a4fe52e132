"""What a provider does not pay out, because it is too little, stays in the book until its end."""

import pytest

from payouts.domain.book import Book, Outcome
from payouts.domain.book_state import BookState
from payouts.domain.closing import dust_in
from payouts.domain.ledger import Account
from payouts.domain.stage import StageState
from payouts.domain.stage_sending import set_off
from payouts.handlers.supplement import plan_supplement
from payouts.ports.unit import PayoutsUnit
from services.payouts.tests.builders import an_approved_stage
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts
from services.payouts.tests.test_cancelling_with_rewards import delivery, told
from services.payouts.tests.test_closing import all_zero, closings, rest
from services.payouts.tests.test_fec import even, exported
from services.payouts.tests.test_later_stages import approve, decide, first_paid, pay, show, the
from services.payouts.tests.test_publishing import ledger_of
from services.payouts.tests.test_recover import back_up, recover, restore, roll_forward


@pytest.fixture(autouse=True)
def whole_euros(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider pays out euros as it pays out forints."""
    monkeypatch.setattr("payouts.domain.quantum._WHOLE_UNITS", frozenset({"EUR"}))


async def the_book(payouts: Payouts) -> Book:
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None
    return book


async def pay_out(payouts: Payouts, number: int, amount: int) -> None:
    await show(payouts, number)
    await decide(payouts, number)
    await pay(payouts, turns=2)
    await approve(payouts, number, amount)
    await pay(payouts)


async def test_stages_are_whole_and_dust_is_the_platforms_at_the_end(payouts: Payouts) -> None:
    """Of 100.66 two stages are whole, the remainder is the last one's; 40 hundredths stay."""
    await first_paid(payouts, amount=5_033)
    assert (await the(payouts, 1)).payable == 2_000, "20 % are 20.13"
    await pay_out(payouts, 2, 3_000)
    # F 5.03, P 1.46 + 0.30 each, T 1.71 of 50.66.
    await pay_out(payouts, 3, 4_000)
    last, book = await the(payouts, 3), await the_book(payouts)
    assert last.state is StageState.PAID and last.divided is not None
    assert last.divided.covered.total == 1_026 and last.divided.dust == 40
    assert book.balances[Account.BACKER_FUNDS] == 40
    await payouts.units.run(lambda unit: _ask_for_a_supplement(unit, book))
    assert len(await payouts.queries.stages(CAMPAIGN)) == 3, "dust is no supplement"
    await payouts.assert_books_true()
    income = book.balances[Account.PLATFORM_FEE_INCOME]
    closed = await rest(payouts)
    assert closed.life.state is BookState.CLOSED and all_zero(closed)
    block = (await payouts.queries.blocks(CAMPAIGN, closed.head.block - 1, 1))[0]
    moved = {(e.cause, e.entry.debit, e.entry.credit): e.entry.amount for e in block.entries}
    kept = f"dust-kept/{CAMPAIGN}/{closed.head.block}"
    assert moved[kept, Account.BACKER_FUNDS, Account.PLATFORM_FEE_INCOME] == 40
    settled = (await closings(payouts))[-1], Account.PLATFORM_FEE_INCOME, Account.PLATFORM_CURRENT
    assert moved[settled] == income + 40
    await payouts.assert_books_true()


async def _ask_for_a_supplement(unit: PayoutsUnit, book: Book) -> None:
    stages = await unit.stages.load(CAMPAIGN)
    await plan_supplement(unit, book, stages, 0, stages[-1].paid_at or stages[-1].due_at)  # type: ignore[arg-type]


async def test_less_than_a_quantum_is_nothing_to_pay_for_that_reason(payouts: Payouts) -> None:
    """Of 1.90 a stage would get 0.38 and 0.57: there is something, and it cannot be sent."""
    await payouts.collect(1, 2, amount=95)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2, amount=95)
    await payouts.give_destination()
    await pay(payouts)
    await show(payouts, 2)
    await decide(payouts, 2)
    for number in (1, 2):
        stage = await the(payouts, number)
        assert (stage.state, stage.reason) == (StageState.NOTHING_TO_PAY, "dust")
    # F 0.09, P 0.66, T 0.15.
    await pay_out(payouts, 3, 100)
    last, book = await the(payouts, 3), await the_book(payouts)
    assert last.state is StageState.PAID and book.balances[Account.BACKER_FUNDS] == 0
    await payouts.assert_books_true()


async def test_a_last_stage_of_dust_ends_for_that_reason(payouts: Payouts) -> None:
    """Fees are taken all the same, and the book is closed without the 0.08 that are left."""
    await payouts.collect(1, amount=50)
    await payouts.hear_verdict(Outcome.GOAL_MET, 1, amount=50)
    await payouts.give_destination()
    await pay(payouts)
    await show(payouts, 2)
    await decide(payouts, 2)
    # F 0.02, P 0.31, T 0.07.
    await pay_out(payouts, 3, 0)
    last = await the(payouts, 3)
    assert (last.state, last.reason) == (StageState.NOTHING_TO_PAY, "dust")
    assert last.divided is not None and last.divided.dust == 10
    closed = await rest(payouts)
    assert closed.life.state is BookState.CLOSED and all_zero(closed)
    await payouts.assert_books_true()


async def cancelled_with_a_reward(payouts: Payouts, amount: int) -> None:
    """Of two pledges the one of this amount has its reward, and no share; nothing was paid out."""
    await payouts.collect(1)
    await payouts.collect(2, amount=amount)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2, amount=(5_000 + amount) // 2)
    await told(payouts, delivery("delivered", 2))
    await payouts.hear_cancellation(2)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 5_000}
    assert (await the_book(payouts)).balances[Account.BACKER_FUNDS] == amount


async def test_dust_that_no_claim_reaches_is_kept_when_the_book_is_closed(payouts: Payouts) -> None:
    """Decision 0047: less than a quantum of a cancelled campaign; the book closes with it."""
    await cancelled_with_a_reward(payouts, 98)
    closed = await rest(payouts)
    assert closed.life.state is BookState.CLOSED and all_zero(closed)
    assert closed.life.dust_kept == closed.life.settled[Account.PLATFORM_FEE_INCOME] == 98
    await payouts.assert_books_true()
    even(await exported(payouts))


@pytest.mark.parametrize("amount", [100, 102])
async def test_a_quantum_that_no_claim_reaches_stays_for_people(amount: int) -> None:
    """Decision 0021: two of the staff can still refund it, so it is nobody's to keep."""
    payouts = memory_payouts()
    await cancelled_with_a_reward(payouts, amount)
    book = await rest(payouts)
    assert book.life.state is BookState.OPEN
    assert book.balances[Account.BACKER_FUNDS] == amount


async def test_nothing_is_dust_before_all_shares_are_given() -> None:
    """While they are, less than a quantum may be somebody's share."""
    payouts = memory_payouts()
    await payouts.collect(1, 2, amount=40)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2, amount=40)
    await payouts.hear_cancellation(2)
    book = await the_book(payouts)
    assert book.run is not None and not book.run.finished
    assert 0 < book.balances[Account.BACKER_FUNDS] < book.quantum and dust_in(book) == 0
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 40, "ch_2": 40}


async def test_a_restored_database_knows_the_dust_that_was_kept() -> None:
    """It is taken over with the closing, and what came in is still where the book says (I6)."""
    payouts = memory_payouts()
    await first_paid(payouts, amount=5_033)
    await pay_out(payouts, 2, 3_000)
    await pay_out(payouts, 3, 4_000)
    backup = back_up(payouts)
    await rest(payouts)
    ledger = await ledger_of(payouts)
    payouts = restore(payouts, backup)
    await roll_forward(payouts, ledger)
    assert await recover(payouts) == []
    book = await the_book(payouts)
    assert (book.unclaimed, book.life.dust_kept, all_zero(book)) == (0, 40, True)
    await payouts.assert_books_true()


def test_a_debt_is_set_off_so_that_whole_quanta_are_sent() -> None:
    """Of a stage of 36.00 a debt of 2.50 takes 2.00; all of it where the debt is larger."""
    stage = an_approved_stage(3_600)
    assert [set_off(stage, owed, 100).set_off for owed in (250, 99, 3_600, 9_999)] == [
        200,
        0,
        3_600,
        3_600,
    ]
