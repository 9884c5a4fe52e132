"""A stage whose transfer somebody took back at the provider: booked, and paid anew by people."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from infra.sandbox.provider.client import SandboxClient
from infra.suite.processes import SandboxProcess
from payouts.adapters.stripe_provider import StripeProvider
from payouts.domain.book import Outcome
from payouts.domain.errors import Refused
from payouts.domain.ledger import Account
from payouts.domain.payout_attempt import AttemptState
from payouts.domain.postings import refund_requested
from payouts.domain.reconciliation import BreakKind, Saying, Verdict
from payouts.domain.stage import Stage, StageState
from payouts.domain.stage_outcome import TransferSeen
from payouts.handlers.posting import post
from payouts.ports.provider import Declined, NoAnswer, Throttled
from payouts.ports.unit import PayoutsUnit
from servicekit.pace import Pace
from services.payouts.tests.builders import LIMIT, a_pledge
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts
from services.payouts.tests.test_disputes import assert_true, held
from services.payouts.tests.test_later_stages import approve, first_paid, pay, second_due, the
from services.payouts.tests.test_publishing import ledger_of
from services.payouts.tests.test_reconciliation import compared
from services.payouts.tests.test_recover import (
    LONGER_THAN_KEYS_LIVE,
    Backup,
    assert_the_ledger_goes_on,
    back_up,
    recover,
    restore,
    roll_forward,
)
from services.payouts.tests.test_staff_refunds import last_milestone_approved
from services.payouts.tests.test_statements import statements
from sosst_contracts.codec import Record

FIRST = 2_000
LAST = 5_000 - 1_020
# Of another stage of the same creator, say.
OTHER_MONEY = 9_000


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


async def assert_all_is_claimed(payouts: Payouts, ledger: Sequence[Record]) -> None:
    """Nothing of the ledger waits to be made again, and the books go on behind it."""
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and book.unclaimed == 0
    await assert_the_ledger_goes_on(payouts, ledger)
    await assert_true(payouts)


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


async def transferred(payouts: Payouts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first stage lies on its account, and somebody stopped its money before its payout."""
    create_transfer = payouts.provider.create_transfer

    async def and_stop(stage: Stage) -> TransferSeen | Declined | Throttled | NoAnswer:
        made = await create_transfer(stage)
        await payouts.brake.stop(CAMPAIGN, "staff-9", "to have a look")
        return made

    with monkeypatch.context() as patched:
        patched.setattr(payouts.provider, "create_transfer", and_stop)
        await pay(payouts)
    assert (await the(payouts, 1)).attempt.state is AttemptState.TRANSFERRED


async def transferred_in_a_backup(payouts: Payouts, monkeypatch: pytest.MonkeyPatch) -> Backup:
    """Return the backup of that moment; the money goes on behind it."""
    await transferred(payouts, monkeypatch)
    backup = back_up(payouts)
    payouts.brake.pulled.clear()
    return backup


async def met_with_a_destination(payouts: Payouts) -> None:
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await payouts.give_destination()


async def paid_beside_other_money(payouts: Payouts) -> None:
    """Let the worker go on, where the account holds enough of another stage's."""
    payouts.brake.pulled.clear()
    payouts.provider.accounts["acct_1"] = OTHER_MONEY
    await pay(payouts)


async def assert_no_other_money_left(payouts: Payouts) -> None:
    """The stage is due again, and what lies on the account was not paid out for it."""
    due = await the(payouts, 1)
    assert (due.state, due.attempt.state) == (StageState.DUE, AttemptState.REVERSED)
    assert due.reason == "transfer-reversed"
    assert payouts.provider.accounts["acct_1"] == OTHER_MONEY
    assert payouts.provider.payouts == {}
    await assert_true(payouts)


