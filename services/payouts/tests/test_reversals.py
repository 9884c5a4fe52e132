"""A stage whose transfer somebody took back at the provider: booked, and paid anew by people."""

from dataclasses import replace

import pytest

from payouts.domain.book import Outcome
from payouts.domain.ledger import Account
from payouts.domain.payout_attempt import AttemptState
from payouts.domain.reconciliation import BreakKind
from payouts.domain.stage import StageState
from payouts.ports.provider import NoAnswer
from services.payouts.tests.builders import LIMIT
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts
from services.payouts.tests.test_disputes import assert_true, held
from services.payouts.tests.test_later_stages import approve, first_paid, pay, the
from services.payouts.tests.test_publishing import ledger_of
from services.payouts.tests.test_reconciliation import compared
from services.payouts.tests.test_recover import (
    LONGER_THAN_KEYS_LIVE,
    assert_the_ledger_goes_on,
    back_up,
    recover,
    restore,
    roll_forward,
)
from services.payouts.tests.test_staff_refunds import last_milestone_approved
from services.payouts.tests.test_statements import statements

FIRST = 2_000
LAST = 5_000 - 1_020


async def first_stuck(payouts: Payouts) -> None:
    """The first stage was transferred to an account that can never pay it out."""
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await payouts.give_destination()
    payouts.provider.faults["create_payout"] = ["decline"] * 3
    await pay(payouts)
    stuck = await the(payouts, 1)
    assert (stuck.state, stuck.failures) == (StageState.FAILED, 3)
    assert await held(payouts, Account.CREATOR_ACCOUNT) == FIRST


async def take_back(payouts: Payouts, number: int, amount: int | None = None) -> str:
    """Somebody reverses the stage's transfer; return the balance transaction."""
    return payouts.provider.reverse((await the(payouts, number)).attempt.transfer_id, amount)


async def test_a_stage_that_was_stuck_is_paid_to_another_account(payouts: Payouts) -> None:
    """Booked on its cash, due again, not approved by the verdict; nothing is a break after it."""
    await first_stuck(payouts)
    back = await take_back(payouts, 1)
    await pay(payouts, 3)
    due = await the(payouts, 1)
    assert (due.state, due.reason, due.approval) == (StageState.DUE, "transfer-reversed", None)
    assert due.attempt.reversal_balance_transaction == back
    assert await held(payouts, Account.CREATOR_ACCOUNT) == 0
    await assert_true(payouts)
    await payouts.give_destination("acct_2")
    await pay(payouts)
    _, lines = await payouts.stages.explain(CAMPAIGN, 1)
    [line] = [one for one in lines if one.name == "approval"]
    assert "taken back" in line.why and len(payouts.provider.transfers) == 1
    await approve(payouts, 1, FIRST, version=2, revision=0)
    await pay(payouts)
    paid = await the(payouts, 1)
    assert (paid.state, paid.attempt.account) == (StageState.PAID, "acct_2")
    assert payouts.provider.accounts == {"acct_1": 0, "acct_2": 0}
    await assert_true(payouts)
    assert (await statements(payouts))[0].paid == FIRST
    payouts.clock.advance(seconds=3_600)
    assert await compared(payouts) == ()


async def test_one_that_a_bank_sent_back_late_is_taken_back_too(payouts: Payouts) -> None:
    """Confirmed, bounced, reversed: the same way."""
    await last_milestone_approved(payouts)
    second = await the(payouts, 2)
    payouts.provider.faults["create_payout"] = ["decline"] * 3
    payouts.provider.bounce(second)
    while (await the(payouts, 2)).failures < 3:
        await pay(payouts)
    await take_back(payouts, 2)
    await pay(payouts)
    due = await the(payouts, 2)
    assert (due.state, due.attempt.state) == (StageState.DUE, AttemptState.REVERSED)
    await assert_true(payouts)
    await approve(payouts, 2, 3_000)
    await pay(payouts)
    assert (await the(payouts, 2)).state is StageState.PAID
    await assert_true(payouts)


