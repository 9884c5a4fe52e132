"""One suite for the provider: the fake, and Stripe's adapter in front of the sandbox process."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from infra.sandbox.provider.client import SandboxClient
from infra.suite.processes import SandboxProcess
from infra.suite.readings import eventually
from payouts.adapters.stripe_provider import StripeProvider
from payouts.domain.book import collect
from payouts.domain.destination import give, verify
from payouts.domain.dispute import DisputeSeen, ProviderDisputeStatus
from payouts.domain.refund import Refund, request
from payouts.domain.refund_outcome import ProviderRefundStatus, RefundSeen, refuse
from payouts.domain.refund_sending import send
from payouts.domain.stage import Stage, make_due, schedule
from payouts.domain.stage_approval import approve_by_verdict
from payouts.domain.stage_outcome import (
    PayoutSeen,
    ProviderPayoutStatus,
    Reversal,
    TransferSeen,
    observe_payout,
    observe_transfer,
)
from payouts.domain.stage_recovery import TransferMade
from payouts.domain.stage_sending import send as send_stage
from payouts.domain.stage_sending import submit
from payouts.ports.provider import (
    MANUAL,
    CashMovement,
    Declined,
    MadeBefore,
    NoAnswer,
    NotThere,
    PlatformAccount,
    Provider,
    ProviderBalance,
    Throttled,
)
from servicekit.clock import ManualClock
from servicekit.pace import Pace
from services.payouts.tests.builders import LIMIT, NOW, SHARES, a_book, a_pledge
from services.payouts.tests.fakes import MemoryProvider

AMOUNT = 5_000
FLOAT = 1_000_000
A_DAY_SECONDS = 24 * 60 * 60 + 1


@dataclass
class MemoryWorld:
    """The fake, and what others do at it."""

    provider: MemoryProvider
    clock: ManualClock

    async def charge(self) -> str:
        self.provider.cash += AMOUNT
        name = f"ch_{secrets.token_hex(4)}"
        self.provider.charged[name] = AMOUNT
        return name

    async def order(self, kind: str, operation: str) -> None:
        self.provider.faults.setdefault(operation, []).append(kind)

    async def fail_later(self, refund: Refund, seen: RefundSeen) -> None:
        self.provider.fail_later(refund)

    async def reverse(self, seen: TransferSeen, amount: int | None) -> None:
        self.provider.reverse(seen.transfer_id, amount)

    async def confirm_payouts(self) -> None:
        """The fake's bank has confirmed them with the answer."""

    async def send_back(self, stage: Stage, seen: PayoutSeen) -> None:
        self.provider.bounce(stage)

    async def hold_references_back(self) -> None:
        """The fake tells none by itself."""

    async def refer(self, refund: Refund) -> None:
        self.provider.refer(refund.attempt_id, f"arn-of-{refund.refund_id}")

    async def dispute(self, reference: str, amount: int, fee: int, asked: bool) -> str:
        return self.provider.dispute(reference, amount, fee, inquiry=asked)

    async def move_dispute(self, name: str, status: ProviderDisputeStatus) -> None:
        self.provider.move_dispute(name, status)

    async def pass_a_day(self) -> None:
        self.clock.advance(seconds=A_DAY_SECONDS)

    async def account(self, problem: str | None = None, schedule: str = MANUAL) -> str:
        name = f"acct_{secrets.token_hex(4)}"
        self.provider.accounts[name] = 0
        self.provider.schedules[name] = schedule
        if problem is not None:
            self.provider.unusable_accounts[name] = problem
        return name


