"""What opens a closed book undoes its closing first, so that all that is told later can be booked.

Decision 0052: a cost that is none after all, a loss that is made good and a fee that is taken back
have been settled by row 23 (`money.md` 3), and are there to be undone.
"""

from collections.abc import Awaitable, Callable

import pytest

from payouts.domain.block import postings_in
from payouts.domain.book import Book, Outcome
from payouts.domain.book_state import BookState
from payouts.domain.dispute import DisputeState
from payouts.domain.ledger import Account
from payouts.domain.postings import CLOSING, CLOSING_UNDONE, close, closing_undone, settled_in
from payouts.domain.receivable import EndKind, Proposed
from payouts.domain.refund import Refund, RefundState
from payouts.domain.stage import StageState
from payouts.handlers.receivables import end_receivable
from services.payouts.tests.builders import LIMIT
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts
from services.payouts.tests.test_claim_money import BY_PLATFORM, claim_given
from services.payouts.tests.test_closing import all_zero, rest
from services.payouts.tests.test_disputes import (
    LOST,
    assert_true,
    decided,
    held,
    look,
    refunds_of,
    the_book,
)
from services.payouts.tests.test_fec import even, exported
from services.payouts.tests.test_later_stages import approve, pay, the
from services.payouts.tests.test_publishing import ledger_of
from services.payouts.tests.test_receivables import NOBODY
from services.payouts.tests.test_recover import (
    assert_the_ledger_goes_on,
    back_up,
    recover,
    restore,
    roll_forward,
)
from services.payouts.tests.test_reversals import take_back
from services.payouts.tests.test_staff_refunds import all_stages_paid, approved, current

LAST = 5_000 - 1_020


async def closed(payouts: Payouts) -> Book:
    """Nothing is open, and after its rest nothing is on any account."""
    book = await rest(payouts)
    assert book.life.state is BookState.CLOSED and all_zero(book)
    await payouts.assert_books_true()
    return book


async def closings_and_undone(payouts: Payouts) -> list[str]:
    """Return what closed the book and what undid that, without its name."""
    blocks = await payouts.queries.blocks(CAMPAIGN, 0, 1_000)
    causes = [posting.cause for block in blocks for posting in postings_in(block)]
    return [c.partition("/")[0] for c in causes if c.startswith((CLOSING, CLOSING_UNDONE))]


async def given_by_the_platform(payouts: Payouts) -> Refund:
    """All stages are paid, and the platform gave for a reward."""
    await all_stages_paid(payouts)
    refund = await claim_given(payouts, BY_PLATFORM)
    await approved(payouts, refund)
    await payouts.work_off()
    return await current(payouts, refund)


async def come_back_beside_a_chargeback(payouts: Payouts, refund: Refund) -> str:
    """The bank refuses it after all, and takes all of its pledge's payment."""
    payouts.provider.faults["create_refund"] = ["decline"] * 9
    payouts.provider.fail_later(refund)
    name = payouts.provider.dispute("ch_1", 5_000)
    await look(payouts)
    return name


async def write_off(payouts: Payouts) -> None:
    for debt in await payouts.queries.receivables(CAMPAIGN):
        for by in ("staff-1", "staff-2"):
            now = payouts.clock.now()
            said = Proposed(EndKind.WRITTEN_OFF, debt.open, "gone", by, now)
            await payouts.units.run(
                lambda unit, said=said, debt=debt: end_receivable(  # type: ignore[misc]
                    unit, CAMPAIGN, debt.receivable_id, said, NOBODY, payouts.clock.now()
                )
            )


@pytest.mark.trap(3)
async def test_a_compensation_that_comes_back_beside_a_chargeback_is_none(
    payouts: Payouts,
) -> None:
    """Its cost is there to be taken back; the bank gives the money, and the platform loses that."""
    refund = await given_by_the_platform(payouts)
    await closed(payouts)
    name = await come_back_beside_a_chargeback(payouts, refund)
    dispute = await payouts.queries.dispute(name)
    assert dispute is not None and dispute.state is DisputeState.OPENED
    assert (await current(payouts, refund)).state is RefundState.BLOCKED
    assert await held(payouts, Account.COMPENSATION_COSTS) == 0
    await assert_true(payouts)
    await decided(payouts, name, LOST)
    assert (await current(payouts, refund)).state is RefundState.CANCELLED
    await write_off(payouts)
    assert await held(payouts, Account.LOSS_COSTS) == 5_000
    await closed(payouts)
    assert await closings_and_undone(payouts) == ["close", "close-undone", "close"]
    even(await exported(payouts))


@pytest.mark.trap(3)
async def test_a_loss_that_is_made_good_after_the_end_is_none() -> None:
    """Its bank and we both gave it back; then the refund did not arrive, and pays for the loss."""
    payouts = memory_payouts()
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.work_off()
    name = payouts.provider.dispute("ch_1", 5_000)
    await look(payouts)
    await decided(payouts, name, LOST)
    assert await held(payouts, Account.LOSS_COSTS) == 5_000
    await closed(payouts)
    [refund] = await refunds_of(payouts)
    payouts.provider.fail_later(refund)
    await look(payouts)
    assert (await current(payouts, refund)).state is RefundState.CANCELLED
    assert await held(payouts, Account.LOSS_COSTS) == 0
    await assert_true(payouts)
    await closed(payouts)


