"""A chargeback beside a cancellation after a met goal: what is disputed is in no share then."""

from dataclasses import replace

import pytest

from payouts.domain.dispute import ProviderDisputeStatus
from payouts.domain.errors import Refused
from payouts.domain.ledger import Account
from payouts.domain.refund import RefundState, refund_id_of
from payouts.domain.shares import Entitlement
from payouts.domain.stage import StageState
from payouts.handlers.refund_run import Progress, run_page
from payouts.handlers.work_kinds import DISPUTE, REFUND, REFUND_RUN
from payouts.sweeps.refunds import ShareWhatCameBack
from services.payouts.tests.builders import divide
from services.payouts.tests.conftest import CAMPAIGN, Payouts
from services.payouts.tests.test_cancelling_after_verdict import (
    AFTER_ONE,
    EXAMPLE,
    TOTAL,
    come_back,
    held,
    paid,
)
from services.payouts.tests.test_disputes import (
    decided,
    look,
    opened,
    part_back,
    refunds_of,
    the_dispute,
)
from services.payouts.tests.test_later_stages import approve, decide, pay, show, the

LEFT = TOTAL - 3_666
CHARGED_BACK = EXAMPLE[3]


def shares_of(amount: int, entitled: dict[int, int]) -> dict[str, int]:
    asked = [Entitlement(f"ch_{number}", claim) for number, claim in entitled.items()]
    return {share.pledge_id: share.amount for share in divide(amount, asked)}


@pytest.mark.trap(3)
@pytest.mark.parametrize("end", [ProviderDisputeStatus.WON, ProviderDisputeStatus.LOST])
async def test_a_dispute_that_is_open_at_the_end(
    payouts: Payouts, end: ProviderDisputeStatus
) -> None:
    """Its pledge claims nothing until it is decided; won, what came back is divided again."""
    await paid(payouts, 1)
    name = await opened(payouts, 3, CHARGED_BACK)
    await payouts.hear_cancellation(3)
    await payouts.work_off()
    first = shares_of(LEFT - CHARGED_BACK, {1: EXAMPLE[1], 2: EXAMPLE[2]})
    assert payouts.provider.refunded == first
    await decided(payouts, name, end)
    await look(payouts)
    await ShareWhatCameBack(payouts.units, payouts.queries)(payouts.clock.now())
    await payouts.work_off()
    if end is ProviderDisputeStatus.LOST:
        assert payouts.provider.refunded == first
    else:
        lacking = {number: EXAMPLE[number] - first[f"ch_{number}"] for number in (1, 2)}
        again = shares_of(CHARGED_BACK, lacking | {3: CHARGED_BACK})
        both = {one: first.get(one, 0) + share for one, share in again.items()}
        assert payouts.provider.refunded == both
    assert await held(payouts) == 0
    await payouts.assert_books_true()


@pytest.mark.trap(3)
@pytest.mark.parametrize("heard", ["pledge", "end"])
@pytest.mark.parametrize("end", [ProviderDisputeStatus.WON, ProviderDisputeStatus.LOST])
async def test_a_payment_behind_the_end_that_a_bank_took_a_part_of(
    payouts: Payouts, end: ProviderDisputeStatus, heard: str
) -> None:
    """What the bank left lies there for its backer alone, and is asked for at the dispute's end."""
    await paid(payouts, 1)
    if heard == "end":
        await payouts.hear_cancellation(3)
    await payouts.collect(4, amount=700, counted=False)
    name = await open_before_anything_is_sent(payouts, 4, 200)
    if heard == "pledge":
        await payouts.hear_cancellation(3)
    await payouts.work_off(0.2)
    await share_again(payouts)
    assert payouts.provider.refunded == AFTER_ONE
    assert await held(payouts) == 500
    await decided(payouts, name, end)
    await share_again(payouts)
    by_bank = 200 if end is ProviderDisputeStatus.LOST else 0
    owed = [one for one in await refunds_of(payouts, 4) if one.state is not RefundState.CANCELLED]
    assert sum(one.amount for one in owed) == 700 - by_bank
    assert await held(payouts) == await held(payouts, Account.CREATOR_RECEIVABLE) == 0
    await payouts.assert_books_true()


async def create_refunds_with_one_in_flight(payouts: Payouts) -> None:
    """The first pledge's refund is noted and its answer is missing; the others have theirs."""
    await payouts.turn_run_only()
    first = refund_id_of("pledge-1", f"campaign-cancelled/{CAMPAIGN}")
    for claim in await payouts.claim(REFUND):
        faults = ["rate_limited"] if claim.item.payload["refund_id"] == first else []
        payouts.provider.faults["create_refund"] = faults
        await payouts.refunds(claim)


