"""From deadline to verdict: each line alone keeps it away, and it falls once."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from funding.domain.campaign import CampaignState
from funding.domain.pledge import PaymentMethod, PaymentStatus
from funding.handlers.settle import explain
from funding.sweeps import MeasureCampaigns
from servicekit.errors import Conflict
from servicekit.mongo import Database
from servicekit.set_aside import SetAsideFact
from services.funding.tests.conftest import (
    LAUNCH,
    NOW,
    Funding,
    mongo_funding,
    other_launch,
    payment,
)
from sosst_contracts.codec import Record

DEADLINE_AND_SETTLE = 3_600 + 900


async def missing(funding: Funding) -> list[str]:
    lines = await explain(funding.units, funding.intake, "c1", funding.clock.now())
    return [line.line.value for line in lines if not line.met]


@pytest.mark.parametrize(
    ("collected", "outcome"),
    [(999, CampaignState.GOAL_MISSED), (1_000, CampaignState.GOAL_MET)],
)
async def test_collected_equal_to_the_goal_is_success(
    funding: Funding, collected: int, outcome: CampaignState
) -> None:
    """One unit less is a miss; the verdict carries totals and the last pledge's sequence."""
    await funding.launch()
    await funding.pay(payment(1, amount=collected))
    funding.clock.advance(seconds=DEADLINE_AND_SETTLE)
    verdict = (await funding.settled()).verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.collected, verdict.count) == (outcome, collected, 1)
    assert verdict.pledges_sequence == 2  # placed and collected
    assert len(await funding.published("verdict-reached")) == 1


@pytest.mark.parametrize(
    ("method", "hours"),
    [(None, 1), (PaymentMethod.CARD, 1), (PaymentMethod.BANK_TRANSFER, 7 * 24)],
)
async def test_a_pending_payment_is_waited_for_as_long_as_its_method_takes(
    funding: Funding, method: PaymentMethod | None, hours: int
) -> None:
    """An hour for a card, up to a week for any other; then the verdict falls without it."""
    await funding.launch()
    pending = payment(1, PaymentStatus.PENDING, at=LAUNCH.deadline)
    await funding.pay(replace(pending, method=method), payment(2))
    funding.clock.advance(seconds=3_600 + hours * 3_600 - 1)
    assert (await funding.settled()).verdict is None and await missing(funding) == ["pending"]
    funding.clock.advance(seconds=1)
    assert (await funding.settled()).verdict is not None


async def test_the_youngest_window_of_all_methods_counts(funding: Funding) -> None:
    """An older bank transfer outlasts a younger card."""
    await funding.launch()
    transfer = payment(1, PaymentStatus.PENDING)
    await funding.pay(
        replace(transfer, method=PaymentMethod.BANK_TRANSFER),
        payment(2, PaymentStatus.PENDING, at=LAUNCH.deadline),
    )
    funding.clock.advance(seconds=3 * 3_600)
    assert (await funding.settled()).verdict is None and await missing(funding) == ["pending"]


async def test_the_clock_keeps_the_verdict_away(funding: Funding) -> None:
    """A second before deadline and settle time there is none."""
    await funding.launch()
    funding.clock.advance(seconds=DEADLINE_AND_SETTLE - 1)
    assert (await funding.settled()).state is CampaignState.SETTLING
    assert "clock" in await missing(funding)
    funding.clock.advance(seconds=1)
    assert (await funding.settled()).verdict is not None


