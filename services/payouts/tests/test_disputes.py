"""Chargebacks before, during and after everything: whatever the order, the books say who paid."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import pytest

from payouts.domain.book import Book, Outcome
from payouts.domain.dispute import Dispute, DisputeState, ProviderDisputeStatus
from payouts.domain.ledger import Account
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.receivable import open_sum
from payouts.domain.refund import Refund, RefundState, refund_id_of, request_part
from payouts.domain.stage import StageState
from payouts.handlers.posting import post
from payouts.handlers.wake import wake
from payouts.handlers.work_kinds import STAGE
from payouts.ports.unit import PayoutsUnit
from servicekit.units import UnitsOfWork
from services.payouts.tests.conftest import CAMPAIGN, Payouts
from services.payouts.tests.test_later_stages import approve, decide, pay, show, the

T = TypeVar("T")
FEE = 2_000
WON, LOST = ProviderDisputeStatus.WON, ProviderDisputeStatus.LOST


async def the_book(payouts: Payouts) -> Book:
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None
    return book


async def held(payouts: Payouts, account: Account = Account.BACKER_FUNDS) -> int:
    return (await the_book(payouts)).balances.get(account, 0)


async def the_money(payouts: Payouts, number: int = 1) -> PledgeMoney:
    name = f"pledge-{number}"
    return (await payouts.units.run(lambda unit: unit.pledges.load([name])))[name]


async def the_dispute(payouts: Payouts, name: str) -> Dispute:
    dispute = await payouts.queries.dispute(name)
    assert dispute is not None
    return dispute


async def refunds_of(payouts: Payouts, number: int = 1) -> list[Refund]:
    return await payouts.units.run(lambda unit: unit.refunds.of_pledge(f"pledge-{number}"))


async def opened(payouts: Payouts, number: int = 1, amount: int = 5_000, fee: int = 0) -> str:
    """The bank withdraws; nobody tells us, the cash does."""
    name = payouts.provider.dispute(f"ch_{number}", amount, fee)
    await look(payouts)
    return name


async def decided(payouts: Payouts, name: str, status: ProviderDisputeStatus) -> None:
    payouts.provider.move_dispute(name, status)
    payouts.clock.advance(seconds=3_600)
    await look(payouts)


async def look(payouts: Payouts) -> None:
    """Follow the cash, do what it woke; and once more, that nothing happens twice."""
    for _ in range(3):
        await payouts.turn()
        payouts.clock.advance(seconds=3)


async def assert_true(payouts: Payouts) -> None:
    """I1, I2, I4, I5, and the provider's balance against ours."""
    await payouts.assert_books_true()
    book = await the_book(payouts)
    pledges = await payouts.units.run(lambda unit: unit.pledges.page(CAMPAIGN, None, 1_000))
    disputed = sum(money.disputed for money in pledges)
    assert disputed == book.balances.get(Account.DISPUTED_AT_SCHEME, 0)
    owed = open_sum(await payouts.queries.receivables(CAMPAIGN))
    assert owed == book.balances.get(Account.CREATOR_RECEIVABLE, 0)
    open_refunds = [
        refund
        for number in range(1, len(pledges) + 1)
        for refund in await refunds_of(payouts, number)
        if refund.state not in (RefundState.SUCCEEDED, RefundState.BLOCKED, RefundState.CANCELLED)
    ]
    reserved = book.balances[Account.REFUNDS_IN_FLIGHT] + book.balances[Account.CLAIMABLE]
    assert sum(refund.amount for refund in open_refunds) == reserved
    assert sum(money.reserved for money in pledges) == reserved


async def part_back(payouts: Payouts, number: int, amount: int) -> None:
    """Staff give a part of a pledge back, by the domain's own function."""

    async def work(unit: PayoutsUnit) -> None:
        book = (await unit.books.load([CAMPAIGN]))[CAMPAIGN]
        money = (await unit.pledges.load([f"pledge-{number}"]))[f"pledge-{number}"]
        asked = request_part(money, amount, f"staff/{number}", payouts.clock.now())
        await unit.books.save([await post(unit, book, asked.postings, payouts.clock.now())])
        await unit.pledges.save([asked.money])
        await unit.refunds.save([asked.refund])
        await wake(unit, [asked.refund], [], payouts.clock.now())

    await payouts.units.run(work)