async def test_what_was_taken_back_before_its_payout_is_not_paid_out(
    payouts: Payouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account holds enough of another stage's: the provider is asked before a first payout."""
    await met_with_a_destination(payouts)
    await transferred(payouts, monkeypatch)
    await take_back(payouts, 1)
    await paid_beside_other_money(payouts)
    await assert_no_other_money_left(payouts)


async def test_a_part_taken_back_before_its_payout_stands_still(
    payouts: Payouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can say what the stage is now: nothing is booked, and nothing leaves."""
    await met_with_a_destination(payouts)
    await transferred(payouts, monkeypatch)
    await take_back(payouts, 1, 500)
    await paid_beside_other_money(payouts)
    assert (await the(payouts, 1)).attempt.state is AttemptState.TRANSFERRED
    assert await held(payouts, Account.CREATOR_ACCOUNT) == FIRST
    assert payouts.provider.payouts == {}
    await payouts.assert_books_true()


async def test_a_payout_that_never_arrived_is_not_asked_for_again_once_its_money_is_gone(
    payouts: Payouts,
) -> None:
    """It is looked up instead; surely absent, it has failed, and the reversal is booked."""
    payouts.provider.faults["create_payout"] = ["rate_limited"] * 1_000
    await met_with_a_destination(payouts)
    await pay(payouts)
    assert (await the(payouts, 1)).attempt.state is AttemptState.PAYOUT_SENT
    await take_back(payouts, 1)
    payouts.provider.accounts["acct_1"] = OTHER_MONEY
    payouts.provider.faults.clear()
    await pay(payouts)
    await assert_no_other_money_left(payouts)


async def test_a_payout_that_left_unheard_is_found_though_its_transfer_is_gone(
    payouts: Payouts,
) -> None:
    """What was taken back was other money then: the stage is paid, and its cash a break."""
    payouts.provider.faults["create_payout"] = ["timeout_after"]
    await met_with_a_destination(payouts)
    while not payouts.provider.payouts:
        await pay(payouts, 1)
    assert (await the(payouts, 1)).attempt.state is AttemptState.PAYOUT_UNKNOWN
    payouts.provider.accounts["acct_1"] = OTHER_MONEY
    whole = await take_back(payouts, 1)
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID
    assert len(payouts.provider.payouts) == 1
    assert await breaks(payouts) == [(BreakKind.UNBOOKED, whole, FIRST)]
    await payouts.assert_books_true()


@pytest.mark.trap(7)
@pytest.mark.trap(23)
@pytest.mark.parametrize("booked", [False, True])
async def test_a_backup_between_a_transfer_and_its_reversal_pays_nothing_out(
    booked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows of no payout that was refused, nor who took the money back: it lies there, it says.

    Another stage's money does lie there. What came back is booked, and the stage paid once.
    """
    payouts = memory_payouts()
    await met_with_a_destination(payouts)
    backup = await transferred_in_a_backup(payouts, monkeypatch)
    payouts.provider.faults["create_payout"] = ["decline"] * 3
    await pay(payouts)
    assert (await the(payouts, 1)).failures == 3
    await take_back(payouts, 1)
    if booked:
        await pay(payouts)
        assert (await the(payouts, 1)).state is StageState.DUE
    payouts.provider.accounts["acct_1"] = OTHER_MONEY
    ledger = await ledger_of(payouts)
    payouts.clock.advance(seconds=LONGER_THAN_KEYS_LIVE)
    payouts = restore(payouts, backup)
    await roll_forward(payouts, ledger)
    assert [line for line in await recover(payouts) if "a person" in line] == []
    await pay(payouts)
    await assert_no_other_money_left(payouts)
    await payouts.give_destination("acct_2")
    await pay(payouts)
    await approve(payouts, 1, FIRST, version=2, revision=0)
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID
    assert payouts.provider.accounts == {"acct_1": OTHER_MONEY, "acct_2": 0}
    assert len(payouts.provider.transfers) == 2 and len(payouts.provider.payouts) == 1
    await assert_all_is_claimed(payouts, ledger)


@pytest.mark.trap(7)
@pytest.mark.trap(23)
async def test_nothing_is_paid_out_of_a_transfer_that_another_one_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Taken back, and paid to another account, all behind the backup: each in its turn.

    No payout leaves of what came back, and no third transfer.
    """
    payouts = memory_payouts()
    await met_with_a_destination(payouts)
    backup = await transferred_in_a_backup(payouts, monkeypatch)
    payouts.provider.faults["create_payout"] = ["decline"] * 3
    await pay(payouts)
    await take_back(payouts, 1)
    await pay(payouts)
    await payouts.give_destination("acct_2")
    await pay(payouts)
    await approve(payouts, 1, FIRST, version=2, revision=0)
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID
    payouts.provider.accounts["acct_1"] = OTHER_MONEY
    ledger = await ledger_of(payouts)
    payouts.clock.advance(seconds=LONGER_THAN_KEYS_LIVE)
    payouts = restore(payouts, backup)
    await roll_forward(payouts, ledger)
    assert await recover(payouts) == [f"{CAMPAIGN}/stage-1: taken over from the provider"]
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID
    assert payouts.provider.accounts == {"acct_1": OTHER_MONEY, "acct_2": 0}
    assert len(payouts.provider.transfers) == 2 and len(payouts.provider.payouts) == 1
    await assert_the_ledger_goes_on(payouts, ledger)
    await assert_true(payouts)


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[SandboxClient]:
    """The sandbox as a process of its own, with a float."""
    process = SandboxProcess(tmp_path, False, seed=0)
    process.start()
    async with SandboxClient(process.url) as client:
        await client.top_up(1_000_000, "EUR")
        yield client
    process.stop()


@pytest.mark.trap(7)
@pytest.mark.trap(23)
async def test_at_the_sandbox_a_backup_before_a_reversal_pays_nothing_out(
    sandbox: SandboxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same by Stripe's adapter: what it lists of a transfer is all that anybody remembers."""
    address = str(sandbox.http.base_url)
    provider = StripeProvider(address, "sk_test", timeout_seconds=5, pace=Pace(1_000))
    payouts = replace(memory_payouts(), provider=provider)  # type: ignore[arg-type]
    account = str((await sandbox.create_account())["id"])
    await payouts.hear_collected({number: a_pledge(number) for number in (1, 2)})
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await payouts.give_destination(account)
    backup = await transferred_in_a_backup(payouts, monkeypatch)
    await sandbox.order_fault("decline", "payouts.create", count=3)
    await pay(payouts)
    stuck = await the(payouts, 1)
    assert (stuck.state, stuck.failures) == (StageState.FAILED, 3)
    await sandbox.control(f"/transfers/{stuck.attempt.transfer_id}/reverse")
    other = {"amount": OTHER_MONEY, "currency": "eur", "destination": account}
    (await sandbox.post("/v1/transfers", other)).raise_for_status()
    ledger = await ledger_of(payouts)
    payouts.clock.advance(seconds=LONGER_THAN_KEYS_LIVE)
    await sandbox.advance_clock(LONGER_THAN_KEYS_LIVE)
    payouts = restore(payouts, backup)
    await roll_forward(payouts, ledger)
    await recover(payouts)
    await pay(payouts)
    due = await the(payouts, 1)
    assert (due.state, due.attempt.state) == (StageState.DUE, AttemptState.REVERSED)
    assert await provider.payouts_of(stuck, account) == []
    assert await held(payouts, Account.CREATOR_ACCOUNT) == 0
    await payouts.assert_books_true()
    await provider.close()


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


@pytest.mark.trap(1)
async def test_what_came_back_part_by_part_is_booked_with_the_last_part(payouts: Payouts) -> None:
    """Two of one amount are two; until the last is there it waits, afterwards it is paid anew."""
    await first_stuck(payouts)
    parts = [await take_back(payouts, 1, part) for part in (500, 500)]
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.FAILED
    assert await breaks(payouts) == [(BreakKind.UNBOOKED, part, 500) for part in parts]
    await take_back(payouts, 1, FIRST - 1_000)
    await pay(payouts)
    due = await the(payouts, 1)
    assert (due.state, due.reason) == (StageState.DUE, "transfer-reversed")
    assert await held(payouts, Account.CREATOR_ACCOUNT) == 0
    assert await breaks(payouts) == []
    await payouts.give_destination("acct_2")
    await pay(payouts)
    await approve(payouts, 1, FIRST, version=2, revision=0)
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID
    assert payouts.provider.accounts == {"acct_1": 0, "acct_2": 0}
    await assert_true(payouts)


@pytest.mark.trap(23)
@pytest.mark.parametrize("parts_known", [0, 1])
async def test_parts_around_a_restored_backup_are_booked_once(parts_known: int) -> None:
    """Before the first or between two of them: the ledger goes on, and the stage is paid once."""
    payouts = memory_payouts()
    await first_stuck(payouts)
    parts = [800, 1_200]
    for part in parts[:parts_known]:
        await take_back(payouts, 1, part)
    backup = back_up(payouts)
    for part in parts[parts_known:]:
        await take_back(payouts, 1, part)
    await pay(payouts, 40)
    assert (await the(payouts, 1)).state is StageState.DUE
    ledger = await ledger_of(payouts)
    payouts = restore(payouts, backup)
    await roll_forward(payouts, ledger)
    assert [line for line in await recover(payouts) if "a person" in line] == []
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.DUE
    await assert_all_is_claimed(payouts, ledger)


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
    await assert_all_is_claimed(payouts, ledger)


@pytest.mark.trap(21)
@pytest.mark.trap(23)
async def test_what_was_paid_after_a_reversal_is_not_paid_again_after_a_restore() -> None:
    """The backup knows that the first transfer came back, and not the second, nor who approved it.

    Nor was the ledger published: it is for a person, and who approves it and lets the money go on
    finds the second one in the way.
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
    payouts.clock.advance(seconds=LONGER_THAN_KEYS_LIVE)
    payouts = restore(payouts, backup)
    assert "a person must approve it anew" in (await recover(payouts))[0]
    await payouts.give_destination("acct_2")
    await pay(payouts)
    payouts.brake.pulled.clear()
    await pay(payouts)
    await approve(payouts, 1, FIRST, version=2, revision=0)
    await pay(payouts)
    stopped = payouts.brake.stopped(CAMPAIGN)
    assert stopped is not None and stopped.by == "payouts"
    # As the runbook says: what is approved again is taken over by another recovery.
    assert await recover(payouts) == [f"{CAMPAIGN}/stage-1: taken over from the provider"]
    payouts.brake.pulled.clear()
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID
    assert payouts.brake.stopped(CAMPAIGN) is None
    assert len(payouts.provider.transfers) == 2 and len(payouts.provider.payouts) == 1
    await assert_true(payouts)


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


async def older_than_what_showed_up(payouts: Payouts) -> Backup:
    """The campaign is met, and nothing of its first stage is in the backup; then it is given up."""
    await met_with_a_destination(payouts)
    backup = back_up(payouts)
    await give_up(payouts)
    return backup


async def restored_behind_all(
    payouts: Payouts, backup: Backup
) -> tuple[Payouts, list[str], list[Record]]:
    """Return what goes on with the backup, what is for a person, and what was published before."""
    ledger = await ledger_of(payouts)
    payouts.clock.advance(seconds=LONGER_THAN_KEYS_LIVE)
    payouts = restore(payouts, backup)
    # Who stopped the money is behind the backup, too.
    payouts.brake.pulled.clear()
    await roll_forward(payouts, ledger)
    return payouts, [line for line in await recover(payouts) if "a person" in line], ledger


async def assert_paid_by_the_second(payouts: Payouts) -> None:
    """By the transfer that was made before the restore, with the number that it has there."""
    await pay(payouts)
    paid = await the(payouts, 1)
    assert (paid.state, paid.attempt.number) == (StageState.PAID, 2)
    assert payouts.brake.stopped(CAMPAIGN) is None
    assert len(payouts.provider.transfers) == 2 and len(payouts.provider.payouts) == 1
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and book.unclaimed == 0
    await assert_true(payouts)


@pytest.mark.trap(21)
@pytest.mark.trap(23)
async def test_a_backup_older_than_what_was_given_up_and_taken_back_goes_on() -> None:
    """It knows of no attempt at all: the ledger never had the one, and has the other."""
    payouts = memory_payouts()
    backup = await older_than_what_showed_up(payouts)
    await take_all_back(payouts)
    await pay(payouts)
    payouts, for_people, ledger = await restored_behind_all(payouts, backup)
    assert for_people == []
    await assert_paid_by_the_second(payouts)
    await assert_the_ledger_goes_on(payouts, ledger)


@pytest.mark.trap(21)
@pytest.mark.trap(23)
async def test_a_backup_older_than_what_was_let_be_goes_on_once_people_say_it_again() -> None:
    """The words of two people are behind the backup: its money stands until they are said anew."""
    payouts = memory_payouts()
    backup = await older_than_what_showed_up(payouts)
    (made,) = payouts.provider.transfers.values()
    payouts.provider.reverse(made.transfer_id, PART)
    await compared(payouts)
    await say(payouts, made.balance_transaction, Verdict.LET_BE, "staff-1", "staff-2")
    assert await let_go_on(payouts)
    payouts, for_people, ledger = await restored_behind_all(payouts, backup)
    assert "has 2 transfers" in for_people[0] and payouts.brake.stopped(CAMPAIGN) is not None
    payouts.clock.advance(seconds=3_600)
    await compared(payouts)
    await say(payouts, made.balance_transaction, Verdict.LET_BE, "staff-1", "staff-2")
    assert await recover(payouts) == [f"{CAMPAIGN}/stage-1: taken over from the provider"]
    payouts.brake.pulled.clear()
    await assert_paid_by_the_second(payouts)
    await assert_the_ledger_goes_on(payouts, ledger)


@pytest.mark.trap(21)
@pytest.mark.trap(23)
async def test_a_backup_older_than_all_that_was_taken_back_is_for_people_to_approve() -> None:
    """Two were given up and reversed, and none was paid since: one of them is booked, and back."""
    payouts = memory_payouts()
    backup = await older_than_what_showed_up(payouts)
    await take_all_back(payouts)
    await give_up(payouts)
    for made in payouts.provider.transfers.values():
        if not made.reversed_amount:
            payouts.provider.reverse(made.transfer_id)
    assert len(payouts.provider.transfers) == 2 and payouts.provider.payouts == {}
    payouts, for_people, _ = await restored_behind_all(payouts, backup)
    assert for_people == []
    await pay(payouts)
    due = await the(payouts, 1)
    assert (due.state, due.reason) == (StageState.DUE, "transfer-reversed")
    assert len(payouts.provider.transfers) == 2 and payouts.provider.payouts == {}
    await approve(payouts, 1, FIRST, revision=0)
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID
    assert len(payouts.provider.transfers) == 3 and len(payouts.provider.payouts) == 1
    await assert_true(payouts)


async def nothing_between(_: Payouts) -> None:
    pass


async def approval_that_fell(payouts: Payouts) -> None:
    """A person approves it, and its creator names another account before anything is sent."""
    await approve(payouts, 1, FIRST, revision=0)
    await payouts.give_destination("acct_3")
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.DUE


@pytest.mark.trap(21)
@pytest.mark.trap(23)
@pytest.mark.parametrize("between", [nothing_between, approval_that_fell])
@pytest.mark.parametrize("known", ["nothing", "transferred", "stuck"])
async def test_a_backup_older_than_what_was_booked_and_paid_anew_takes_over_each_in_turn(
    known: str, between: Callable[[Payouts], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first transfer came back whole, the ledger has both approvals: nobody is asked again."""
    payouts = memory_payouts()
    await met_with_a_destination(payouts)
    backup = back_up(payouts)
    if known == "transferred":
        backup = await transferred_in_a_backup(payouts, monkeypatch)
    payouts.provider.faults["create_payout"] = ["decline"] * 3
    await pay(payouts)
    if known == "stuck":
        backup = back_up(payouts)
    await take_back(payouts, 1)
    await pay(payouts, 3)
    await between(payouts)
    await payouts.give_destination("acct_2")
    await pay(payouts)
    given = await payouts.queries.destination(CAMPAIGN)
    assert given is not None
    await approve(payouts, 1, FIRST, version=given.version, revision=0)
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID
    payouts, for_people, ledger = await restored_behind_all(payouts, backup)
    assert for_people == []
    await pay(payouts)
    paid = await the(payouts, 1)
    assert (paid.state, paid.attempt.account) == (StageState.PAID, "acct_2")
    assert payouts.brake.stopped(CAMPAIGN) is None
    assert len(payouts.provider.transfers) == 2 and len(payouts.provider.payouts) == 1
    await assert_all_is_claimed(payouts, ledger)


@pytest.mark.trap(21)
@pytest.mark.trap(23)
async def test_a_last_stage_that_was_booked_and_paid_anew_is_taken_over_with_its_fees() -> None:
    """The ledger says how it was divided, both times; nothing is owed or approved anew."""
    payouts = memory_payouts()
    await last_milestone_approved(payouts)
    backup = back_up(payouts)
    await approve(payouts, 3, LAST, limit=LIMIT)
    payouts.provider.faults["create_payout"] = ["decline"] * 3
    await pay(payouts)
    await take_back(payouts, 3)
    await pay(payouts)
    await approve(payouts, 3, LAST, limit=LIMIT)
    await pay(payouts)
    before = await the(payouts, 3)
    assert before.state is StageState.PAID
    made = len(payouts.provider.transfers)
    payouts, for_people, ledger = await restored_behind_all(payouts, backup)
    assert for_people == []
    await pay(payouts)
    paid = await the(payouts, 3)
    assert (paid.state, paid.divided, paid.amount) == (StageState.PAID, before.divided, LAST)
    assert paid.approval is not None and paid.approval.by == "ledger"
    assert await held(payouts, Account.PLATFORM_FEE_INCOME) == 500
    assert len(payouts.provider.transfers) == made
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and (book.unclaimed, book.last_approved) == (0, True)
    await assert_the_ledger_goes_on(payouts, ledger)
    await assert_true(payouts)


@pytest.mark.trap(23)
async def test_a_stage_that_was_paid_before_a_cancellation_is_not_the_backers_after_a_restore() -> (
    None
):
    """What is left now is another amount than what was approved: the ledger says which it was."""
    payouts = memory_payouts()
    await second_due(payouts)
    backup = back_up(payouts)
    await approve(payouts, 2, 3_000, limit=LIMIT)
    await pay(payouts)
    await payouts.hear_cancellation(2)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 2_500, "ch_2": 2_500}
    ledger = await ledger_of(payouts)
    payouts = restore(payouts, backup)
    await roll_forward(payouts, ledger)
    await payouts.hear_cancellation(2)
    assert [line for line in await recover(payouts) if "a person" in line] == []
    assert (await the(payouts, 2)).state is StageState.PAID
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 2_500, "ch_2": 2_500}
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and (book.unclaimed, book.balances[Account.BACKER_FUNDS]) == (0, 0)
    await assert_the_ledger_goes_on(payouts, ledger)
    await payouts.assert_books_true()


