"""Cancelling: by whom until when, once, and nothing is counted or decided behind it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from funding.consumer import subscriptions
from funding.domain.campaign import CampaignState, Totals
from funding.domain.errors import Refused
from funding.domain.held import Held
from funding.domain.pledge import PaymentStatus, Pledge, Standing
from funding.handlers.settle import explain
from servicekit.consume import BatchConsumer
from servicekit.errors import Conflict
from servicekit.loops import Pulse
from servicekit.mongo import Database
from servicekit.ordering import Incoming
from services.funding.tests.conftest import (
    LAUNCH,
    NOW,
    SETTLEMENT,
    TERMS,
    Funding,
    memory_funding,
    mongo_funding,
    payment,
)
from sosst_contracts.codec import Draft
from sosst_contracts.platform import CancellationOrdered
from sosst_contracts.testing import sample

SETTLED_SECONDS = 3_600 + 900


@pytest.mark.row("S15")
async def test_a_creator_cancels_before_the_deadline(funding: Funding) -> None:
    """The fact says who, why, as of which pledges, and what had been counted."""
    await funding.launch()
    await funding.pay(payment(1), payment(2, PaymentStatus.PENDING))
    cancelled = await funding.cancel("creator-1", as_staff=False, reason="The workshop burnt.")
    assert cancelled.state is CampaignState.CANCELLED and cancelled.next_due is None
    (event,) = await funding.published("campaign-cancelled")
    told = event.model_dump()
    said = (told["by"], told["reason"], told["after_verdict"], told["pledges_sequence"])
    assert said == ("creator-1", "The workshop burnt.", False, 3)
    assert (told["collected"], told["count"]) == (600, 1)
    assert (await funding.queries.campaign("c1")) == replace(cancelled, version=2)


async def test_the_same_again_is_done_and_another_refused(funding: Funding) -> None:
    """Also long after, as whoever heard no answer would."""
    await funding.launch()
    first = await funding.cancel()
    funding.clock.advance(days=9)
    assert (await funding.cancel()).cancellation == first.cancellation
    with pytest.raises(Refused) as refused:
        await funding.cancel(reason="Something else.")
    assert refused.value.reason == "already-cancelled"
    assert len(await funding.published("campaign-cancelled")) == 1


@pytest.mark.parametrize(
    ("seconds", "as_staff", "goal", "reason"),
    [
        (3_600, False, 600, None),
        (3_601, False, 600, "cancellation-too-late"),
        (3_601, True, 600, None),
        (SETTLED_SECONDS, True, 600, None),
        (SETTLED_SECONDS, False, 600, "cancellation-after-verdict"),
        (SETTLED_SECONDS, True, 601, "goal-missed"),
    ],
)
async def test_who_may_cancel_until_when(
    funding: Funding, seconds: int, as_staff: bool, goal: int, reason: str | None
) -> None:
    """The creator to the deadline's instant, staff also after a met goal, nobody a missed one."""
    await funding.launch(replace(LAUNCH, goal=goal))
    await funding.pay(payment(1))
    funding.clock.advance(seconds=seconds)
    if seconds == SETTLED_SECONDS:
        await funding.settled()
    if reason is None:
        assert (await funding.cancel(as_staff=as_staff)).cancellation is not None
        return
    with pytest.raises(Refused) as refused:
        await funding.cancel(as_staff=as_staff)
    assert refused.value.reason == reason
    assert await funding.published("campaign-cancelled") == []


async def test_staff_cancel_after_a_met_goal(funding: Funding) -> None:
    """The verdict stays; the fact says that it had fallen, and as of which pledges it is."""
    await funding.launch(replace(LAUNCH, goal=600))
    await funding.pay(payment(1))
    funding.clock.advance(seconds=SETTLED_SECONDS)
    await funding.settled()
    await funding.pay(payment(2))
    for _ in range(2):
        cancelled = await funding.cancel(reason="The workshop burnt.")
    assert cancelled.state is CampaignState.CANCELLED and cancelled.next_due is None
    assert cancelled.verdict is not None and cancelled.verdict.outcome is CampaignState.GOAL_MET
    (event,) = await funding.published("campaign-cancelled")
    told = event.model_dump()
    assert (told["after_verdict"], told["collected"], told["count"]) == (True, 600, 1)
    assert (cancelled.verdict.pledges_sequence, told["pledges_sequence"]) == (2, 4)
    (late,) = await funding.pay(payment(3))
    assert isinstance(late, Pledge) and late.standing is Standing.LATE
    assert (await funding.published("pledge-collected"))[-1].model_dump()["standing"] == "late"
    with pytest.raises(Refused, match="other words"):
        await funding.cancel(reason="Something else.")


@pytest.mark.parametrize("as_staff", [True, False])
async def test_whoever_owns_it_cancels_no_met_goal(funding: Funding, as_staff: bool) -> None:
    """A creator who is staff as well decides about the own campaign as its creator."""
    await funding.launch(replace(LAUNCH, goal=600))
    await funding.pay(payment(1))
    funding.clock.advance(seconds=SETTLED_SECONDS)
    await funding.settled()
    with pytest.raises(Refused, match="not its creator"):
        await funding.cancel(LAUNCH.creator_id, as_staff=as_staff)
    assert await funding.published("campaign-cancelled") == []