async def pay_stage(payouts: Payouts, number: int, amount: int) -> None:
    await show(payouts, number)
    await decide(payouts, number)
    await approve(payouts, number, amount)
    await pay(payouts, 8)
    assert (await the(payouts, number)).state is StageState.PAID


@pytest.mark.trap(3)
async def test_a_chargeback_before_the_verdict_takes_its_own_pledge_only(payouts: Payouts) -> None:
    """Of two pledges one is charged back; the other one is refunded in full."""
    await payouts.collect(1, 2)
    name = await opened(payouts, fee=FEE)
    assert (await the_dispute(payouts, name)).reserved == 5_000
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 2)
    await payouts.work_off()
    assert await refunds_of(payouts, 1) == []
    [other] = await refunds_of(payouts, 2)
    assert other.state is RefundState.SUCCEEDED
    await decided(payouts, name, LOST)
    assert (await the_dispute(payouts, name)).state is DisputeState.LOST
    assert await refunds_of(payouts, 1) == []
    assert (await the_money(payouts)).fully_returned
    book = await the_book(payouts)
    left = {account: n for account, n in book.balances.items() if n}
    assert left == {
        Account.PROVIDER_COSTS: 60 + FEE,
        Account.PLATFORM_CURRENT: 60 + FEE,
    }
    [fact] = await payouts.published("dispute-opened")
    assert fact.model_dump()["fee"] == FEE
    assert len(await payouts.published("dispute-lost")) == 1
    await assert_true(payouts)


@pytest.mark.trap(3)
async def test_a_won_one_of_a_missed_campaign_is_refunded_after_all(payouts: Payouts) -> None:
    """Under the run's own cause, so that nobody refunds it a second time."""
    await payouts.collect(1, 2)
    name = await opened(payouts)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 2)
    await payouts.work_off()
    await decided(payouts, name, WON)
    await payouts.work_off()
    [refund] = await refunds_of(payouts)
    assert refund.refund_id == refund_id_of("pledge-1", f"verdict-reached/{CAMPAIGN}")
    assert refund.state is RefundState.SUCCEEDED
    assert await held(payouts) == await held(payouts, Account.PROVIDER_BALANCE) == 0
    await assert_true(payouts)


@pytest.mark.trap(3)
@pytest.mark.parametrize("status", [WON, LOST])
async def test_an_unsent_refund_waits_for_the_bank(
    payouts: Payouts, status: ProviderDisputeStatus
) -> None:
    """Blocked; after a loss the bank has paid the backer, after a win we do, once."""
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 2)
    await payouts.turn_run_only()
    name = payouts.provider.dispute("ch_1", 5_000)
    await payouts.follow_cash(payouts.clock.now())
    for claim in await payouts.claim("dispute"):
        await payouts.disputes(claim)
    [refund] = await refunds_of(payouts)
    assert (refund.state, refund.reason) == (RefundState.BLOCKED, "dispute")
    assert len(await payouts.published("refund-blocked")) == 1
    await payouts.work_off(0.1)
    await assert_true(payouts)
    assert not payouts.provider.refunded.get("ch_1")
    await decided(payouts, name, status)
    await payouts.work_off()
    [refund] = await refunds_of(payouts)
    ended = RefundState.SUCCEEDED if status is WON else RefundState.CANCELLED
    assert refund.state is ended
    assert len(await payouts.published("refund-refused")) == (status is LOST)
    assert (await the_money(payouts)).fully_returned
    assert await held(payouts) == await held(payouts, Account.PROVIDER_BALANCE) == 0
    await assert_true(payouts)


