"""Pledges: one identity however they are told, counted or late, in both commit orders."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from funding.domain.cancelling import CancelCampaign
from funding.domain.errors import Refused
from funding.domain.pledge import PaymentMethod, PaymentStatus, Pledge, PledgeState, Standing
from funding.handlers.cancel import cancel_campaign
from funding.handlers.launch import launch
from servicekit.errors import Conflict
from servicekit.mongo import Database
from services.funding.tests.conftest import (
    LAUNCH,
    NOW,
    SETTLEMENT,
    Funding,
    memory_funding,
    mongo_funding,
    payment,
)
from sosst_contracts.money import Money

SETTLED_SECONDS = 3_600 + 900


async def test_the_same_launch_again_is_done_and_another_one_refused(funding: Funding) -> None:
    """A campaign id is launched once; equal content is the same campaign."""
    first = await funding.launch()
    again, new = await funding.units.run(lambda unit: launch(unit, LAUNCH, SETTLEMENT, NOW))
    assert again.launch == first.launch and not new
    with pytest.raises(Refused, match="other content"):
        await funding.launch(replace(LAUNCH, title="Another lamp"))
    assert len(await funding.published("campaign-launched")) == 1


@pytest.mark.trap(5)
async def test_a_currency_that_the_provider_does_not_settle_in_is_not_launched(
    funding: Funding,
) -> None:
    """Nobody can pledge to what does not exist: nothing is charged in it, nothing is planned."""
    with pytest.raises(Refused, match="settles in EUR, not in JPY") as refused:
        await funding.launch(replace(LAUNCH, currency="JPY"))
    assert refused.value.reason == "currency-not-settled"
    told = replace(payment(1), money=Money(600, "JPY"))
    (answer,) = await funding.pay(told)
    assert isinstance(answer, Refused) and answer.reason == "campaign-unknown"
    yen = {*SETTLEMENT, "JPY"}
    launched, new = await funding.units.run(
        lambda unit: launch(unit, replace(LAUNCH, currency="JPY"), yen, NOW)
    )
    assert new and launched.launch.currency == "JPY"


async def test_a_payment_told_twice_is_one_pledge(funding: Funding) -> None:
    """In one batch or in two, by HTTP or by topic: placed once, collected once."""
    await funding.launch()
    await funding.pay(payment(1), payment(1), payment(1, PaymentStatus.PENDING))
    await funding.pay(payment(1), payment(1, PaymentStatus.FAILED))
    campaign = await funding.queries.campaign("c1")
    assert campaign is not None and (campaign.totals.counted, campaign.totals.count) == (600, 1)
    assert [len(await funding.published(f"pledge-{w}")) for w in ("placed", "collected")] == [1, 1]
    assert await funding.published("pledge-errored") == []


async def test_a_capture_that_names_no_method_was_paid_as_told_before(funding: Funding) -> None:
    """How long payouts can return it depends on it."""
    await funding.launch()
    pending = replace(payment(1, PaymentStatus.PENDING), method=PaymentMethod.SEPA_DEBIT)
    await funding.pay(pending)
    await funding.pay(payment(1))
    await funding.pay(replace(payment(2), method=PaymentMethod.CARD))
    told = [event.model_dump()["method"] for event in await funding.published("pledge-collected")]
    assert told == ["sepa_debit", "card"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"money": Money(601, "EUR")}, "payment-conflict"),
        ({"backer_id": "somebody"}, "payment-conflict"),
        ({"pledge_id": "p2"}, "payment-conflict"),
        ({"campaign_id": "c2"}, "campaign-unknown"),
        ({"payment_reference": "ch9", "pledge_id": "p9", "reward_id": "castle"}, "unknown-reward"),
        (
            {"payment_reference": "ch9", "pledge_id": "p9", "money": Money(1, "JPY")},
            "other-currency",
        ),
    ],
)
async def test_other_content_is_refused_and_its_neighbours_are_taken(
    funding: Funding, change: dict[str, object], reason: str
) -> None:
    """A refusal is that payment's answer; the rest of the batch is saved."""
    await funding.launch()
    await funding.pay(payment(1))
    odd, good = await funding.pay(replace(payment(1), **change), payment(3))  # type: ignore[arg-type]
    assert isinstance(odd, Refused) and odd.reason == reason
    assert isinstance(good, Pledge) and good.state is PledgeState.COLLECTED


@pytest.mark.parametrize("year", [1, 1969, 3000, 9999])
async def test_nothing_at_an_end_of_time_is_taken_from_a_topic(funding: Funding, year: int) -> None:
    """What follows from it would be added to it, by every service; its neighbours are taken."""
    at = NOW.replace(year=year)
    with pytest.raises(Refused, match="is in no year") as refused:
        await funding.launch(replace(LAUNCH, deadline=at))
    assert refused.value.reason == "invalid-instant"
    await funding.launch()
    told = [payment(number, status, at=at) for number, status in enumerate(PaymentStatus)]
    *odd, good = await funding.pay(*told, payment(9))
    assert {one.reason for one in odd if isinstance(one, Refused)} == {"invalid-instant"}
    assert all(isinstance(one, Refused) for one in odd)
    assert isinstance(good, Pledge) and good.state is PledgeState.COLLECTED
    order = CancelCampaign("c1", "staff-1", "It is over.", True, at)
    with pytest.raises(Refused, match="is in no year"):
        await funding.units.run(lambda unit: cancel_campaign(unit, order))


