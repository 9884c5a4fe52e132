"""A stage whose tries all failed before a transfer lies here: a chargeback reaches its money."""

import pytest

from payouts.domain.dispute import ProviderDisputeStatus
from payouts.domain.ledger import Account
from payouts.domain.stage import StageState
from services.payouts.tests.builders import LIMIT
from services.payouts.tests.conftest import Payouts
from services.payouts.tests.test_disputes import (
    assert_true,
    decided,
    held,
    look,
    opened,
    the_dispute,
)
from services.payouts.tests.test_later_stages import approve, pay, the
from services.payouts.tests.test_staff_refunds import last_milestone_approved

LAST = 5_000 - 1_020
WON, LOST = ProviderDisputeStatus.WON, ProviderDisputeStatus.LOST


async def last_stage_failed(payouts: Payouts, failures: int) -> None:
    """The last stage is approved, and the provider refuses its transfer so often."""
    await last_milestone_approved(payouts)
    payouts.provider.faults["create_transfer"] = ["decline"] * failures
    await approve(payouts, 3, LAST, limit=LIMIT)
    while (await the(payouts, 3)).failures < failures:
        await pay(payouts, 1)
    assert (await the(payouts, 3)).state is StageState.FAILED


@pytest.mark.trap(3)
@pytest.mark.parametrize("failures", [1, 3])
async def test_a_chargeback_reaches_a_stage_of_which_nothing_left(
    payouts: Payouts, failures: int
) -> None:
    """Its approval falls as one that was never sent: the campaign bears the loss, no debt stays."""
    await last_stage_failed(payouts, failures)
    name = payouts.provider.dispute("ch_2", 4_000)
    await payouts.follow_cash(payouts.clock.now())
    for claim in await payouts.claim("dispute"):
        await payouts.disputes(claim)
    fallen = await the(payouts, 3)
    assert (fallen.state, fallen.reason) == (StageState.DUE, "dispute-opened")
    assert (fallen.approval, fallen.failures, fallen.amount) == (None, 0, 0)
    assert (await the_dispute(payouts, name)).reserved == 4_000
    await assert_true(payouts)
    await decided(payouts, name, LOST)
    await approve(payouts, 3, 0, limit=LIMIT)
    await pay(payouts)
    assert (await the(payouts, 3)).state is StageState.NOTHING_TO_PAY
    # Of the 50.00 that were left 40.00 are the bank's, the rest are fees; those owed are a debt.
    assert await held(payouts, Account.CREATOR_RECEIVABLE) == 20
    assert len(payouts.provider.transfers) == 2
    await assert_true(payouts)


@pytest.mark.trap(3)
async def test_a_debt_that_arose_since_is_set_off_before_the_next_try(payouts: Payouts) -> None:
    """Lost while the transfer was on its way, which is then refused: only the rest is sent."""
    await last_milestone_approved(payouts)
    payouts.provider.faults["create_transfer"] = ["rate_limited", "decline"]
    await approve(payouts, 3, LAST, limit=LIMIT)
    while not (await the(payouts, 3)).attempts:
        await pay(payouts, 1)
    assert (await the(payouts, 3)).state is StageState.SUBMITTED
    name = payouts.provider.dispute("ch_2", 2_000)
    payouts.provider.move_dispute(name, LOST)
    await payouts.follow_cash(payouts.clock.now())
    for claim in await payouts.claim("dispute"):
        await payouts.disputes(claim)
    assert await held(payouts, Account.CREATOR_RECEIVABLE) == 2_000
    await pay(payouts)
    await look(payouts)
    paid = await the(payouts, 3)
    assert (paid.state, paid.set_off, paid.sent) == (StageState.PAID, 2_000, LAST - 2_000)
    assert await held(payouts, Account.CREATOR_RECEIVABLE) == 0
    assert await held(payouts, Account.PROVIDER_BALANCE) == 0
    await assert_true(payouts)


async def test_who_read_the_float_before_a_bank_took_of_it_reads_again(payouts: Payouts) -> None:
    """R2: nobody refuses what a bank takes, and nobody lends by a reading from before it."""
    await last_milestone_approved(payouts)
    await approve(payouts, 3, LAST, limit=LIMIT)
    await pay(payouts)
    before = await payouts.stages.funds.read_to_lend("EUR")
    await opened(payouts, 2, 4_000)
    after = await payouts.stages.funds.read_to_lend("EUR")
    assert before is not None and after is not None and after.lendings == before.lendings + 1


@pytest.mark.trap(3)
async def test_a_debt_that_takes_all_of_it_ends_a_failed_stage(payouts: Payouts) -> None:
    """Nothing is left to be sent: it is over, and the rest of the debt stays."""
    await last_milestone_approved(payouts)
    payouts.provider.faults["create_transfer"] = ["rate_limited", "decline"]
    await approve(payouts, 3, LAST, limit=LIMIT)
    while not (await the(payouts, 3)).attempts:
        await pay(payouts, 1)
    name = payouts.provider.dispute("ch_2", 5_000)
    payouts.provider.move_dispute(name, LOST)
    await payouts.follow_cash(payouts.clock.now())
    for claim in await payouts.claim("dispute"):
        await payouts.disputes(claim)
    await pay(payouts)
    over = await the(payouts, 3)
    assert (over.state, over.reason, over.sent) == (StageState.NOTHING_TO_PAY, "set-off", 0)
    assert await held(payouts, Account.CREATOR_RECEIVABLE) == 5_000 - LAST
    assert len(payouts.provider.transfers) == 2
    await assert_true(payouts)


@pytest.mark.trap(3)
async def test_a_chargeback_that_is_won_leaves_the_stage_to_be_approved_again(
    payouts: Payouts,
) -> None:
    """What fell is due with all of its money back, and is paid once."""
    await last_stage_failed(payouts, 3)
    name = await opened(payouts, 2, 4_000)
    await decided(payouts, name, WON)
    await approve(payouts, 3, LAST, limit=LIMIT)
    await pay(payouts)
    paid = await the(payouts, 3)
    assert (paid.state, paid.sent) == (StageState.PAID, LAST)
    assert len(payouts.provider.transfers) == 3
    await assert_true(payouts)