@pytest.mark.trap(3)
@pytest.mark.parametrize("status", [WON, LOST])
async def test_a_chargeback_after_the_refund_is_the_platforms_risk(
    payouts: Payouts, status: ProviderDisputeStatus
) -> None:
    """The money left twice: no other backer pays for it, whoever is still to be refunded."""
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 2)
    await payouts.turn_run_only()
    [claim, *_] = [c for c in await payouts.claim("refund") if "x" not in c.item.id]
    await payouts.refunds(claim)
    first = 1 if payouts.provider.refunded.get("ch_1") else 2
    name = await opened(payouts, first)
    money = await the_money(payouts, first)
    assert (money.returned, money.disputed, money.over) == (5_000, 5_000, 5_000)
    assert (await the_dispute(payouts, name)).reserved == 0
    await assert_true(payouts)
    await payouts.work_off()
    await decided(payouts, name, status)
    assert payouts.provider.refunded == {"ch_1": 5_000, "ch_2": 5_000}
    lost = 0 if status is WON else 5_000
    assert await held(payouts, Account.LOSS_COSTS) == lost
    assert await held(payouts, Account.CREATOR_RECEIVABLE) == 0
    assert (await the_money(payouts, first)).over == lost
    assert await held(payouts, Account.PROVIDER_BALANCE) == 0
    await assert_true(payouts)


@pytest.mark.trap(3)
@pytest.mark.parametrize("status", [WON, LOST])
@pytest.mark.parametrize("answer", ["made", "refused"])
async def test_a_chargeback_while_the_refund_is_on_its_way(
    payouts: Payouts, answer: str, status: ProviderDisputeStatus
) -> None:
    """Both may take cash: if both did, it is over; if the refund was refused, only the bank did."""
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.turn_run_only()
    fault = "timeout_after" if answer == "made" else "rate_limited"
    payouts.provider.faults["create_refund"] = [fault]
    [claim] = await payouts.claim("refund")
    await payouts.refunds(claim)
    name = payouts.provider.dispute("ch_1", 5_000)
    await payouts.follow_cash(payouts.clock.now())
    for claim in await payouts.claim("dispute"):
        await payouts.disputes(claim)
    money = await the_money(payouts)
    assert (money.reserved, money.disputed, money.over) == (5_000, 5_000, 5_000)
    await assert_true(payouts)
    await payouts.work_off()
    [refund] = await refunds_of(payouts)
    assert refund.state is (RefundState.SUCCEEDED if answer == "made" else RefundState.BLOCKED)
    await assert_true(payouts)
    await decided(payouts, name, status)
    await payouts.work_off()
    twice = answer == "made" and status is LOST
    assert await held(payouts, Account.LOSS_COSTS) == (5_000 if twice else 0)
    assert (await the_money(payouts)).fully_returned
    assert await held(payouts) == await held(payouts, Account.PROVIDER_BALANCE) == 0
    assert payouts.provider.refunded.get("ch_1", 0) == (
        0 if answer == "refused" and status is LOST else 5_000
    )
    await assert_true(payouts)


@pytest.mark.trap(3)
async def test_a_refund_that_ends_after_the_lost_chargeback_makes_the_loss_good(
    payouts: Payouts,
) -> None:
    """In flight while the bank decided, then refused: what it had reserved pays for the loss."""
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.turn_run_only()
    payouts.provider.faults["create_refund"] = ["rate_limited"]
    [claim] = await payouts.claim("refund")
    await payouts.refunds(claim)
    name = payouts.provider.dispute("ch_1", 5_000)
    payouts.provider.move_dispute(name, LOST)
    await payouts.follow_cash(payouts.clock.now())
    for claim in await payouts.claim("dispute"):
        await payouts.disputes(claim)
    assert await held(payouts, Account.LOSS_COSTS) == 5_000
    await assert_true(payouts)
    await payouts.work_off()
    [refund] = await refunds_of(payouts)
    assert refund.state is RefundState.CANCELLED
    assert await held(payouts, Account.LOSS_COSTS) == 0
    assert (await the_money(payouts)).over == 0
    assert await held(payouts) == await held(payouts, Account.PROVIDER_BALANCE) == 0
    await assert_true(payouts)