@pytest.mark.trap(7)
async def test_fees_of_a_last_stage_that_bounced_after_the_end_are_taken_back(
    payouts: Payouts,
) -> None:
    """The bank sends it back, staff reverse its transfer, and it is approved and paid anew."""
    await all_stages_paid(payouts)
    await closed(payouts)
    payouts.provider.faults["create_payout"] = ["decline"] * 3
    payouts.provider.bounce(await the(payouts, 3))
    while (await the(payouts, 3)).failures < 3:
        await pay(payouts)
    await take_back(payouts, 3)
    await pay(payouts)
    assert (await the(payouts, 3)).state is StageState.DUE
    assert await held(payouts, Account.PLATFORM_FEE_INCOME) == 0
    assert await held(payouts) == 5_000
    await assert_true(payouts)
    await approve(payouts, 3, LAST, limit=LIMIT)
    await pay(payouts)
    assert (await the(payouts, 3)).state is StageState.PAID
    await closed(payouts)


async def test_a_fee_can_be_given_up_after_the_end(payouts: Payouts) -> None:
    """As before it: what two people give up is the creator's, by a supplement."""
    await all_stages_paid(payouts)
    await closed(payouts)
    for by in ("staff-1", "staff-2"):
        await payouts.waive(CAMPAIGN, "waiver-1", 100, "a late payout", by)
    assert await held(payouts) == 120
    assert await held(payouts, Account.PLATFORM_FEE_INCOME) == 500 - 100
    await payouts.assert_books_true()
    await pay(payouts)
    await approve(payouts, 4, 120, limit=LIMIT, revision=0)
    await pay(payouts)
    assert (await the(payouts, 4)).state is StageState.PAID
    await closed(payouts)


async def taken_by_its_bank(payouts: Payouts, refund: Refund) -> None:
    await come_back_beside_a_chargeback(payouts, refund)


async def lost_to_its_bank(payouts: Payouts, refund: Refund) -> None:
    await decided(payouts, await come_back_beside_a_chargeback(payouts, refund), LOST)


async def sent_again(payouts: Payouts, refund: Refund) -> None:
    payouts.provider.fail_later(refund)
    await look(payouts)
    await payouts.work_off()
    assert (await current(payouts, refund)).state is RefundState.SUCCEEDED
    await closed(payouts)


@pytest.mark.trap(23)
@pytest.mark.parametrize("behind", [taken_by_its_bank, lost_to_its_bank, sent_again])
@pytest.mark.parametrize("closed_before", [False, True])
async def test_a_backup_around_a_closing_takes_it_back_with_what_undid_it(
    behind: Callable[[Payouts, Refund], Awaitable[None]], closed_before: bool
) -> None:
    """The ledger goes on, the next closing settles what there is, and another one is undone."""
    payouts = memory_payouts()
    refund = await given_by_the_platform(payouts)
    backup = back_up(payouts)
    await closed(payouts)
    if closed_before:
        backup = back_up(payouts)
    await behind(payouts, refund)
    payouts.provider.faults.clear()
    ledger = await ledger_of(payouts)
    payouts = restore(payouts, backup)
    await roll_forward(payouts, ledger)
    assert [line for line in await recover(payouts) if "a person" in line] == []
    book = await the_book(payouts)
    assert book.unclaimed == 0
    await look(payouts)
    assert (await current(payouts, refund)).state is not RefundState.REQUESTED
    await payouts.assert_books_true()
    for name, seen in payouts.provider.disputes.items():
        if seen.status is not LOST:
            await decided(payouts, name, LOST)
    await write_off(payouts)
    await closed(payouts)
    await payouts.collect(3, counted=False)
    await payouts.work_off()
    assert await held(payouts, Account.PROVIDER_COSTS) == 90
    await closed(payouts)
    await assert_the_ledger_goes_on(payouts, ledger)
    made = await closings_and_undone(payouts)
    assert made.count("close") == made.count("close-undone") + 1


def test_what_closings_settled_and_what_undoes_it_come_to_nothing() -> None:
    """Entry by entry, whatever the accounts; of nothing there is no posting."""
    balances = {
        Account.PLATFORM_FEE_INCOME: 500,
        Account.TAX_PAYABLE: 100,
        Account.LOSS_COSTS: 70,
        Account.PLATFORM_CURRENT: 530,
    }
    made = close("campaign-1", 4, balances)
    assert made is not None
    settled = settled_in([made])
    assert settled == {a: n for a, n in balances.items() if a is not Account.PLATFORM_CURRENT}
    undone = closing_undone("campaign-1", 4, settled)
    assert undone is not None and settled_in([made, undone]) == {}
    assert undone.cause == "close-undone/campaign-1/4"
    assert closing_undone("campaign-1", 4, {}) is None