@dataclass
class SandboxWorld:
    """The real sandbox process, and what others do at it."""

    provider: StripeProvider
    client: SandboxClient

    async def charge(self) -> str:
        return str((await self.client.charge(AMOUNT, "EUR"))["id"])

    async def order(self, kind: str, operation: str) -> None:
        _, name = operation.split("_")
        await self.client.order_fault(kind, f"{name}s.create", count=1)

    async def fail_later(self, refund: Refund, seen: RefundSeen) -> None:
        await self.client.control(f"/refunds/{seen.provider_refund_id}/fail")

    async def reverse(self, seen: TransferSeen, amount: int | None) -> None:
        part = {} if amount is None else {"amount": amount}
        await self.client.control(f"/transfers/{seen.transfer_id}/reverse", **part)

    async def confirm_payouts(self) -> None:
        await self.client.settle("payout_paid")

    async def send_back(self, stage: Stage, seen: PayoutSeen) -> None:
        await self.client.control(f"/payouts/{seen.payout_id}/fail", reason="account_closed")

    async def hold_references_back(self) -> None:
        await self.client.change_settings(refund_reference_seconds=A_DAY_SECONDS)

    async def refer(self, refund: Refund) -> None:
        await self.client.settle("refund_referenced")

    async def dispute(self, reference: str, amount: int, fee: int, asked: bool) -> str:
        status = "inquiry" if asked else "opened"
        order = {"amount": amount, "fee": fee, "status": status}
        return str((await self.client.dispute(reference, **order))["id"])

    async def move_dispute(self, name: str, status: ProviderDisputeStatus) -> None:
        words = {ProviderDisputeStatus.OPEN: "opened"}
        await self.client.move_dispute(name, words.get(status, status.value))

    async def pass_a_day(self) -> None:
        await self.client.advance_clock(A_DAY_SECONDS)

    async def account(self, problem: str | None = None, schedule: str = MANUAL) -> str:
        name = str((await self.client.create_account())["id"])
        if schedule != MANUAL:
            await self.client.control(f"/accounts/{name}", payout_interval=schedule)
        if problem is not None:
            change = {"payouts_enabled": False, "disabled_reason": problem}
            await self.client.control(f"/accounts/{name}", **change)
        return name


World = MemoryWorld | SandboxWorld


@pytest.fixture(scope="module")
def sandbox_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    process = SandboxProcess(tmp_path_factory.mktemp("sandbox"), False, seed=0)
    process.start()
    yield process.url
    process.stop()