@pytest.mark.trap(3)
@pytest.mark.parametrize("late", [False, True])
async def test_the_rest_is_asked_for_when_a_refund_ends_after_a_part_was_charged_back(
    payouts: Payouts, late: bool
) -> None:
    """30.00 of 50.00 went by the bank while it was on its way, or out: 20.00 are still owed."""
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 2)
    await payouts.turn_run_only()
    ours = refund_id_of("pledge-1", f"verdict-reached/{CAMPAIGN}")
    for claim in await payouts.claim("refund"):
        in_flight = claim.item.payload["refund_id"] == ours and not late
        payouts.provider.faults["create_refund"] = ["rate_limited"] if in_flight else []
        await payouts.refunds(claim)
    name = payouts.provider.dispute("ch_1", 3_000)
    payouts.provider.move_dispute(name, LOST)
    await payouts.follow_cash(payouts.clock.now())
    for claim in await payouts.claim("dispute"):
        await payouts.disputes(claim)
    assert await held(payouts, Account.LOSS_COSTS) == 3_000
    [full] = await refunds_of(payouts)
    if late:
        payouts.provider.fail_later(full)
    await payouts.work_off()
    await look(payouts)
    await payouts.work_off()
    [full, rest] = await refunds_of(payouts)
    assert full.state is RefundState.CANCELLED
    assert rest.cause == f"verdict-reached/{CAMPAIGN}/after-{full.refund_id}"
    # The provider returns nothing of what was charged back: it waits to be claimed.
    assert (rest.state, rest.amount) == (RefundState.CLAIMABLE, 2_000)
    assert await held(payouts, Account.LOSS_COSTS) == await held(payouts) == 0
    assert (await the_money(payouts)).returnable == 0
    await assert_true(payouts)


@pytest.mark.trap(3)
@pytest.mark.parametrize("status", [WON, LOST])
async def test_a_claimable_refund_is_blocked_too(
    payouts: Payouts, status: ProviderDisputeStatus
) -> None:
    """Its money waits at no provider, so the bank's word decides who has it."""
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    payouts.provider.faults["create_refund"] = ["decline"] * 3
    await payouts.work_off()
    [refund] = await refunds_of(payouts)
    assert refund.state is RefundState.CLAIMABLE
    name = await opened(payouts)
    [refund] = await refunds_of(payouts)
    assert refund.state is RefundState.BLOCKED
    await assert_true(payouts)
    await decided(payouts, name, status)
    await payouts.work_off()
    [refund] = await refunds_of(payouts)
    assert refund.state is (RefundState.SUCCEEDED if status is WON else RefundState.CANCELLED)
    assert await held(payouts) == await held(payouts, Account.PROVIDER_BALANCE) == 0
    await assert_true(payouts)


@pytest.mark.trap(3)
async def test_of_a_part_that_is_charged_back_the_rest_is_refunded(payouts: Payouts) -> None:
    """30.00 of 50.00 by the bank, 20.00 by us, which the provider refuses: they are claimable."""
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.turn_run_only()
    name = payouts.provider.dispute("ch_1", 3_000)
    await payouts.follow_cash(payouts.clock.now())
    for claim in await payouts.claim("dispute"):
        await payouts.disputes(claim)
    await decided(payouts, name, LOST)
    await payouts.work_off()
    full, rest = await refunds_of(payouts)
    assert full.state is RefundState.CANCELLED
    assert (rest.state, rest.amount) == (RefundState.CLAIMABLE, 2_000)
    assert rest.cause == f"verdict-reached/{CAMPAIGN}/after-{name}"
    await assert_true(payouts)


async def test_more_than_the_pledge_is_withdrawn(payouts: Payouts) -> None:
    """Currencies move: the part beyond the pledge is the platform's, not another backer's."""
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    name = await opened(payouts, amount=5_100)
    assert (await the_dispute(payouts, name)).reserved == 5_000
    assert await held(payouts, Account.DISPUTED_AT_SCHEME) == 5_100
    await decided(payouts, name, LOST)
    assert await held(payouts, Account.LOSS_COSTS) == 100
    assert await held(payouts) == 5_000
    await assert_true(payouts)


async def test_an_inquiry_moves_nothing_and_blocks_nothing(payouts: Payouts) -> None:
    """It is followed, closed or opened; a refund goes through beside it."""
    await payouts.collect(1)
    name = payouts.provider.dispute("ch_1", 5_000, inquiry=True)
    await wake_dispute(payouts, name)
    assert (await the_dispute(payouts, name)).state is DisputeState.INQUIRY
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.work_off()
    [refund] = await refunds_of(payouts)
    assert refund.state is RefundState.SUCCEEDED
    await decided(payouts, name, ProviderDisputeStatus.CLOSED)
    assert (await the_dispute(payouts, name)).state is DisputeState.CLOSED
    assert await payouts.published("dispute-opened") == []
    await assert_true(payouts)