async def test_unknown_held_and_without_a_reason(funding: Funding) -> None:
    """Each is refused by name."""
    with pytest.raises(Refused, match="no campaign"):
        await funding.cancel()
    await funding.launch()
    with pytest.raises(Refused, match="there must be a reason"):
        await funding.cancel(reason="  ")
    await funding.units.run(lambda unit: unit.held.save(Held("c1", "odd", NOW)))
    with pytest.raises(Refused, match="release"):
        await funding.cancel()


async def test_no_verdict_falls_and_nothing_is_counted_behind_it(funding: Funding) -> None:
    """What is captured later is late, so that it goes back; what was raised stays."""
    await funding.launch()
    await funding.pay(payment(1), payment(2, PaymentStatus.PENDING))
    await funding.cancel()
    (late,) = await funding.pay(payment(2))
    assert isinstance(late, Pledge) and late.standing is Standing.LATE
    (refused,) = await funding.withdraw(1)
    assert isinstance(refused, Refused) and refused.reason == "withdrawal-too-late"
    funding.clock.advance(days=9)
    campaign = await funding.settled()
    assert campaign.state is CampaignState.CANCELLED and campaign.verdict is None
    assert campaign.totals == Totals(1_200, 600, 1, late=600)
    assert await explain(funding.units, funding.intake, "c1", funding.clock.now()) == []
    assert await funding.published("verdict-reached") == []


@pytest.mark.parametrize("by_staff", [True, False])
@pytest.mark.parametrize("cancel_first", [True, False])
async def test_both_commit_orders_of_cancelling_and_deciding(
    database: Database, cancel_first: bool, by_staff: bool
) -> None:
    """No verdict falls behind a cancellation; one that was first met its goal, and says so."""
    staff, deciding = mongo_funding(database), mongo_funding(database)
    await staff.launch(replace(LAUNCH, goal=600))
    await staff.pay(payment(1))
    for one in (staff, deciding):
        one.clock.advance(seconds=SETTLED_SECONDS)
    await deciding.settle()
    by = "staff-1" if by_staff else LAUNCH.creator_id
    steps: list[Callable[[], Awaitable[object]]] = [
        lambda: staff.cancel(by),
        deciding.settle,
    ]
    for step in steps if cancel_first else steps[::-1]:
        try:
            await step()
        except (Refused, Conflict):
            assert not (cancel_first or by_staff) or step is deciding.settle
    campaign = await deciding.queries.campaign("c1")
    assert campaign is not None and (campaign.verdict is None) is cancel_first
    assert (campaign.cancellation is not None) is (cancel_first or by_staff)
    told = await staff.published("campaign-cancelled")
    assert len(told) == int(cancel_first or by_staff)
    assert [one.model_dump()["after_verdict"] for one in told] == [not cancel_first] * len(told)
    assert len(await staff.published("verdict-reached")) == int(not cancel_first)


@pytest.mark.parametrize("cancel_first", [True, False])
async def test_both_commit_orders_of_cancelling_and_withdrawing(
    database: Database, cancel_first: bool
) -> None:
    """A pledge leaves the count before it, or goes back with all others because of it."""
    staff, backer = mongo_funding(database), mongo_funding(database)
    await staff.launch()
    await staff.pay(payment(1), payment(2))
    steps: list[Callable[[], Awaitable[object]]] = [staff.cancel, lambda: backer.withdraw(1)]
    for step in steps if cancel_first else steps[::-1]:
        await step()
    (event,) = await staff.published("campaign-cancelled")
    assert event.model_dump()["count"] == (2 if cancel_first else 1)
    assert len(await staff.published("pledge-withdrawn")) == int(not cancel_first)


@pytest.mark.parametrize("after_verdict", [True, False])
async def test_the_platform_s_staff_orders_it_by_topic(after_verdict: bool) -> None:
    """The same order by topic twice, and by HTTP, is one cancellation."""
    funding = memory_funding()
    await funding.launch(replace(LAUNCH, goal=600))
    await funding.pay(payment(1))
    if after_verdict:
        funding.clock.advance(seconds=SETTLED_SECONDS)
        await funding.settled()
    order = sample(CancellationOrdered, campaign_id="c1", by="staff-1", reason="It is over.")
    (campaigns, _) = subscriptions(funding.clock, TERMS, SETTLEMENT, payments_intake=True)
    consumer = BatchConsumer(campaigns, funding.units, funding.clock, Pulse("campaigns"))
    for offset in range(2):
        await consumer.process([Incoming(Draft(order, NOW, "c1/cancelled").seal(), 0, offset)])
    await funding.cancel()
    (event,) = await funding.published("campaign-cancelled")
    told = event.model_dump()
    assert (told["by"], told["after_verdict"]) == ("staff-1", after_verdict)


async def test_an_order_in_its_creator_s_name_ends_no_met_goal() -> None:
    """Whoever wrote it on the topic: it is set aside by name, and nothing is told."""
    funding = memory_funding()
    await funding.launch(replace(LAUNCH, goal=600))
    await funding.pay(payment(1))
    funding.clock.advance(seconds=SETTLED_SECONDS)
    await funding.settled()
    order = sample(CancellationOrdered, campaign_id="c1", by=LAUNCH.creator_id, reason="Over.")
    (campaigns, _) = subscriptions(funding.clock, TERMS, SETTLEMENT, payments_intake=True)
    consumer = BatchConsumer(campaigns, funding.units, funding.clock, Pulse("campaigns"))
    await consumer.process([Incoming(Draft(order, NOW, "c1/cancelled").seal(), 0, 0)])
    assert await funding.published("campaign-cancelled") == []
    campaign = await funding.queries.campaign("c1")
    assert campaign is not None and campaign.state is CampaignState.GOAL_MET