@pytest.fixture(params=["memory", "sandbox"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """A provider with a float and without faults."""
    if request.param == "memory":
        clock = ManualClock(NOW)
        yield MemoryWorld(MemoryProvider(clock, cash=FLOAT), clock)
        return
    address = request.getfixturevalue("sandbox_address")
    provider = StripeProvider(address, "sk_test", timeout_seconds=5, pace=Pace(1_000))
    async with SandboxClient(address) as client:
        await client.top_up(FLOAT, "EUR")
        yield SandboxWorld(provider, client)
        await client.http.delete("/control/faults")
        await client.change_settings(refund_reference_seconds=0)
    await provider.close()


async def a_refund(world: World) -> Refund:
    """A refund whose first attempt is noted as sent."""
    reference = await world.charge()
    charged = replace(
        a_pledge(amount=AMOUNT), pledge_id=f"pledge-{reference}", payment_reference=reference
    )
    asked = request(collect(a_book(), charged).money, "verdict-reached/campaign-1", NOW)
    return send(asked.refund, NOW)


def next_attempt(refund: Refund) -> Refund:
    money = collect(a_book(), a_pledge(amount=AMOUNT)).money
    return send(refuse(refund, money, "declined", True, NOW).refund, NOW)


def a_stage(account: str, amount: int = AMOUNT) -> Stage:
    """A stage with its first attempt, in a campaign of its own."""
    campaign = f"campaign-{secrets.token_hex(4)}"
    destination = verify(give(None, campaign, "sandbox", account, NOW), NOW)
    due = make_due(schedule(campaign, "EUR", amount, SHARES, NOW).stages[0], amount, NOW).stage
    approved = approve_by_verdict(due, amount, destination, max(LIMIT, amount), NOW).stage
    return submit(approved, (), destination, NOW).stage


async def available(world: World) -> int:
    balance = await world.provider.balance("EUR")
    assert isinstance(balance, ProviderBalance)
    return balance.available


async def test_the_same_key_gives_the_first_answer_again(world: World) -> None:
    """And the cash leaves once."""
    refund = await a_refund(world)
    before = await available(world)
    first = await world.provider.create_refund(refund)
    assert isinstance(first, RefundSeen) and first.balance_transaction is not None
    assert (first.attempt, first.status) == (1, ProviderRefundStatus.SUCCEEDED)
    assert await world.provider.create_refund(refund) == first
    assert await world.provider.find_refund(refund) == first
    assert await available(world) == before - AMOUNT


async def test_a_lost_answer_is_found_and_given_again(world: World) -> None:
    """It was done although nobody was told: look-up and resend both say so."""
    refund = await a_refund(world)
    await world.order("timeout_after", "create_refund")
    assert await world.provider.create_refund(refund) == NoAnswer()
    found = await world.provider.find_refund(refund)
    assert isinstance(found, RefundSeen)
    assert await world.provider.create_refund(refund) == found


@pytest.mark.parametrize("kind", ["error_before", "error_after"])
async def test_a_server_error_spends_the_key(world: World, kind: str) -> None:
    """The key replays the error for ever; only the look-up knows whether it was done."""
    refund = await a_refund(world)
    before = await available(world)
    await world.order(kind, "create_refund")
    for _ in range(2):
        assert await world.provider.create_refund(refund) == NoAnswer(key_spent=True)
    found = await world.provider.find_refund(refund)
    if kind == "error_after":
        assert isinstance(found, RefundSeen)
    else:
        assert found == NotThere()
        assert isinstance(await world.provider.create_refund(next_attempt(refund)), RefundSeen)
    assert await available(world) == before - AMOUNT


async def test_throttling_leaves_the_key_good(world: World) -> None:
    """Nothing was done, and the same attempt goes through later."""
    refund = await a_refund(world)
    await world.order("rate_limited", "create_refund")
    assert await world.provider.create_refund(refund) == Throttled(1)

    async def looked_up() -> RefundSeen | NotThere | None:
        # While the account rests, what is read beside the work has no answer.
        found = await world.provider.find_refund(refund)
        return None if isinstance(found, NoAnswer) else found

    assert await eventually("the account has rested", looked_up) == NotThere()
    assert isinstance(await world.provider.create_refund(refund), RefundSeen)


async def test_a_refusal_is_definite(world: World) -> None:
    """The key keeps it, nothing was done, and a new attempt may succeed."""
    refund = await a_refund(world)
    await world.order("decline", "create_refund")
    refused = await world.provider.create_refund(refund)
    assert isinstance(refused, Declined) and refused.retryable and not refused.for_funds
    assert await world.provider.create_refund(refund) == refused
    assert await world.provider.find_refund(refund) == NotThere()
    assert isinstance(await world.provider.create_refund(next_attempt(refund)), RefundSeen)


async def test_a_late_failure_shows_in_the_look_up_and_in_the_cash(world: World) -> None:
    """The key still replays the success of old: only looking tells the truth."""
    last = await newest_movement(world)
    refund = await a_refund(world)
    seen = await world.provider.create_refund(refund)
    assert isinstance(seen, RefundSeen)
    await world.fail_later(refund, seen)
    assert await world.provider.create_refund(refund) == seen
    now = await world.provider.find_refund(refund)
    assert isinstance(now, RefundSeen) and now.status is ProviderRefundStatus.FAILED
    assert now.balance_transaction == seen.balance_transaction and now.reason and now.retryable
    moved = await world.provider.movements_after(last)
    assert moved is not None
    assert [(m.id, m.type) for m in moved if m.source == seen.provider_refund_id] == [
        (seen.balance_transaction, "refund"),
        (now.failure_balance_transaction, "refund_failure"),
    ]
    assert await world.provider.movements_after(moved[-1].id) == []
    listed = await world.provider.movements_of("", last)
    assert listed is not None
    assert [(m.id, m.amount, m.fee, m.currency) for m in listed if m.type.startswith("refund")] == [
        (seen.balance_transaction, -refund.amount, 0, "EUR"),
        (now.failure_balance_transaction, refund.amount, 0, "EUR"),
    ]
    assert await world.provider.movements_of("", listed[-1].id) == []
    assert isinstance(await world.provider.create_refund(next_attempt(refund)), RefundSeen)


async def test_the_acquirers_reference_comes_with_a_later_look(world: World) -> None:
    """Not with the answer, which its key replays for ever; the refund is the same but for it."""
    await world.hold_references_back()
    refund = await a_refund(world)
    seen = await world.provider.create_refund(refund)
    assert isinstance(seen, RefundSeen) and seen.acquirer_reference is None
    assert await world.provider.find_refund(refund) == seen
    await world.refer(refund)
    found = await world.provider.find_refund(refund)
    assert isinstance(found, RefundSeen) and found.acquirer_reference
    assert replace(found, acquirer_reference=None) == seen
    assert await world.provider.refunds_of(refund) == [found]
    assert await world.provider.create_refund(refund) == seen


async def test_all_attempts_of_a_refund_are_looked_up(world: World) -> None:
    """Whatever came of each: which of them this database knows does not matter."""
    refund, other = await a_refund(world), await a_refund(world)
    assert await world.provider.refunds_of(refund) == []
    seen = await world.provider.create_refund(refund)
    assert isinstance(seen, RefundSeen)
    await world.provider.create_refund(other)
    await world.fail_later(refund, seen)
    again = await world.provider.create_refund(next_attempt(refund))
    found = await world.provider.refunds_of(refund)
    assert isinstance(found, list) and again in found
    assert {one.attempt: (one.provider_refund_id, one.status) for one in found} == {
        1: (seen.provider_refund_id, ProviderRefundStatus.FAILED),
        2: (getattr(again, "provider_refund_id", None), ProviderRefundStatus.SUCCEEDED),
    }


async def newest_movement(world: World) -> str | None:
    last = None
    while page := await world.provider.movements_after(last):
        last = page[-1].id
    return last


async def test_a_forgotten_key_does_not_return_the_money_twice(world: World) -> None:
    """After a day the key means nothing; "already refunded" is success only if it is ours."""
    refund = await a_refund(world)
    seen = await world.provider.create_refund(refund)
    before = await available(world)
    await world.pass_a_day()
    assert await world.provider.create_refund(refund) == seen
    other = replace(refund, refund_id="rf_of_somebody_else_" + refund.refund_id)
    refused = await world.provider.create_refund(other)
    assert isinstance(refused, Declined) and not refused.retryable
    assert await available(world) == before


async def test_already_refunded_by_an_earlier_attempt_is_told(world: World) -> None:
    """The later one is refused, what the earlier one made is found; a foreign one is not."""
    refund = await a_refund(world)
    later = next_attempt(refund)
    assert await world.provider.find_refund(later) == NotThere()
    seen = await world.provider.create_refund(refund)
    assert isinstance(seen, RefundSeen)
    assert await world.provider.find_refund(later) == MadeBefore(seen, refused=False)
    assert await world.provider.create_refund(later) == MadeBefore(seen, refused=True)
    foreign = replace(later, refund_id="rf_of_somebody_else_" + later.refund_id)
    assert await world.provider.create_refund(foreign) == NoAnswer(), "a person must look"


async def test_the_two_legs_of_a_stage(world: World) -> None:
    """Transfer to the account, then payout from it, each once under its key."""
    stage = a_stage(await world.account())
    before = await available(world)
    short = await world.provider.create_payout(stage)
    assert isinstance(short, Declined) and short.for_funds
    transfer = await world.provider.create_transfer(stage)
    assert isinstance(transfer, TransferSeen) and transfer.attempt == 1
    assert await world.provider.create_transfer(stage) == transfer
    assert await world.provider.find_transfer(stage) == transfer
    assert await available(world) == before - AMOUNT


async def test_the_bank_confirms_the_payout(world: World) -> None:
    """The second leg is seen in transit or paid, and paid in the end, with its cash."""
    stage = a_stage(await world.account())
    await world.provider.create_transfer(stage)
    assert await world.provider.find_payout(stage) == NotThere()
    first = await world.provider.create_payout(stage)
    assert isinstance(first, PayoutSeen)
    await world.confirm_payouts()

    async def paid() -> PayoutSeen | None:
        seen = await world.provider.find_payout(stage)
        assert isinstance(seen, PayoutSeen) and seen.payout_id == first.payout_id
        return seen if seen.status is ProviderPayoutStatus.PAID else None

    assert (await eventually("the payout is paid", paid)).balance_transaction is not None


@pytest.mark.trap(7)
async def test_a_payout_that_comes_back(world: World) -> None:
    """Paid, then sent back: the look says so with its cash, and its transfer stays the only one.

    The key still replays the answer of old. The next attempt's payout goes from the account, where
    the money is again.
    """
    account = await world.account()
    stage = a_stage(account)
    transfer = await world.provider.create_transfer(stage)
    assert isinstance(transfer, TransferSeen)
    moved = send_stage(observe_transfer(send_stage(stage, NOW), transfer).stage, NOW)
    answer = await world.provider.create_payout(moved)
    assert isinstance(answer, PayoutSeen)
    await world.confirm_payouts()
    paid = await world.provider.find_payout(moved)
    assert isinstance(paid, PayoutSeen) and paid.status is ProviderPayoutStatus.PAID
    await world.send_back(moved, paid)

    back = await world.provider.find_payout(moved)

    assert isinstance(back, PayoutSeen) and back.reason == "account_closed"
    gone = (paid.payout_id, paid.balance_transaction)
    assert (back.payout_id, back.balance_transaction) == gone
    assert back.status is ProviderPayoutStatus.FAILED and paid.failure_balance_transaction is None
    listed = await world.provider.movements_of(account, None)
    assert listed is not None
    assert [
        (one.id, one.type, one.source, one.amount) for one in listed if "payout" in one.type
    ] == [
        (back.balance_transaction, "payout", back.payout_id, -AMOUNT),
        (back.failure_balance_transaction, "payout_failure", back.payout_id, AMOUNT),
    ]
    assert await world.provider.create_payout(moved) == answer
    ended = observe_payout(observe_payout(moved, paid, NOW).stage, back, NOW).stage
    destination = verify(give(None, stage.campaign_id, "sandbox", account, NOW), NOW)
    again = send_stage(submit(ended, (), destination, NOW).stage, NOW)
    second = await world.provider.create_payout(again)
    assert isinstance(second, PayoutSeen) and second.payout_id != back.payout_id
    assert again.attempt.number == 2
    assert await world.provider.transfers_of(again) == [TransferMade(transfer, account, AMOUNT)]


async def test_all_legs_of_a_stage_are_looked_up(world: World) -> None:
    """A transfer with what was asked for, a payout from the account that it was asked of."""
    account, elsewhere = await world.account(), await world.account()
    stage, other = a_stage(account), a_stage(account)
    assert await world.provider.transfers_of(stage) == []
    assert await world.provider.payouts_of(stage, account) == []
    seen = await world.provider.create_transfer(stage)
    assert isinstance(seen, TransferSeen)
    await world.provider.create_transfer(other)
    payout = await world.provider.create_payout(stage)
    assert isinstance(payout, PayoutSeen)
    await world.provider.create_payout(other)
    assert await world.provider.transfers_of(stage) == [TransferMade(seen, account, AMOUNT)]
    found = await world.provider.payouts_of(stage, account)
    assert isinstance(found, list)
    assert [(one.attempt, one.payout_id) for one in found] == [(1, payout.payout_id)]
    assert await world.provider.payouts_of(stage, elsewhere) == []


@pytest.mark.parametrize("operation", ["create_transfer", "create_payout"])
async def test_a_lost_answer_of_a_leg_is_found(world: World, operation: str) -> None:
    """As for refunds: the look-up finds what the key gives, and both are one object."""
    stage = a_stage(await world.account())
    if operation == "create_payout":
        await world.provider.create_transfer(stage)
    create = getattr(world.provider, operation)
    find = getattr(world.provider, operation.replace("create", "find"))
    await world.order("timeout_after", operation)
    assert await create(stage) == NoAnswer()
    found, given = await find(stage), await create(stage)
    if operation == "create_transfer":
        assert found == given
    else:
        assert found.payout_id == given.payout_id


async def test_more_than_there_is_is_refused_for_funds(world: World) -> None:
    """A transfer above the balance: nothing moves, and it says what for."""
    stage = a_stage(await world.account(), amount=await available(world) + 1)
    refused = await world.provider.create_transfer(stage)
    assert isinstance(refused, Declined) and refused.for_funds


async def test_accounts_say_whether_they_can_be_paid(world: World) -> None:
    """None for a good one, else the provider's own word, or that it would sweep what comes."""
    assert await world.provider.account_problem(await world.account()) is None
    closed = await world.account("requirements.past_due")
    assert await world.provider.account_problem(closed) == "requirements.past_due"
    sweeping = await world.account(schedule="daily")
    assert await world.provider.account_problem(sweeping) == "payout-schedule-daily"
    both = await world.account("requirements.past_due", schedule="daily")
    assert await world.provider.account_problem(both) == "requirements.past_due"
    assert await world.provider.account_problem("acct_unknown") == "account-unknown"


async def test_cash_that_left_says_whose_it_was(world: World) -> None:
    """By a refund's or a transfer's balance transaction; anything else says nothing."""
    account = await world.account()
    refund, stage = await a_refund(world), a_stage(account)
    await world.provider.create_refund(refund)
    await world.provider.create_transfer(stage)
    cursor, left = None, []
    while page := await world.provider.movements_after(cursor):
        left += [one for one in page if one.type in ("refund", "transfer")]
        cursor = page[-1].id
    of_refund, of_transfer = left[-2:]
    assert await world.provider.campaign_of(of_refund) == refund.campaign_id
    assert await world.provider.campaign_of(of_transfer) == stage.campaign_id
    assert await world.provider.campaign_of(CashMovement("t", "charge", "ch_1")) is None
    assert await world.provider.campaign_of(CashMovement("t", "refund", "re_unknown")) is None


async def test_the_platforms_payouts_are_manual(world: World) -> None:
    """The start asks for it."""
    account = await world.provider.platform_account()
    assert account == PlatformAccount("acct_platform", "manual")


async def test_a_provider_that_is_away_is_no_exception() -> None:
    """Every method answers that nobody knows."""
    listener = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    provider = StripeProvider(
        f"http://127.0.0.1:{port}", "sk_test", timeout_seconds=1, pace=Pace(1_000)
    )
    refund = send(request(collect(a_book(), a_pledge()).money, "cause", NOW).refund, NOW)
    stage = a_stage("acct_1")
    ask: Provider = provider
    for answer in (
        await ask.create_refund(refund),
        await ask.find_refund(refund),
        await ask.create_transfer(stage),
        await ask.find_transfer(stage),
        await ask.create_payout(stage),
        await ask.find_payout(stage),
        await ask.refunds_of(refund),
        await ask.transfers_of(stage),
        await ask.payouts_of(stage, "acct_1"),
        await ask.account_problem("acct_1"),
    ):
        assert answer == NoAnswer()
    assert await ask.campaign_of(CashMovement("txn_1", "refund", "re_1")) == NoAnswer()
    assert await ask.balance("EUR") is None
    assert await ask.movements_after(None) is None
    assert await ask.movements_of("", None) is None
    assert await ask.platform_account() is None
    listener.close()
    await provider.close()


@pytest.mark.trap(1)
async def test_equal_parts_of_one_charge_are_two_refunds(world: World) -> None:
    """Each is found by its own attempt, and together they are never more than the charge."""
    whole = await a_refund(world)
    parts = [replace(whole, refund_id=f"{whole.refund_id}-{n}", amount=2_000) for n in range(3)]
    before = await available(world)
    made = [await world.provider.create_refund(part) for part in parts]
    assert [type(one) for one in made] == [RefundSeen, RefundSeen, Declined]
    assert [await world.provider.find_refund(part) for part in parts[:2]] == made[:2]
    assert await world.provider.refunds_of(parts[1]) == [made[1]]
    assert await available(world) == before - 4_000


async def seen(world: World, name: str) -> DisputeSeen:
    found = await world.provider.find_dispute(name)
    assert isinstance(found, DisputeSeen)
    return found


@pytest.mark.trap(3)
async def test_a_chargeback_is_read_with_its_cash_and_refunds_are_refused(world: World) -> None:
    """What it withdrew, its fee, and what came back; each is a movement of the same dispute."""
    refund = await a_refund(world)
    before = await available(world)
    name = await world.dispute(refund.payment_reference, 5_100, 2_000, asked=False)
    opened = await seen(world, name)
    assert (opened.status, opened.amount, opened.fee) == (ProviderDisputeStatus.OPEN, 5_100, 2_000)
    assert (opened.currency, opened.payment_reference) == ("EUR", refund.payment_reference)
    assert await available(world) == before - 5_100 - 2_000
    refused = await world.provider.create_refund(refund)
    assert refused == Declined("charge_disputed", retryable=True)
    await world.move_dispute(name, ProviderDisputeStatus.WON)
    won = await seen(world, name)
    assert (won.status, won.withdrawn_in) == (ProviderDisputeStatus.WON, opened.withdrawn_in)
    assert await available(world) == before - 2_000
    moved = {one.id: one.type for one in await every_movement(world) if one.source == name}
    assert moved == {won.withdrawn_in: "dispute", won.reinstated_in: "dispute_reversal"}
    assert isinstance(await world.provider.create_refund(next_attempt(refund)), RefundSeen)


async def test_an_inquiry_is_read_without_cash(world: World) -> None:
    """It is closed, or becomes a chargeback, or is prevented; nobody else's name is there."""
    refund = await a_refund(world)
    before = await available(world)
    names = [await world.dispute(refund.payment_reference, 5_000, 0, asked=True) for _ in "abc"]
    statuses = ("closed", "prevented", "open")
    for name, status in zip(names, map(ProviderDisputeStatus, statuses), strict=True):
        asked = await seen(world, name)
        assert (asked.status, asked.withdrawn_in) == (ProviderDisputeStatus.INQUIRY, None)
        await world.move_dispute(name, status)
        assert (await seen(world, name)).status is status
    assert await available(world) == before - 5_000
    assert await world.provider.find_dispute("dp_none") == NotThere()
    await world.move_dispute(names[2], ProviderDisputeStatus.LOST)
    assert (await seen(world, names[2])).status is ProviderDisputeStatus.LOST


async def every_movement(world: World) -> list[CashMovement]:
    found: list[CashMovement] = []
    while page := await world.provider.movements_after(found[-1].id if found else None):
        found += page
    return found


async def test_movements_are_followed_from_the_oldest(sandbox_address: str) -> None:
    """However many there are, and of one second, too: none twice, none left out, in order."""
    provider = StripeProvider(sandbox_address, "sk_test", timeout_seconds=5, pace=Pace(1_000))
    async with SandboxClient(sandbox_address) as client:
        await client.advance_clock(10)
        await asyncio.gather(*(client.top_up(1, "EUR") for _ in range(210)))
        world = SandboxWorld(provider, client)
        followed = [one.id for one in await every_movement(world)]
        again = [one.id for one in await every_movement(world)]
        listed: list[str] = []
        page: dict[str, Any] = {"has_more": True, "data": []}
        while page["has_more"]:
            after = {"starting_after": listed[-1]} if listed else {}
            page = (await client.get("/v1/balance_transactions", limit=100, **after)).json()
            listed += [one["id"] for one in page["data"]]
    await provider.close()
    assert followed == again == listed[::-1]


@pytest.mark.parametrize("part", [None, 2_000])
async def test_a_transfer_that_was_taken_back_says_so(world: World, part: int | None) -> None:
    """All of it by one movement of the platform's cash, or a part; its far end is nobody's cash."""
    account = await world.account()
    stage, last = a_stage(account), await newest_movement(world)
    seen = await world.provider.create_transfer(stage)
    assert isinstance(seen, TransferSeen) and not seen.reversed_amount
    await world.reverse(seen, part)
    listed = await world.provider.movements_of("", last)
    assert listed is not None
    back = [one for one in listed if one.type == "transfer_refund"]
    assert [(one.amount, one.fee, one.is_own) for one in back] == [(part or AMOUNT, 0, False)]
    parts = (Reversal(part or AMOUNT, back[0].id),)
    now = replace(seen, reversed_amount=part or AMOUNT, reversals=parts)
    assert await world.provider.transfers_of(stage) == [TransferMade(now, account, AMOUNT)]
    assert await world.provider.find_transfer(stage) == now
    assert await world.provider.create_transfer(stage) == seen, "its key replays what it was"
    far = await world.provider.movements_of(account, None)
    assert far is not None and far[-1].amount == -(part or AMOUNT)
    assert (far[-1].type, far[-1].is_own) == ("payment_refund", True)


async def test_every_part_of_a_transfer_that_was_taken_back_is_found(world: World) -> None:
    """Each once and in order, however many: a list that stops at ten would never be the whole."""
    stage = a_stage(await world.account())
    seen = await world.provider.create_transfer(stage)
    assert isinstance(seen, TransferSeen)
    parts = [100 + number for number in range(11)]
    for part in parts:
        await world.reverse(seen, part)
    await world.reverse(seen, AMOUNT - sum(parts))
    now = await world.provider.find_transfer(stage)
    assert isinstance(now, TransferSeen)
    assert [one.amount for one in now.reversals] == [*parts, AMOUNT - sum(parts)]
    assert now.reversed_amount == AMOUNT
    movements = {one.id: one for one in await every_movement(world)}
    kinds = [movements[one.balance_transaction].type for one in now.reversals]
    assert kinds == ["transfer_refund"] * 12
    assert len({one.balance_transaction for one in now.reversals}) == 12