async def test_an_errored_pledge_may_still_be_collected(funding: Funding) -> None:
    """A failed payment is not the end of a pledge."""
    await funding.launch()
    await funding.pay(payment(1, PaymentStatus.FAILED))
    (pledge,) = await funding.pay(payment(1))
    assert isinstance(pledge, Pledge) and pledge.state is PledgeState.COLLECTED
    assert len(await funding.published("pledge-errored")) == 1


async def test_captured_after_the_deadline_is_late(funding: Funding) -> None:
    """The instant of the capture decides, not when we hear of it; each is counted, once."""
    await funding.launch()
    before = counted_late()
    in_time, late = await funding.pay(
        payment(1, at=LAUNCH.deadline), payment(2, at=LAUNCH.deadline + timedelta(milliseconds=1))
    )
    assert isinstance(in_time, Pledge) and isinstance(late, Pledge)
    assert (in_time.standing, late.standing) == (Standing.COUNTED, Standing.LATE)
    await funding.pay(late.payment)
    assert counted_late() - before == 1


def counted_late() -> float:
    return REGISTRY.get_sample_value("sosst_funding_late_payments_total") or 0


@pytest.mark.trap(22)
@pytest.mark.parametrize("pledge_first", [True, False])
async def test_both_commit_orders_of_counting_and_deciding(
    database: Database, pledge_first: bool
) -> None:
    """The second to commit sees the first: counted in the verdict, or late, never in between."""
    pledging, deciding = mongo_funding(database), mongo_funding(database)
    await pledging.launch()
    await pledging.pay(payment(1))
    deciding.clock.advance(seconds=SETTLED_SECONDS)
    await deciding.settle()
    first, second = (pledging.pay(payment(2)), deciding.settle())
    if not pledge_first:
        first, second = second, first
    await first
    await second
    await assert_counted_or_late(deciding)


@pytest.mark.trap(22)
@pytest.mark.parametrize("seed", range(6))
async def test_counting_and_deciding_at_the_same_time(database: Database, seed: int) -> None:
    """Raced many times on real transactions: totals, verdict and standings always agree."""
    mongo = mongo_funding(database)
    deciding = mongo_funding(database)
    await mongo.launch()
    deciding.clock.advance(seconds=SETTLED_SECONDS)
    await deciding.settle()
    chance = random.Random(seed)

    async def pay(number: int, after: float, funding: Funding = mongo) -> None:
        await asyncio.sleep(after)
        while True:
            try:
                await funding.pay(payment(number))
                return
            except Conflict:
                continue

    async def decide(after: float, funding: Funding = deciding) -> None:
        await asyncio.sleep(after)
        while True:
            try:
                if (await funding.settled()).verdict is not None:
                    return
            except Conflict:
                pass  # A pledge was faster; the next sweep looks again.
            funding.clock.advance(seconds=1)

    tasks = [pay(number, chance.random() * 0.02) for number in range(8)]
    await asyncio.gather(*tasks, decide(chance.random() * 0.02))
    await assert_counted_or_late(deciding)


async def assert_counted_or_late(funding: Funding) -> None:
    campaign = await funding.queries.campaign("c1")
    assert campaign is not None and campaign.verdict is not None
    pledges = await funding.queries.pledges("c1", "", 100)
    counted = [p for p in pledges if p.standing is Standing.COUNTED]
    assert campaign.verdict.count == campaign.totals.count == len(counted)
    assert campaign.verdict.collected == sum(p.payment.money.amount for p in counted)
    assert campaign.totals.late == 600 * (len(pledges) - len(counted))
    assert campaign.verdict.pledges_sequence == 2 * len(counted)


FACTS = st.tuples(st.integers(1, 4), st.sampled_from(PaymentStatus), st.booleans())


@settings(max_examples=150)
@given(st.lists(st.lists(FACTS, max_size=5), max_size=8), st.integers(0, 8))
def test_totals_are_the_sum_over_the_pledges(
    batches: list[list[tuple[int, PaymentStatus, bool]]], verdict_after: int
) -> None:
    """Any facts, doubled and in any order, with the verdict somewhere between them."""
    asyncio.run(assert_totals(batches, verdict_after))


async def assert_totals(
    batches: list[list[tuple[int, PaymentStatus, bool]]], verdict_after: int
) -> None:
    funding = memory_funding()
    await funding.launch()
    for turn, batch in enumerate(batches):
        if turn == verdict_after:
            funding.clock.advance(days=2)
            await funding.settled()
        times = {True: NOW, False: LAUNCH.deadline + timedelta(seconds=1)}
        await funding.pay(*(payment(n, status, at=times[ok]) for n, status, ok in batch))
    campaign = await funding.queries.campaign("c1")
    pledges = await funding.queries.pledges("c1", "", 100)
    assert campaign is not None
    collected = [p for p in pledges if p.state is PledgeState.COLLECTED]
    # What was withdrawn after the verdict stays raised, and counted.
    stayed = [p for p in pledges if p.state is PledgeState.WITHDRAWN and p.raised]
    counted = [p for p in (*collected, *stayed) if p.standing is Standing.COUNTED]
    totals = campaign.totals
    assert totals.raised == 600 * len([p for p in pledges if p.raised])
    assert (totals.counted, totals.count) == (600 * len(counted), len(counted))
    assert totals.late == 600 * len([p for p in collected if p.standing is Standing.LATE])
    if campaign.verdict is not None:
        assert campaign.verdict.collected == totals.counted