async def test_the_last_ones_fees_are_taken_back_with_it(payouts: Payouts) -> None:
    """Its approval falls as any other does: fees and what is left are divided anew."""
    await last_milestone_approved(payouts)
    payouts.provider.faults["create_payout"] = ["decline"] * 3
    await approve(payouts, 3, LAST, limit=LIMIT)
    await pay(payouts)
    assert await held(payouts, Account.PLATFORM_FEE_INCOME) == 500
    await take_back(payouts, 3)
    await pay(payouts)
    assert await held(payouts, Account.PLATFORM_FEE_INCOME) == 0
    assert await held(payouts, Account.BACKER_FUNDS) == 5_000
    await assert_true(payouts)
    await approve(payouts, 3, LAST, limit=LIMIT)
    await pay(payouts)
    assert (await the(payouts, 3)).state is StageState.PAID
    assert await held(payouts, Account.PLATFORM_FEE_INCOME) == 500
    await assert_true(payouts)


async def test_what_is_taken_back_after_a_cancellation_is_the_backers(payouts: Payouts) -> None:
    """The stage is cancelled in the transaction that books it."""
    await first_stuck(payouts)
    await payouts.hear_cancellation(2)
    await pay(payouts)
    await take_back(payouts, 1)
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.CANCELLED
    assert await held(payouts, Account.CREATOR_PAYABLE) == 0
    assert await held(payouts, Account.BACKER_FUNDS) == FIRST
    await payouts.assert_books_true()


async def test_another_stages_money_on_the_account_is_not_paid_out_for_it(
    payouts: Payouts,
) -> None:
    """The account holds enough again: what was taken back is seen before a payout leaves."""
    await first_stuck(payouts)
    stuck = await the(payouts, 1)
    await take_back(payouts, 1)
    payouts.provider.accounts["acct_1"] = 9_000
    await payouts.units.run(
        lambda unit: unit.stages.save([replace(stuck, failures=0, reason="a wish")])
    )
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.DUE
    assert payouts.provider.accounts["acct_1"] == 9_000 and payouts.provider.payouts == {}