async def open_before_anything_is_sent(payouts: Payouts, number: int, amount: int) -> str:
    """The bank withdraws, and its dispute is followed before any refund is."""
    name = payouts.provider.dispute(f"ch_{number}", amount)
    await payouts.follow_cash(payouts.clock.now())
    for claim in await payouts.claim(DISPUTE):
        await payouts.disputes(claim)
    return name


async def share_again(payouts: Payouts) -> None:
    await ShareWhatCameBack(payouts.units, payouts.queries)(payouts.clock.now())
    await payouts.work_off(0.2)


@pytest.mark.trap(3)
@pytest.mark.parametrize("end", [ProviderDisputeStatus.WON, ProviderDisputeStatus.LOST])
async def test_a_share_that_was_on_its_way_stays_its_backers(
    payouts: Payouts, end: ProviderDisputeStatus
) -> None:
    """Refused for a chargeback, it lies in the book for weeks; nobody else is given of it."""
    await paid(payouts, 1)
    await payouts.hear_cancellation(3)
    await create_refunds_with_one_in_flight(payouts)
    others = {name: share for name, share in AFTER_ONE.items() if name != "ch_1"}
    assert payouts.provider.refunded == others
    name = await open_before_anything_is_sent(payouts, 1, EXAMPLE[1])
    await payouts.work_off(0.2)
    [blocked] = await refunds_of(payouts)
    assert blocked.state is RefundState.BLOCKED
    assert await held(payouts) == AFTER_ONE["ch_1"]
    await share_again(payouts)
    assert payouts.provider.refunded == others
    await decided(payouts, name, end)
    await share_again(payouts)
    won = end is ProviderDisputeStatus.WON
    assert payouts.provider.refunded == (AFTER_ONE if won else others)
    [ended] = await refunds_of(payouts)
    assert ended.state is (RefundState.SUCCEEDED if won else RefundState.CANCELLED)
    owed = 0 if won else EXAMPLE[1] - AFTER_ONE["ch_1"]
    assert await held(payouts, Account.CREATOR_RECEIVABLE) == owed
    assert await held(payouts) == 0
    await payouts.assert_books_true()


@pytest.mark.trap(3)
@pytest.mark.parametrize("end", [ProviderDisputeStatus.WON, ProviderDisputeStatus.LOST])
async def test_of_a_share_the_bank_takes_a_part(
    payouts: Payouts, end: ProviderDisputeStatus
) -> None:
    """The rest of it waits, and goes to its backer whatever the bank decides."""
    await paid(payouts, 1)
    await payouts.hear_cancellation(3)
    await payouts.turn_run_only()
    name = await open_before_anything_is_sent(payouts, 1, 1_000)
    await payouts.work_off(0.2)
    await share_again(payouts)
    others = {name: share for name, share in AFTER_ONE.items() if name != "ch_1"}
    assert payouts.provider.refunded == others
    await decided(payouts, name, end)
    await share_again(payouts)
    by_bank = 0 if end is ProviderDisputeStatus.WON else 1_000
    refund = (await refunds_of(payouts))[-1]
    assert refund.amount == AFTER_ONE["ch_1"] - by_bank
    # The provider returns nothing of what was charged back: its rest waits to be claimed.
    by_us = RefundState.CLAIMABLE if by_bank else RefundState.SUCCEEDED
    assert refund.state is by_us
    assert await held(payouts) == await held(payouts, Account.CREATOR_RECEIVABLE) == 0
    assert RefundState.BLOCKED not in {one.state for one in await refunds_of(payouts)}
    await payouts.assert_books_true()


@pytest.mark.trap(3)
async def test_what_the_bank_took_of_a_share_is_not_made_up_with_others_money(
    payouts: Payouts,
) -> None:
    """What came back besides is divided by what each lacks, the same for all of them."""
    await paid(payouts, 1)
    await payouts.hear_cancellation(3)
    await payouts.turn_run_only()
    name = await open_before_anything_is_sent(payouts, 1, 1_000)
    await payouts.work_off(0.2)
    await come_back(payouts, 1_000)
    await decided(payouts, name, ProviderDisputeStatus.LOST)
    refund = (await refunds_of(payouts))[-1]
    assert refund.amount == AFTER_ONE["ch_1"] - 1_000
    assert refund.unpaid == EXAMPLE[1] - AFTER_ONE["ch_1"]
    assert await held(payouts) == 1_000