@pytest.mark.trap(23)
@pytest.mark.parametrize("taken_back", [False, True])
async def test_a_backup_older_than_what_was_set_off_goes_on(taken_back: bool) -> None:
    """The ledger says what was set off; of what was taken back that alone is undone by its name."""
    payouts, debt = memory_payouts(), 700
    await met_with_a_destination(payouts)

    async def lend(unit: PayoutsUnit) -> None:
        book = (await unit.books.load([CAMPAIGN]))[CAMPAIGN]
        lent = refund_requested("rf_1", 0, advanced=debt)
        await unit.books.save([await post(unit, book, [lent], payouts.clock.now())])

    await payouts.units.run(lend)
    backup = back_up(payouts)
    payouts.provider.faults["create_payout"] = ["decline"] * 3 * taken_back
    await pay(payouts)
    assert (await the(payouts, 1)).set_off == debt
    if taken_back:
        await take_back(payouts, 1)
        await pay(payouts)
        assert (await the(payouts, 1)).state is StageState.DUE
    payouts, for_people, ledger = await restored_behind_all(payouts, backup)
    assert for_people == []
    await pay(payouts)
    if taken_back:
        due = await the(payouts, 1)
        assert (due.state, due.reason, due.set_off) == (StageState.DUE, "transfer-reversed", 0)
        assert await held(payouts, Account.CREATOR_RECEIVABLE) == debt
        await approve(payouts, 1, FIRST, revision=0)
        await pay(payouts)
    paid = await the(payouts, 1)
    assert (paid.state, paid.set_off, paid.sent) == (StageState.PAID, debt, FIRST - debt)
    assert len(payouts.provider.transfers) == 1 + taken_back
    assert len(payouts.provider.payouts) == 1
    await assert_the_ledger_goes_on(payouts, ledger)
    accounts = (Account.CREATOR_RECEIVABLE, Account.CREATOR_PAYABLE, Account.PAYOUTS_IN_FLIGHT)
    assert [await held(payouts, one) for one in accounts] == [0, 0, 0]
    assert await held(payouts, Account.CREATOR_ACCOUNT) == 0