async def test_nothing_is_paid_out_while_nobody_says_whether_it_lies_there(
    payouts: Payouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that does not come is waited for, and the stage is paid after it."""
    await first_stuck(payouts)
    stuck = await the(payouts, 1)
    await payouts.units.run(lambda unit: unit.stages.save([replace(stuck, failures=0)]))

    async def away(stage: object) -> NoAnswer:
        return NoAnswer()

    with monkeypatch.context() as patched:
        patched.setattr(payouts.provider, "transfers_of", away)
        await pay(payouts)
        assert (await the(payouts, 1)).state is StageState.FAILED
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID


async def breaks(payouts: Payouts) -> list[tuple[BreakKind, str, int]]:
    payouts.clock.advance(seconds=3_600)
    return [(one.kind, one.balance_transaction, one.amount) for one in await compared(payouts)]


async def test_a_part_that_came_back_stands_still_for_a_person(payouts: Payouts) -> None:
    """No half of it is booked: the stage stays as it is, and its cash is a break."""
    await first_stuck(payouts)
    part = await take_back(payouts, 1, 500)
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.FAILED
    assert await held(payouts, Account.CREATOR_ACCOUNT) == FIRST
    assert await breaks(payouts) == [(BreakKind.UNBOOKED, part, 500)]
    await payouts.assert_books_true()


async def test_what_the_bank_has_stays_paid(payouts: Payouts) -> None:
    """Taken back out of another stage's money on the account, it is a break for two people."""
    await first_paid(payouts)
    payouts.provider.accounts["acct_1"] = FIRST
    whole = await take_back(payouts, 1)
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID
    assert await breaks(payouts) == [(BreakKind.UNBOOKED, whole, FIRST)]
    await payouts.assert_books_true()


@pytest.mark.trap(23)
@pytest.mark.parametrize("booked", [False, True])
async def test_a_reversal_around_a_restored_backup_is_booked_once(booked: bool) -> None:
    """Known to the backup or found anew: the ledger goes on, and the stage is paid once."""
    payouts = memory_payouts()
    await first_stuck(payouts)
    backup = back_up(payouts)
    await take_back(payouts, 1)
    await pay(payouts)
    if booked:
        backup = back_up(payouts)
        payouts.clock.advance(seconds=60)
    ledger = await ledger_of(payouts)
    payouts = restore(payouts, backup)
    await roll_forward(payouts, ledger)
    assert [line for line in await recover(payouts) if "a person" in line] == []
    await pay(payouts)
    due = await the(payouts, 1)
    assert (due.state, due.attempt.state) == (StageState.DUE, AttemptState.REVERSED)
    await payouts.give_destination("acct_2")
    await pay(payouts)
    await approve(payouts, 1, FIRST, version=2, revision=0)
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID
    assert len(payouts.provider.transfers) == 2 and len(payouts.provider.payouts) == 1
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and book.unclaimed == 0
    await assert_the_ledger_goes_on(payouts, ledger)
    await assert_true(payouts)


@pytest.mark.trap(21)
@pytest.mark.trap(23)
async def test_what_was_paid_after_a_reversal_is_not_paid_again_after_a_restore() -> None:
    """The backup knows that the first transfer came back, and not the second, nor who approved it.

    It is for a person; who approves it and lets the money go on finds the second one in the way.
    """
    payouts = memory_payouts()
    await first_stuck(payouts)
    await take_back(payouts, 1)
    await pay(payouts, 3)
    backup = back_up(payouts)
    await payouts.give_destination("acct_2")
    await pay(payouts)
    await approve(payouts, 1, FIRST, version=2, revision=0)
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID
    ledger = await ledger_of(payouts)
    payouts.clock.advance(seconds=LONGER_THAN_KEYS_LIVE)
    payouts = restore(payouts, backup)
    await roll_forward(payouts, ledger)
    assert [line for line in await recover(payouts) if "a person" in line]
    await payouts.give_destination("acct_2")
    await pay(payouts)
    payouts.brake.pulled.clear()
    await pay(payouts)
    await approve(payouts, 1, FIRST, version=2, revision=0)
    await pay(payouts)
    stopped = payouts.brake.stopped(CAMPAIGN)
    assert stopped is not None and stopped.by == "payouts"
    assert len(payouts.provider.transfers) == 2 and len(payouts.provider.payouts) == 1


@pytest.mark.trap(23)
async def test_a_transfer_that_was_given_up_and_taken_back_stops_no_recovery() -> None:
    """It showed up too late, and people reversed it; the stage was paid by another."""
    payouts = memory_payouts()
    await shown_too_late(payouts)
    await take_all_back(payouts)
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID
    ledger = await ledger_of(payouts)
    payouts = restore(payouts, back_up(payouts))
    await roll_forward(payouts, ledger)
    assert [line for line in await recover(payouts) if "a person" in line] == []
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID
    assert len(payouts.provider.transfers) == 2 and len(payouts.provider.payouts) == 1
    await assert_the_ledger_goes_on(payouts, ledger)


async def shown_too_late(payouts: Payouts) -> None:
    """A transfer was given up because no list showed it, and stops its campaign's money now."""
    payouts.provider.faults["create_transfer"] = ["error_after"]
    payouts.provider.list_lags = True
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await payouts.give_destination()
    while (await the(payouts, 1)).state is not StageState.FAILED:
        await pay(payouts, 1)
    payouts.provider.list_lags = False
    await pay(payouts, 40)
    assert payouts.brake.stopped(CAMPAIGN) is not None


async def take_all_back(payouts: Payouts) -> None:
    """People reverse what showed up, and let the money go on."""
    (made,) = payouts.provider.transfers.values()
    payouts.provider.reverse(made.transfer_id)
    payouts.brake.pulled.clear()
