"""Blocked refunds whose bank has decided go on once their money is there, however late."""

import pytest

from payouts.domain import postings
from payouts.domain.book import Outcome
from payouts.domain.dispute import Bearing, DisputeState, ProviderDisputeStatus, end
from payouts.domain.ledger import Account
from payouts.domain.refund import RefundState
from payouts.handlers.posting import post
from payouts.handlers.work_kinds import DISPUTE, REFUND
from payouts.ports.unit import PayoutsUnit
from payouts.sweeps.refunds import UnblockRefunds
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts
from services.payouts.tests.test_disputes import (
    LOST,
    WON,
    assert_true,
    held,
    look,
    refunds_of,
    the_money,
)


async def blocked(payouts: Payouts) -> str:
    """A missed campaign's only refund, taken back unsent by a chargeback of its pledge."""
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.turn_run_only()
    name = payouts.provider.dispute("ch_1", 5_000)
    await payouts.follow_cash(payouts.clock.now())
    for claim in await payouts.claim(DISPUTE):
        await payouts.disputes(claim)
    return name


async def win_with_nothing_there(payouts: Payouts, name: str) -> None:
    """The bank gave it back, and at that moment the campaign's money was owed to its creator."""
    payouts.provider.move_dispute(name, WON)

    async def work(unit: PayoutsUnit) -> None:
        book = (await unit.books.load([CAMPAIGN]))[CAMPAIGN]
        dispute = await unit.disputes.load(name)
        assert dispute is not None
        money = (await unit.pledges.load(["pledge-1"]))["pledge-1"]
        seen = payouts.provider.disputes[name]
        won = end(dispute, money, seen, Bearing(0, False), payouts.clock.now())
        assert won.dispute.state is DisputeState.WON
        owed = postings.stage_approved("a-stage", 5_000)
        book = await post(unit, book, [*won.postings, owed], payouts.clock.now())
        await unit.books.save([book])
        await unit.pledges.save([won.money])
        await unit.disputes.save(won.dispute)

    await payouts.units.run(work)


@pytest.mark.trap(3)
async def test_it_waits_for_its_money_and_then_goes_on(payouts: Payouts) -> None:
    """Looked at again and again: nothing while too little is there, and once when it is."""
    name = await blocked(payouts)
    sweep = UnblockRefunds(payouts.units, payouts.queries, payouts.stages.funds)
    await sweep(payouts.clock.now())
    assert (await refunds_of(payouts))[0].state is RefundState.BLOCKED, "the bank has not decided"
    await win_with_nothing_there(payouts, name)
    await sweep(payouts.clock.now())
    assert (await refunds_of(payouts))[0].state is RefundState.BLOCKED, "nothing is there"

    async def fall(unit: PayoutsUnit) -> None:
        book = (await unit.books.load([CAMPAIGN]))[CAMPAIGN]
        fallen = postings.stage_approval_fallen("a-stage", 5_000)
        await unit.books.save([await post(unit, book, [fallen], payouts.clock.now())])

    await payouts.units.run(fall)
    for _ in range(2):
        await sweep(payouts.clock.now())
        assert (await refunds_of(payouts))[0].state is RefundState.REQUESTED
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 5_000}
    await assert_true(payouts)


PARTS = (2_000, 1_500)


@pytest.mark.trap(3)
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("second", [LOST, WON])
@pytest.mark.parametrize("both_open", [True, False])
@pytest.mark.parametrize("in_flight", [True, False])
async def test_of_several_parts_that_banks_took_the_rest_is_the_backers(
    order: tuple[int, int], second: ProviderDisputeStatus, both_open: bool, in_flight: bool
) -> None:
    """20.00 and 15.00 of 50.00, in any order, beside a refund unsent or on its way.

    The platform bears nothing of it in the end, and no unit stays where it is nobody's.
    """
    payouts = memory_payouts()
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 2)
    await payouts.turn_run_only()
    if in_flight:
        for claim in await payouts.claim(REFUND):
            payouts.provider.faults["create_refund"] = ["rate_limited"]
            await payouts.refunds(claim)
    names: dict[int, str] = {}
    ends = dict(zip(order, (LOST, second), strict=True))
    for part in order:
        names[part] = payouts.provider.dispute("ch_1", PARTS[part])
        if not both_open:
            await look_at_disputes(payouts)
            await end_as(payouts, names[part], ends[part])
    await look_at_disputes(payouts)
    if both_open:
        for part in order:
            await end_as(payouts, names[part], ends[part])
    await payouts.work_off()
    await look(payouts)
    await payouts.work_off()
    by_banks = sum(PARTS[part] for part, status in ends.items() if status is LOST)
    money, left = await the_money(payouts), 5_000 - by_banks
    refunds = await refunds_of(payouts)
    open_ = [one for one in refunds if one.state is not RefundState.CANCELLED]
    assert [(one.state, one.amount) for one in open_] == [(RefundState.CLAIMABLE, left)]
    assert (money.returned, money.reserved, money.over) == (by_banks, left, 0)
    assert await held(payouts, Account.LOSS_COSTS) == await held(payouts) == 0
    assert payouts.provider.refunded == {"ch_2": 5_000}
    await assert_true(payouts)


async def look_at_disputes(payouts: Payouts) -> None:
    await payouts.follow_cash(payouts.clock.now())
    for claim in await payouts.claim(DISPUTE):
        await payouts.disputes(claim)


async def end_as(payouts: Payouts, name: str, status: ProviderDisputeStatus) -> None:
    payouts.provider.move_dispute(name, status)
    payouts.clock.advance(seconds=3)
    for claim in await payouts.claim(DISPUTE):
        await payouts.disputes(claim)