@pytest.mark.trap(3)
async def test_the_first_division_leaves_a_blocked_refund_alone(payouts: Payouts) -> None:
    """A staff refund that the bank refused before the end is in nobody's share."""
    await paid(payouts, 1)
    await staff_refund_in_flight(payouts, 2)
    name = await open_before_anything_is_sent(payouts, 2, EXAMPLE[2])
    await payouts.work_off(0.2)
    await payouts.hear_cancellation(3)
    await payouts.work_off(0.2)
    left = {1: EXAMPLE[1], 3: EXAMPLE[3]}
    assert payouts.provider.refunded == shares_of(LEFT - EXAMPLE[2], left)
    assert await held(payouts) == EXAMPLE[2]
    await decided(payouts, name, ProviderDisputeStatus.WON)
    await payouts.work_off(0.2)
    assert payouts.provider.refunded["ch_2"] == EXAMPLE[2]
    await payouts.assert_books_true()


async def staff_refund_in_flight(payouts: Payouts, number: int) -> None:
    """All of a pledge, allowed by staff, and sent; the answer is missing."""
    await part_back(payouts, number, EXAMPLE[number])
    payouts.provider.faults["create_refund"] = ["rate_limited"]
    for claim in await payouts.claim(REFUND):
        await payouts.refunds(claim)


@pytest.mark.trap(3)
async def test_no_stage_takes_what_waits_for_a_bank(payouts: Payouts) -> None:
    """The last stage would be paid with it; it goes to its backer first, then the stage is."""
    payouts.stages = replace(payouts.stages, dispute_reserve_basis_points=10_000)
    await paid(payouts, 2)
    await staff_refund_in_flight(payouts, 3)
    name = await open_before_anything_is_sent(payouts, 3, EXAMPLE[3])
    await payouts.work_off(0.2)
    await show(payouts, 3)
    await decide(payouts, 3)
    whole = (await the(payouts, 3)).payable
    _, found = await payouts.stages.explain(CAMPAIGN, 3)
    line = {line.name: line for line in found}["refund_blocked"]
    assert (line.state.value, line.who) == ("blocked", "provider")
    with pytest.raises(Refused, match="wait for a bank's decision"):
        await approve(payouts, 3, whole)
    await decided(payouts, name, ProviderDisputeStatus.WON)
    await payouts.work_off(0.2)
    assert payouts.provider.refunded == {"ch_3": EXAMPLE[3]}
    await approve(payouts, 3, whole - EXAMPLE[3])
    await pay(payouts)
    assert (await the(payouts, 3)).state is StageState.PAID
    await payouts.assert_books_true()


@pytest.mark.trap(3)
@pytest.mark.parametrize(("number", "reserved"), [(1, 0), (3, AFTER_ONE["ch_3"])])
@pytest.mark.parametrize("end", [ProviderDisputeStatus.WON, ProviderDisputeStatus.LOST])
async def test_a_chargeback_between_two_pages_takes_nobody_elses_share(
    payouts: Payouts, number: int, reserved: int, end: ProviderDisputeStatus
) -> None:
    """Behind the cursor it takes nothing, before it what its own pledge would have got."""
    await paid(payouts, 1)
    await payouts.hear_cancellation(3)
    (claim,) = await payouts.claim(REFUND_RUN)
    for _ in range(2):
        assert (
            await run_page(payouts.units, claim, payouts.rewards_read, payouts.clock.now(), 1)
            is Progress.GOES_ON
        )
    for claimed in await payouts.claim(REFUND):
        await payouts.refunds(claimed)
    assert payouts.provider.refunded == {"ch_1": AFTER_ONE["ch_1"]}
    name = await open_before_anything_is_sent(payouts, number, EXAMPLE[number])
    assert (await the_dispute(payouts, name)).reserved == reserved
    payouts.provider.move_dispute(name, end)
    payouts.clock.advance(seconds=3)
    for claimed in await payouts.claim(DISPUTE):
        await payouts.disputes(claimed)
    assert (await the_dispute(payouts, name)).over
    await payouts.units.run(lambda unit: unit.plumbing.work.postpone(claim, payouts.clock.now()))
    await payouts.work_off(0.2)
    # Won in time, its own page still gives it its share.
    by_bank = {"ch_3"} if number == 3 and end is ProviderDisputeStatus.LOST else set()
    paid_out = {one: share for one, share in AFTER_ONE.items() if one not in by_bank}
    assert payouts.provider.refunded == paid_out
    await payouts.assert_books_true()
