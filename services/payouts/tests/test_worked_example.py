"""The worked example of `money.md` 4 and its variants through the real handlers, to the cent.

Given three pledges of 100.01, 49.99 and 33.33 EUR, of which the provider took 3.20, 1.75 and 1.33,
fees of 5 % and 2.9 % + 0.30, no tax, and 30.00 of the platform's own money at the provider.
"""

from dataclasses import replace

import pytest

from payouts.domain.book import Outcome, Verdict
from payouts.domain.fees import FeeTerms
from payouts.domain.ledger import Account, post
from payouts.domain.postings import close
from payouts.domain.refund import RefundState
from payouts.domain.refund_request import Wanted
from payouts.domain.stage import StageState
from payouts.handlers.pledges import PledgeHeard, take_pledges
from payouts.handlers.verdict import VerdictHeard, take_verdicts
from services.payouts.tests.builders import NOW, SHARES, a_pledge
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts
from services.payouts.tests.test_disputes import LOST, decided, opened, the_book
from services.payouts.tests.test_later_stages import approve, decide, pay, show, the
from services.payouts.tests.test_staff_refunds import approved, asked, current

A, B, C = 1, 2, 3
AMOUNTS = {A: 10_001, B: 4_999, C: 3_333}
PROVIDER_FEES = {A: 320, B: 175, C: 133}
FLOAT = 3_000
UNTAXED = FeeTerms(500, 290, 30, 0)
TAXED = FeeTerms(500, 290, 30, 2_000)


async def collect(
    payouts: Payouts, number: int, amount: int, provider_fee: int, *, counted: bool = True
) -> None:
    pledge = replace(a_pledge(number, amount, counted), provider_fee=provider_fee)
    payouts.provider.cash += amount - provider_fee
    payouts.provider.charged[pledge.payment_reference] = amount
    heard = [PledgeHeard(CAMPAIGN, "EUR", number, pledge)]
    assert await payouts.units.run(lambda u: take_pledges(u, heard, payouts.clock.now())) == {}


async def three_pledges_and_a_met_goal(payouts: Payouts, terms: FeeTerms = UNTAXED) -> None:
    payouts.provider.cash = FLOAT
    for number, amount in AMOUNTS.items():
        await collect(payouts, number, amount, PROVIDER_FEES[number])
    verdict = Verdict(Outcome.GOAL_MET, sum(AMOUNTS.values()), 3, 3, SHARES, NOW)
    heard = [VerdictHeard(CAMPAIGN, "EUR", verdict, terms)]
    assert await payouts.units.run(lambda u: take_verdicts(u, heard, payouts.clock.now())) == {}


async def first_stage_is_paid(payouts: Payouts) -> int:
    await payouts.give_destination()
    await pay(payouts, 4)
    return await paid(payouts, 1)


async def later_stage_is_paid(payouts: Payouts, number: int) -> int:
    """Evidence, its approval, the payment's approval by somebody else."""
    await show(payouts, number)
    due = await decide(payouts, number)
    await approve(payouts, number, due.payable)
    await pay(payouts, 4)
    return await paid(payouts, number)


async def paid(payouts: Payouts, number: int) -> int:
    """Return what its bank got, which is what we say that it got."""
    stage = await the(payouts, number)
    assert stage.state is StageState.PAID
    assert payouts.provider.asked_for[stage.attempt_id] == ("acct_1", stage.payable)
    await payouts.assert_books_true()
    return stage.payable


async def staff_refund(payouts: Payouts, number: int, amount: int) -> None:
    refund = await asked(payouts, Wanted("request-1", f"pledge-{number}", amount, "late"))
    await approved(payouts, refund)
    await payouts.work_off()
    assert (await current(payouts, refund)).state is RefundState.SUCCEEDED


async def charged_back_and_lost(payouts: Payouts, *numbers: int, fee: int = 0) -> None:
    for number in numbers:
        name = await opened(payouts, number, AMOUNTS[number], fee)
        await decided(payouts, name, LOST)


async def charged_back_and_refunded(payouts: Payouts) -> None:
    """The example's two losses: C charged back with a fee of 20.00, 20.00 of B refunded."""
    name = await opened(payouts, C, AMOUNTS[C], 2_000)
    await staff_refund(payouts, B, 2_000)
    await decided(payouts, name, LOST)