async def wake_dispute(payouts: Payouts, name: str) -> None:
    """Hear the provider's webhook."""
    from payouts.handlers.wake import wake_disputes

    await payouts.units.run(lambda unit: wake_disputes(unit, [name], payouts.clock.now()))
    await look(payouts)


async def test_a_prevented_one_and_an_escalated_one(payouts: Payouts) -> None:
    """An inquiry may become either."""
    await payouts.collect(1, 2)
    prevented = payouts.provider.dispute("ch_1", 5_000, inquiry=True)
    escalated = payouts.provider.dispute("ch_2", 5_000, inquiry=True)
    await wake_dispute(payouts, prevented)
    await wake_dispute(payouts, escalated)
    await decided(payouts, prevented, ProviderDisputeStatus.PREVENTED)
    await decided(payouts, escalated, ProviderDisputeStatus.OPEN)
    assert (await the_dispute(payouts, prevented)).state is DisputeState.PREVENTED
    assert (await the_dispute(payouts, escalated)).state is DisputeState.OPENED
    assert await held(payouts) == 5_000
    await assert_true(payouts)


async def test_a_dispute_about_nobodys_pledge_is_kept_until_the_pledge_is_heard_of(
    payouts: Payouts,
) -> None:
    """Trap 14: the bank was faster than our own topic; the cash is not passed over."""
    await payouts.collect(1)
    name = payouts.provider.dispute("ch_2", 5_000)
    await look(payouts)
    assert (await the_dispute(payouts, name)).state is DisputeState.UNATTRIBUTED
    await payouts.collect(2)
    payouts.clock.advance(seconds=60)
    await look(payouts)
    assert (await the_dispute(payouts, name)).state is DisputeState.OPENED
    assert (await the_money(payouts, 2)).disputed == 5_000
    await assert_true(payouts)


@pytest.mark.row("S9")
async def test_the_worked_example(payouts: Payouts) -> None:
    """`money.md` 4: C charged back and lost, B refunded 20.00, the last stage gets what is left."""
    await worked_example(payouts)
    await pay(payouts, 8)
    await pay_stage(payouts, 2, 5_499)
    name = await opened(payouts, 3, 3_333, FEE)
    await show(payouts, 3)
    await decide(payouts, 3)
    _, found = await payouts.stages.explain(CAMPAIGN, 3)
    lines = {line.name: line for line in found}
    assert lines["disputes"].state.value == "blocked"
    await part_back(payouts, 2, 2_000)
    await payouts.work_off(0.2)
    await decided(payouts, name, LOST)
    await approve(payouts, 3, 2_297)
    await pay(payouts, 8)
    assert (await the(payouts, 3)).state is StageState.PAID
    left = {account: n for account, n in (await the_book(payouts)).balances.items() if n}
    income = left[Account.PLATFORM_FEE_INCOME] + left[Account.PROCESSING_FEE_INCOME]
    assert income == 1_538
    assert income - left[Account.PROVIDER_COSTS] == -1_090
    assert -left[Account.PLATFORM_CURRENT] == -1_090
    assert payouts.provider.cash == 3_000 - 1_090
    await assert_true(payouts)


async def worked_example(payouts: Payouts) -> None:
    """The three pledges, with the provider's fees and terms of `money.md` 4."""
    from payouts.domain.book import Verdict
    from payouts.domain.fees import FeeTerms
    from payouts.handlers.pledges import PledgeHeard, take_pledges
    from payouts.handlers.verdict import VerdictHeard, take_verdicts
    from services.payouts.tests.builders import NOW, SHARES, a_pledge

    payouts.provider.cash = 3_000
    heard = []
    for number, (amount, fee) in enumerate([(10_001, 320), (4_999, 175), (3_333, 133)], start=1):
        pledge = replace(a_pledge(number, amount), provider_fee=fee)
        payouts.provider.cash += amount - fee
        heard.append(PledgeHeard(CAMPAIGN, "EUR", number, pledge))
    await payouts.units.run(lambda unit: take_pledges(unit, heard, payouts.clock.now()))
    verdict = Verdict(Outcome.GOAL_MET, 18_333, 3, 3, SHARES, NOW)
    terms = FeeTerms(500, 290, 30, 0)
    told = [VerdictHeard(CAMPAIGN, "EUR", verdict, terms)]
    await payouts.units.run(lambda unit: take_verdicts(unit, told, payouts.clock.now()))
    await payouts.give_destination()