async def test_what_verdicts_wait_for_is_seen_from_outside(funding: Funding) -> None:
    """Campaigns by state, and those past their deadline by the line that is missing."""
    await funding.launch()
    await funding.launch(other_launch(campaign_id="c2", deadline=NOW + timedelta(days=9)))
    await funding.pay(payment(1, PaymentStatus.PENDING, at=NOW + timedelta(minutes=59)))
    funding.clock.advance(seconds=DEADLINE_AND_SETTLE)
    await funding.settled()
    measure = MeasureCampaigns(funding.units, funding.queries, funding.intake)
    assert await measure(funding.clock.now()) == 0

    def value(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(f"sosst_funding_{name}", labels)

    assert value("campaigns", state="live") == 1
    assert value("campaigns", state="settling") == 1
    assert value("campaigns", state="goal_met") == 0
    assert value("verdict_blocked_campaigns", line="pending") == 1
    assert value("verdict_blocked_campaigns", line="clock") == 0


async def test_a_pending_payment_keeps_the_verdict_away_for_its_window(funding: Funding) -> None:
    """Within an hour of its beginning it may still be captured; then it is waited for no longer."""
    await funding.launch()
    late = NOW + timedelta(minutes=59)
    await funding.pay(payment(1, PaymentStatus.PENDING, at=late))
    funding.clock.advance(seconds=DEADLINE_AND_SETTLE)
    assert (await funding.settled()).verdict is None and await missing(funding) == ["pending"]
    funding.clock.advance(seconds=3_600)
    verdict = (await funding.settled()).verdict
    assert verdict is not None and verdict.count == 0


async def test_the_intake_keeps_the_verdict_away_until_it_is_read(funding: Funding) -> None:
    """The end is read once, after the clock: what is written later does not move it."""
    await funding.launch()
    funding.clock.advance(seconds=DEADLINE_AND_SETTLE)
    funding.intake.away = True
    assert (await funding.settled()).verdict is None and await missing(funding) == ["intake"]
    funding.intake.away, funding.intake.end = False, {0: 5, 3: 2}
    funding.clock.advance(seconds=1)
    await funding.settled()
    funding.intake.end, funding.intake.position = {0: 50}, {0: 5, 3: 1}
    funding.clock.advance(seconds=1)
    assert (await funding.settled()).verdict is None
    funding.intake.position = {0: 5, 3: 2}
    funding.clock.advance(seconds=1)
    assert (await funding.settled()).verdict is not None


async def test_a_fact_set_aside_keeps_the_verdict_away(funding: Funding) -> None:
    """Only this campaign's: what cannot be attributed blocks nothing."""
    await funding.launch()
    facts = [
        SetAsideFact(
            name, "g", "t", key, None, Record("t", None, None, ()), 0, 0, "bad", "", False, NOW
        )
        for name, key in (("ours", "c1"), ("nobody's", None), ("other", "c2"))
    ]
    await funding.units.run(lambda unit: unit.plumbing.set_aside.add(facts))
    funding.clock.advance(seconds=DEADLINE_AND_SETTLE)
    assert (await funding.settled()).verdict is None and await missing(funding) == ["set-aside"]
    await funding.units.run(lambda unit: unit.plumbing.set_aside.remove(["ours"]))
    funding.clock.advance(seconds=1)
    assert (await funding.settled()).verdict is not None


@pytest.mark.trap(16)
async def test_a_deadline_that_passed_while_funding_was_down_fires_once(funding: Funding) -> None:
    """A day late rather than never, and how late is known."""
    await funding.launch()
    funding.clock.advance(days=1)
    verdict = (await funding.settled()).verdict
    assert verdict is not None and verdict.late_by_seconds == 86_400 - DEADLINE_AND_SETTLE
    funding.clock.advance(days=1)
    assert (
        await funding.settle() is None and await funding.queries.due(funding.clock.now(), 9) == []
    )
    assert len(await funding.published("verdict-reached")) == 1


@pytest.mark.trap(16)
async def test_two_instances_decide_once(database: Database) -> None:
    """Both sweep at the same moment, many times; one verdict is published."""
    one, other = mongo_funding(database), mongo_funding(database)
    names = [f"c{number}" for number in range(6)]
    for name in names:
        await one.launch(other_launch(campaign_id=name))
    for instance in (one, other):
        instance.clock.advance(seconds=DEADLINE_AND_SETTLE)

    async def sweep(instance: Funding, name: str) -> None:
        while True:
            try:
                if await instance.settle(name) is None:
                    return
            except Conflict:
                continue

    await asyncio.gather(*(sweep(i, name) for name in names for i in (one, other) for _ in "ab"))
    decided = [event.key for event in await one.published("verdict-reached")]
    assert sorted(decided) == names


async def test_late_by_counts_from_the_last_line_that_turned_green(funding: Funding) -> None:
    """Waiting for a pending payment is not lateness."""
    quick = replace(LAUNCH.terms, pending_window_seconds=7_200)
    await funding.launch(other_launch(terms=quick))
    await funding.pay(payment(1, PaymentStatus.PENDING, at=NOW + timedelta(hours=1)))
    funding.clock.advance(seconds=DEADLINE_AND_SETTLE)
    await funding.settled()
    funding.clock.advance(seconds=7_200 - 901)
    await funding.settled()
    funding.clock.advance(seconds=2)
    verdict = (await funding.settled()).verdict
    assert verdict is not None and verdict.late_by_seconds <= 2