async def fees(payouts: Payouts) -> tuple[int, int, int]:
    balances = (await the_book(payouts)).balances
    incomes = (Account.PLATFORM_FEE_INCOME, Account.PROCESSING_FEE_INCOME, Account.TAX_PAYABLE)
    return tuple(balances.get(one, 0) for one in incomes)  # type: ignore[return-value]


@pytest.mark.row("S9")
@pytest.mark.trap(4)
async def test_the_worked_example_to_the_cent(payouts: Payouts) -> None:
    """36.66, 54.99 and 22.97 are paid; the platform loses 10.90, its float is 19.10, all closes."""
    await three_pledges_and_a_met_goal(payouts)
    assert await first_stage_is_paid(payouts) == 3_666
    assert await later_stage_is_paid(payouts, 2) == 5_499
    await charged_back_and_refunded(payouts)
    assert await later_stage_is_paid(payouts, 3) == 2_297
    assert await fees(payouts) == (916, 622, 0)
    assert sum(AMOUNTS.values()) == 3_666 + 5_499 + 2_297 + 1_538 + 2_000 + 3_333
    book = await the_book(payouts)
    assert book.balances[Account.PLATFORM_CURRENT] == 1_090
    assert payouts.provider.cash == FLOAT - 1_090 == 1_910
    closed = close(CAMPAIGN, 1, book.balances)
    assert closed is not None
    assert not any(post(book.balances, closed).values()), "I7: a closed book is all zero"


async def test_the_worked_example_with_a_tax_of_20_percent() -> None:
    """T is 3.08, and the last stage 19.89."""
    payouts = memory_payouts()
    await three_pledges_and_a_met_goal(payouts, TAXED)
    assert await first_stage_is_paid(payouts) == 3_666
    assert await later_stage_is_paid(payouts, 2) == 5_499
    await charged_back_and_refunded(payouts)
    assert await later_stage_is_paid(payouts, 3) == 1_989
    assert await fees(payouts) == (916, 622, 308)


@pytest.mark.row("S15")
async def test_the_worked_example_cancelled_after_stage_1() -> None:
    """80.01, 39.99 and 26.67 go back, and no fee is taken."""
    payouts = memory_payouts()
    await three_pledges_and_a_met_goal(payouts)
    assert await first_stage_is_paid(payouts) == 3_666
    await payouts.hear_cancellation(3)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 8_001, "ch_2": 3_999, "ch_3": 2_667}
    assert await fees(payouts) == (0, 0, 0)
    assert payouts.provider.cash == FLOAT - sum(PROVIDER_FEES.values())
    await payouts.assert_books_true()


@pytest.mark.row("S15")
async def test_the_worked_example_cancelled_after_stage_2() -> None:
    """50.01, 25.00 and 16.67 go back, and no fee is taken."""
    payouts = memory_payouts()
    await three_pledges_and_a_met_goal(payouts)
    assert await first_stage_is_paid(payouts) == 3_666
    assert await later_stage_is_paid(payouts, 2) == 5_499
    await payouts.hear_cancellation(3)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 5_001, "ch_2": 2_500, "ch_3": 1_667}
    assert await fees(payouts) == (0, 0, 0)
    assert payouts.provider.cash == FLOAT - sum(PROVIDER_FEES.values())
    await payouts.assert_books_true()


async def test_the_worked_example_with_a_late_pledge_of_25() -> None:
    """F is 10.41 and P 7.25; the stages before stay as planned, the last one is 99.02."""
    payouts = memory_payouts()
    await three_pledges_and_a_met_goal(payouts)
    assert await first_stage_is_paid(payouts) == 3_666
    assert await later_stage_is_paid(payouts, 2) == 5_499
    await collect(payouts, 4, 2_500, 100, counted=False)
    assert await later_stage_is_paid(payouts, 3) == 9_902
    assert await fees(payouts) == (1_041, 725, 0)


@pytest.mark.trap(4)
async def test_the_worked_example_with_150_charged_back_before_stage_1() -> None:
    """A and B are lost to their banks: 6.66, 10.00 and 1.29, and nobody is paid below zero."""
    payouts = memory_payouts()
    await three_pledges_and_a_met_goal(payouts)
    await charged_back_and_lost(payouts, A, B)
    assert await first_stage_is_paid(payouts) == 666
    assert await later_stage_is_paid(payouts, 2) == 1_000
    assert await later_stage_is_paid(payouts, 3) == 129
    assert await fees(payouts) == (916, 622, 0)