@pytest.mark.row("S9")
async def test_the_worked_example_with_most_of_it_charged_back_first(payouts: Payouts) -> None:
    """150.00 before stage 1, which the verdict had approved: 6.66, 10.00, 1.29."""
    await worked_example(payouts)
    await payouts.turn()
    assert (await the(payouts, 1)).state is StageState.APPROVED
    names = [await opened(payouts, 1, 10_001), await opened(payouts, 2, 4_999)]
    await pay(payouts, 8)
    assert not (await the(payouts, 1)).attempts
    for name in names:
        await decided(payouts, name, LOST)
    await pay(payouts, 8)
    assert ((await the(payouts, 1)).amount, (await the(payouts, 1)).state) == (
        666,
        StageState.PAID,
    )
    await pay_stage(payouts, 2, 1_000)
    await pay_stage(payouts, 3, 129)
    await assert_true(payouts)


async def test_a_loss_after_the_last_stage_is_the_creators_debt(payouts: Payouts) -> None:
    """Nothing is held any more: advanced by the platform, owed by the creator, one item."""
    await all_paid(payouts)
    name = await opened(payouts, 1, 10_001, FEE)
    assert (await the_dispute(payouts, name)).reserved == 0
    await assert_true(payouts)
    await decided(payouts, name, LOST)
    [debt] = await payouts.queries.receivables(CAMPAIGN)
    assert (debt.cause, debt.open) == (f"dispute-lost/{name}", 10_001)
    assert await held(payouts, Account.CREATOR_RECEIVABLE) == 10_001
    assert await held(payouts, Account.PROVIDER_BALANCE) == 0
    await assert_true(payouts)


async def all_paid(payouts: Payouts) -> None:
    await worked_example(payouts)
    await pay(payouts, 8)
    await pay_stage(payouts, 2, 5_499)
    await pay_stage(payouts, 3, 7_630)


async def supplement_due(payouts: Payouts) -> None:
    """Given a chargeback below the reserve that is won after the last stage is paid."""
    payouts.stages = replace(payouts.stages, dispute_reserve_basis_points=10_000)
    await worked_example(payouts)
    await pay(payouts, 8)
    await pay_stage(payouts, 2, 5_499)
    name = await opened(payouts, 3, 3_333, FEE)
    await pay_stage(payouts, 3, 7_630 - 3_333)
    await decided(payouts, name, WON)


async def test_money_back_after_the_last_stage_is_a_supplement(payouts: Payouts) -> None:
    """Charged back before the last stage, below the reserve, won after it: approved and paid."""
    await supplement_due(payouts)
    supplement = await the(payouts, 4)
    assert (supplement.kind.value, supplement.state) == ("supplement", StageState.DUE)
    assert supplement.amount == 3_333
    await approve(payouts, 4, 3_333, revision=0)
    await pay(payouts, 8)
    assert (await the(payouts, 4)).state is StageState.PAID
    assert await held(payouts) == await held(payouts, Account.PROVIDER_BALANCE) == 0
    assert payouts.provider.accounts["acct_1"] == 0
    await assert_true(payouts)


@dataclass
class Meanwhile:
    """Units of work after one of which, the first or a later one, somebody else acts."""

    units: UnitsOfWork[PayoutsUnit]
    act: Callable[[], Awaitable[object]]
    after: int = 1
    acted: bool = False

    async def run(self, work: Callable[[PayoutsUnit], Awaitable[T]]) -> T:
        result = await self.units.run(work)
        self.after -= 1
        if self.after == 0:
            self.acted = True
            await self.act()
        return result


async def test_an_approval_while_a_step_is_chosen_is_paid(payouts: Payouts) -> None:
    """The worker saw a supplement that was due and ends none whose money is approved meanwhile."""
    await supplement_due(payouts)
    meanwhile = Meanwhile(payouts.units, lambda: approve(payouts, 4, 3_333, revision=0))
    payouts.stages = replace(payouts.stages, units=meanwhile)
    await pay(payouts, 8)
    assert meanwhile.acted and (await the(payouts, 4)).state is StageState.PAID
    assert await held(payouts) == await held(payouts, Account.PROVIDER_BALANCE) == 0
    await assert_true(payouts)


