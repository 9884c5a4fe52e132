"""Whole books in currencies that are not counted in hundredths: from pledge to close, to the unit.

Three pledges, a met goal, three stages, fees with tax out of the last one, and the closed book.
"""

from dataclasses import dataclass, replace

import pytest

from payouts.domain.approval import Concerned
from payouts.domain.book import Outcome, Verdict
from payouts.domain.book_state import BookState
from payouts.domain.fees import FeeTerms
from payouts.domain.ledger import Account
from payouts.domain.stage import StageState
from payouts.handlers.approvals import Asked, approve_stage
from payouts.handlers.pledges import PledgeHeard, take_pledges
from payouts.handlers.verdict import VerdictHeard, take_verdicts
from services.payouts.tests.builders import LIMIT, NOW, SHARES, a_pledge
from services.payouts.tests.conftest import CAMPAIGN, Payouts
from services.payouts.tests.test_closing import all_zero, rest
from services.payouts.tests.test_disputes import the_book
from services.payouts.tests.test_later_stages import CREATOR, decide, pay, show, the

# Of each payment, whatever it is.
PROVIDER_FEE = 30


@dataclass(frozen=True, slots=True)
class Expected:
    """What the creator gets of each stage, F, P and T, and what is too little to be paid out."""

    stages: tuple[int, int, int]
    fees: tuple[int, int, int]
    dust: int = 0


async def play(
    payouts: Payouts, currency: str, amounts: tuple[int, ...], terms: FeeTerms, expected: Expected
) -> None:
    """Play the whole campaign; every figure is in minor units of its currency."""
    before = payouts.provider.cash
    await met(payouts, currency, amounts, terms)
    await payouts.give_destination()
    await pay(payouts, 4)
    for number in (2, 3):
        await show(payouts, number)
        await decide(payouts, number)
        await approve(payouts, number)
        await pay(payouts, 4)
    paid = [await the(payouts, number) for number in (1, 2, 3)]
    assert [one.state for one in paid] == [StageState.PAID] * 3
    sent = [payouts.provider.asked_for[one.attempt_id][1] for one in paid]
    assert tuple(sent) == expected.stages
    left = (await the_book(payouts)).balances
    incomes = (Account.PLATFORM_FEE_INCOME, Account.PROCESSING_FEE_INCOME, Account.TAX_PAYABLE)
    assert tuple(left[one] for one in incomes) == expected.fees
    assert left[Account.BACKER_FUNDS] == expected.dust
    assert sum(amounts) == sum(expected.stages) + sum(expected.fees) + expected.dust
    await payouts.assert_books_true()
    closed = await rest(payouts)
    assert closed.life.state is BookState.CLOSED and all_zero(closed)
    await payouts.assert_books_true()
    # What the platform has more at the provider than before is its fees and dust, less its costs.
    result = sum(expected.fees) + expected.dust - PROVIDER_FEE * len(amounts)
    assert payouts.provider.cash - before == result


async def met(payouts: Payouts, currency: str, amounts: tuple[int, ...], terms: FeeTerms) -> None:
    pledges = [
        replace(a_pledge(number, amount), currency=currency, provider_fee=PROVIDER_FEE)
        for number, amount in enumerate(amounts, start=1)
    ]
    payouts.capture(pledges)
    heard = [
        PledgeHeard(CAMPAIGN, currency, number, one) for number, one in enumerate(pledges, start=1)
    ]
    now, count = payouts.clock.now(), len(amounts)
    assert await payouts.units.run(lambda unit: take_pledges(unit, heard, now)) == {}
    verdict = Verdict(Outcome.GOAL_MET, sum(amounts), count, count, SHARES, NOW)
    told = [VerdictHeard(CAMPAIGN, currency, verdict, terms)]
    assert await payouts.units.run(lambda unit: take_verdicts(unit, told, now)) == {}


async def approve(payouts: Payouts, number: int) -> None:
    """Approve the stage as it is shown."""
    shown, _ = await payouts.stages.explain(CAMPAIGN, number)
    asked = Asked(shown.payable, shown.currency, 1, 1, "staff-2")
    concerned, now = Concerned(CREATOR, None, False), payouts.clock.now()
    await payouts.units.run(
        lambda unit: approve_stage(unit, CAMPAIGN, number, asked, concerned, LIMIT, now)
    )


@pytest.mark.row("S9")
@pytest.mark.trap(5)
async def test_a_whole_book_in_yen(payouts: Payouts) -> None:
    """No decimals: of 18 333 JPY 3 666, 5 499 and 7 476 are paid, and nothing is left.

    F 5 % is 916. P 2.9 % + 30 is 320 + 175 + 127, each rounded half up by itself. T 10 % is 154.
    """
    expected = Expected((3_666, 5_499, 7_476), (916, 622, 154))
    await play(payouts, "JPY", (10_001, 4_999, 3_333), FeeTerms(500, 290, 30, 1_000), expected)


@pytest.mark.row("S9")
@pytest.mark.trap(5)
async def test_a_whole_book_in_forints(payouts: Payouts) -> None:
    """Charged in hundredths, paid out whole: of 1 833.43 HUF 366, 550 and 722, and 0.05 are dust.

    The shares are 366.68 and 550.02. F 5 % is 91.67. P 2.9 % + 3.00 is 32.00 + 17.50 + 12.67.
    T 27 % is 41.54.
    """
    expected = Expected((36_600, 55_000, 72_200), (9_167, 6_217, 4_154), dust=5)
    await play(payouts, "HUF", (100_015, 49_995, 33_333), FeeTerms(500, 290, 300, 2_700), expected)