PART = 500


async def part_back(payouts: Payouts, part: int = PART) -> tuple[str, str | None]:
    """What showed up is taken back in part, or not at all; return both balance transactions."""
    await shown_too_late(payouts)
    (made,) = payouts.provider.transfers.values()
    back = payouts.provider.reverse(made.transfer_id, part) if part else None
    wanted = {made.balance_transaction: -FIRST} | ({back: part} if back else {})
    found = await compared(payouts)
    assert {one.balance_transaction: one.amount for one in found} == wanted
    return made.balance_transaction, back


async def say(payouts: Payouts, name: str | None, verdict: Verdict, *people: str) -> None:
    campaign_id = CAMPAIGN if verdict is Verdict.ASSIGN else None
    for by in people:
        saying = Saying(verdict, "its creator keeps it", by, payouts.clock.now(), campaign_id)
        await payouts.say_of_break(f"unbooked:{name}", saying)


async def let_go_on(payouts: Payouts) -> bool:
    """People let the money go on; return whether it still does after a while."""
    payouts.brake.pulled.clear()
    await pay(payouts, 40)
    return payouts.brake.stopped(CAMPAIGN) is None


@pytest.mark.trap(21)
async def test_a_rest_that_two_people_let_be_is_in_the_way_no_more(payouts: Payouts) -> None:
    """One of them alone changes nothing; then the stage is paid, and the float bears the rest."""
    made, back = await part_back(payouts)
    assert not await let_go_on(payouts)
    await say(payouts, made, Verdict.LET_BE, "staff-1", "staff-1")
    assert not await let_go_on(payouts)
    await say(payouts, made, Verdict.LET_BE, "staff-2")
    assert await let_go_on(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID
    assert len(payouts.provider.transfers) == 2 and len(payouts.provider.payouts) == 1
    assert payouts.provider.accounts["acct_1"] == FIRST - PART
    await say(payouts, back, Verdict.LET_BE, "staff-1", "staff-2")
    assert await compared(payouts) == ()
    await assert_true(payouts)


@pytest.mark.trap(21)
@pytest.mark.parametrize("verdict", list(Verdict))
async def test_whom_a_campaign_concerns_says_nothing_of_its_transfer(
    payouts: Payouts, verdict: Verdict
) -> None:
    """No book has it and the break names no campaign: the provider says for which it was made."""
    await payouts.units.run(lambda unit: unit.creators.add({CAMPAIGN: "creator-1"}))
    made, _ = await part_back(payouts)
    (found,) = [b for b in await compared(payouts) if b.balance_transaction == made]
    assert found.campaign_id is None
    for by, reason in (("creator-1", "creator-approves"), ("backer-2", "backer-approves")):
        with pytest.raises(Refused) as refused:
            await say(payouts, made, verdict, by)
        assert refused.value.reason == reason
    await say(payouts, made, verdict, "staff-1")
    for by in ("creator-1", "backer-1"):
        with pytest.raises(Refused):
            await say(payouts, made, verdict, by)
    known = await payouts.reconciliation.break_(found.break_id)
    assert known is not None and known.confirmed is None
    assert not await let_go_on(payouts)


async def test_nobody_says_anything_of_a_transfer_while_the_provider_is_silent(
    payouts: Payouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose it is nobody knows then: who says it may be the creator."""
    made, _ = await part_back(payouts)

    async def silent(_: object) -> NoAnswer:
        return NoAnswer()

    with monkeypatch.context() as patched:
        patched.setattr(payouts.provider, "campaign_of", silent)
        with pytest.raises(Refused) as refused:
            await say(payouts, made, Verdict.LET_BE, "staff-1")
    assert refused.value.reason == "try-again"
    await say(payouts, made, Verdict.LET_BE, "staff-1", "staff-2")
    assert await let_go_on(payouts)


@pytest.mark.trap(21)
@pytest.mark.parametrize(("part", "verdict"), [(PART, Verdict.ASSIGN), (0, Verdict.LET_BE)])
async def test_what_two_people_say_otherwise_stays_in_the_way(
    payouts: Payouts, part: int, verdict: Verdict
) -> None:
    """Whose it is explains it only; and nobody lets a whole stage be, to be paid once more."""
    made, _ = await part_back(payouts, part)
    await say(payouts, made, verdict, "staff-1", "staff-2")
    assert not await let_go_on(payouts)
    assert (await the(payouts, 1)).state is not StageState.PAID
    assert len(payouts.provider.transfers) == 1 and payouts.provider.payouts == {}


@pytest.mark.trap(21)
@pytest.mark.trap(23)
async def test_a_rest_that_is_let_be_stops_no_recovery() -> None:
    """The list shows it for ever, and the stage is paid by another one."""
    payouts = memory_payouts()
    made, _ = await part_back(payouts)
    await say(payouts, made, Verdict.LET_BE, "staff-1", "staff-2")
    assert await let_go_on(payouts)
    ledger = await ledger_of(payouts)
    payouts = restore(payouts, back_up(payouts))
    await roll_forward(payouts, ledger)
    assert [line for line in await recover(payouts) if "a person" in line] == []
    assert await let_go_on(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID
    assert len(payouts.provider.transfers) == 2 and len(payouts.provider.payouts) == 1


async def shown_too_late(payouts: Payouts) -> None:
    """A transfer was given up because no list showed it, and stops its campaign's money now."""
    await met_with_a_destination(payouts)
    await give_up(payouts)


async def give_up(payouts: Payouts) -> None:
    payouts.provider.faults["create_transfer"] = ["error_after"]
    payouts.provider.list_lags = True
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