async def test_an_approval_while_a_worker_lets_go_does_not_wait_for_its_pause(
    payouts: Payouts,
) -> None:
    """Who wakes work that is claimed has it looked at once more, however long it is let go of."""
    payouts.stages = replace(payouts.stages, cooling_off_seconds=0)
    await worked_example(payouts)
    await pay(payouts, 8)
    await show(payouts, 2)
    await decide(payouts, 2)
    (claim,) = [one for one in await payouts.claim(STAGE) if one.item.payload["number"] == 2]
    # Three units found it due and changed nothing; the fourth lets go of the work.
    meanwhile = Meanwhile(payouts.units, lambda: approve(payouts, 2, 5_499), after=3)
    await replace(payouts.stages, units=meanwhile)(claim)
    assert meanwhile.acted and (await the(payouts, 2)).state is StageState.APPROVED
    await payouts.turn()
    assert (await the(payouts, 2)).attempts


@pytest.mark.parametrize(
    ("lost", "state", "set_off", "debt", "left"),
    [
        (2_000, StageState.PAID, 2_000, "settled", 0),
        (3_333, StageState.NOTHING_TO_PAY, 3_333, "settled", 0),
        (4_000, StageState.NOTHING_TO_PAY, 3_333, "part_settled", 667),
    ],
)
async def test_a_debt_is_set_off_against_the_next_stage(
    payouts: Payouts, lost: int, state: StageState, set_off: int, debt: str, left: int
) -> None:
    """Row 15: the supplement pays the lost chargeback first, only the rest is sent.

    What takes all of it leaves nothing to send: it is over without the provider.
    """
    payouts.stages = replace(payouts.stages, dispute_reserve_basis_points=10_000)
    await worked_example(payouts)
    await pay(payouts, 8)
    await pay_stage(payouts, 2, 5_499)
    won = await opened(payouts, 3, 3_333)
    await pay_stage(payouts, 3, 7_630 - 3_333)
    name = await opened(payouts, 2, lost)
    await decided(payouts, name, LOST)
    await decided(payouts, won, WON)
    await approve(payouts, 4, 3_333, revision=0)
    await pay(payouts, 8)
    over = await the(payouts, 4)
    assert (over.state, over.set_off, over.sent) == (state, set_off, 3_333 - set_off)
    [owed] = await payouts.queries.receivables(CAMPAIGN)
    assert (owed.state.value, owed.open) == (debt, left)
    ended = "stage-submitted" if state is StageState.PAID else "stage-nothing-to-pay"
    [*_, fact] = await payouts.published(ended)
    assert fact.model_dump()["set_off"] == set_off
    assert over.reason == (None if state is StageState.PAID else "set-off")
    await assert_true(payouts)


async def test_a_dead_worker_leaves_nothing_half_done(payouts: Payouts) -> None:
    """Read, and read again by another process, in every order: the same books."""
    await payouts.collect(1, 2)
    name = payouts.provider.dispute("ch_1", 5_000, FEE)
    await payouts.follow_cash(payouts.clock.now())
    first = await payouts.claim("dispute")
    assert len(first) == 1
    payouts.clock.advance(seconds=31)
    other = payouts.crashed()
    for claim in await other.claim("dispute"):
        await other.disputes(claim)
    for claim in first:
        with pytest.raises(Exception, match="dispute"):
            await payouts.disputes(claim)
    assert (await the_dispute(payouts, name)).version == 1
    assert len(await payouts.published("dispute-opened")) == 1
    await assert_true(payouts)


BLOCKABLE = ("requested", "awaiting_funds", "failed", "claimable")
IN_FLIGHT = ("unknown", "submitted")


async def bring_to(payouts: Payouts, state: str) -> None:
    """A refund of a missed campaign's only pledge, brought to a state."""
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.turn_run_only()
    faults = {
        "failed": ["decline"],
        "claimable": ["decline"] * 3,
        "unknown": ["timeout_after"],
        "submitted": ["rate_limited"],
    }
    payouts.provider.faults["create_refund"] = faults.get(state, [])
    if state == "awaiting_funds":
        payouts.provider.cash -= 1_000_000
    for _ in range(3 if state == "claimable" else state != "requested"):
        for claim in await payouts.claim("refund"):
            await payouts.refunds(claim)
        payouts.clock.advance(seconds=2)
    if state == "awaiting_funds":
        payouts.provider.cash += 1_000_000
        # A reading is kept for a second of real time.
        payouts.refunds = payouts.crashed().refunds
    [refund] = await refunds_of(payouts)
    assert refund.state.value == state


@pytest.mark.trap(3)
@pytest.mark.parametrize("status", [WON, LOST])
@pytest.mark.parametrize("state", [*BLOCKABLE, *IN_FLIGHT, "succeeded"])
async def test_a_chargeback_meets_a_refund_in_every_state(
    payouts: Payouts, state: str, status: ProviderDisputeStatus
) -> None:
    """Whatever it met, at the end the backer has the pledge, and the books say who paid for it."""
    await bring_to(payouts, state)
    name = payouts.provider.dispute("ch_1", 5_000)
    await payouts.follow_cash(payouts.clock.now())
    for claim in await payouts.claim("dispute"):
        await payouts.disputes(claim)
    await assert_true(payouts)
    [refund] = await refunds_of(payouts)
    assert refund.state.value == ("blocked" if state in BLOCKABLE else state)
    await payouts.work_off(0.2)
    await assert_true(payouts)
    await decided(payouts, name, status)
    await payouts.work_off()
    [refund] = await refunds_of(payouts)
    by_us, by_bank = payouts.provider.refunded.get("ch_1", 0), 5_000 if status is LOST else 0
    assert by_us + by_bank >= 5_000
    assert refund.state is (RefundState.SUCCEEDED if by_us else RefundState.CANCELLED)
    assert await held(payouts, Account.LOSS_COSTS) == by_us + by_bank - 5_000
    assert (by_us + by_bank == 5_000) or state in ("unknown", "succeeded")
    assert await held(payouts) == await held(payouts, Account.PROVIDER_BALANCE) == 0
    await assert_true(payouts)


@pytest.mark.trap(3)
async def test_a_dispute_and_the_sending_of_its_refund_race(payouts: Payouts) -> None:
    """Both at once, many times: blocked before it left, or both took cash; never a wrong book."""
    numbers = range(1, 9)
    await payouts.collect(*numbers)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 8)
    await payouts.turn_run_only()
    for number in numbers:
        payouts.provider.dispute(f"ch_{number}", 5_000)
    await payouts.follow_cash(payouts.clock.now())
    refunds, disputes = await payouts.claim("refund"), await payouts.claim("dispute")
    assert (len(refunds), len(disputes)) == (8, 8)
    work = [payouts.refunds(claim) for claim in refunds]
    work += [payouts.disputes(claim) for claim in disputes]
    await asyncio.gather(*work, return_exceptions=True)
    for _ in range(6):
        payouts.clock.advance(seconds=60)
        await payouts.turn()
    for number in numbers:
        [refund] = await refunds_of(payouts, number)
        assert refund.state in (RefundState.BLOCKED, RefundState.SUCCEEDED)
        assert (await the_money(payouts, number)).disputed == 5_000
    await assert_true(payouts)


@pytest.mark.trap(3)
async def test_two_chargebacks_of_one_pledge(payouts: Payouts) -> None:
    """Parts of it, one lost and one won: what the bank did not take is refunded by the run."""
    await payouts.collect(1, 2)
    first = await opened(payouts, amount=2_000)
    second = await opened(payouts, amount=3_000)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 2)
    await payouts.work_off()
    await decided(payouts, first, LOST)
    assert await refunds_of(payouts) == []
    payouts.provider.disputes[first] = replace(
        payouts.provider.disputes[first], status=ProviderDisputeStatus.CLOSED
    )
    await decided(payouts, second, WON)
    await payouts.work_off()
    [rest] = await refunds_of(payouts)
    assert (rest.state, rest.amount) == (RefundState.SUCCEEDED, 3_000)
    assert await held(payouts, Account.LOSS_COSTS) == 0
    await assert_true(payouts)
