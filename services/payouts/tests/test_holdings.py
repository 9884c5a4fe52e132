"""How long money is held: the oldest that is still there, told once before the provider's limit."""

from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from payouts.domain.book import Outcome
from payouts.domain.holding import HoldingLimits, Inflow, oldest_held
from payouts.sweeps.holdings import MeasureHoldings
from services.payouts.tests.builders import NOW, a_pledge
from services.payouts.tests.conftest import CAMPAIGN, Payouts

DAY = timedelta(days=1)
LIMITS = HoldingLimits({"*": 90})


def look(payouts: Payouts, limits: HoldingLimits = LIMITS) -> MeasureHoldings:
    return MeasureHoldings(payouts.units, payouts.queries, limits)


def ratio() -> float | None:
    return REGISTRY.get_sample_value("sosst_payouts_hold_limit_ratio")


@pytest.mark.parametrize(
    ("held", "since"), [(0, None), (1, 3), (30, 3), (31, 2), (50, 2), (51, 1), (60, 1), (99, 1)]
)
def test_what_came_first_leaves_first(held: int, since: int | None) -> None:
    """The oldest held is as old as the payment with which the later ones reach what is held."""
    newest_first = [Inflow(n, NOW + n * DAY, 10 * n) for n in (3, 2, 1)]
    assert oldest_held(newest_first, held) == (None if since is None else NOW + since * DAY)


async def test_staff_hear_once_that_a_limit_is_near(payouts: Payouts) -> None:
    """At four fifths, with how much, since when and until when; and nobody is told again."""
    await payouts.collect(1)
    payouts.clock.advance(seconds=20 * 86_400)
    await payouts.collect(2)
    measure = look(payouts)
    payouts.clock.advance(seconds=52 * 86_400 - 1)
    await measure(payouts.clock.now())
    assert await payouts.published("holding-limit-near") == []
    assert await payouts.queries.holdings_near("", 10) == []
    payouts.clock.advance(seconds=1)
    for _ in range(2):
        await measure(payouts.clock.now())
        payouts.clock.advance(seconds=3_600)
    (told,) = await payouts.published("holding-limit-near")
    said = told.model_dump()
    assert (said["amount"], said["held_since"]) == (10_000, NOW)
    assert said["limit_at"] == NOW + 90 * DAY
    (near,) = await payouts.queries.holdings_near("", 10)
    assert near.campaign_id == CAMPAIGN and await payouts.queries.holdings_near(CAMPAIGN, 10) == []
    assert ratio() == pytest.approx(0.8, abs=0.01)


async def test_it_is_over_once_the_oldest_has_left(payouts: Payouts) -> None:
    """What went back was the oldest, the rest is young; near again weeks later it is told anew."""
    await payouts.collect(1)
    payouts.clock.advance(seconds=40 * 86_400)
    await payouts.collect(2)
    measure = look(payouts)
    payouts.clock.advance(seconds=33 * 86_400)
    await measure(payouts.clock.now())
    assert len(await payouts.queries.holdings_near("", 10)) == 1
    await payouts.withdraw(1, 3)
    await payouts.work_off()
    await measure(payouts.clock.now())
    assert await payouts.queries.holdings_near("", 10) == []
    payouts.clock.advance(seconds=40 * 86_400)
    await measure(payouts.clock.now())
    assert len(await payouts.published("holding-limit-near")) == 2
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1, sequence=3)
    await payouts.work_off()
    await measure(payouts.clock.now())
    assert await payouts.queries.holdings_near("", 10) == [] and ratio() == 0


async def test_each_provider_has_its_own_limit(payouts: Payouts) -> None:
    """Where money may lie for two years nobody is told after three months."""
    await payouts.collect(1)
    payouts.clock.advance(seconds=85 * 86_400)
    await look(payouts, HoldingLimits({"*": 90, "sandbox": 730}))(payouts.clock.now())
    assert await payouts.published("holding-limit-near") == []
    await look(payouts, HoldingLimits({"*": 90, "another": 730}))(payouts.clock.now())
    assert len(await payouts.published("holding-limit-near")) == 1


async def test_of_several_providers_the_strictest_counts(payouts: Payouts) -> None:
    """What is left may be the money that lies with either, whichever pledge came first."""
    pledges = {1: a_pledge(1), 2: replace(a_pledge(2), provider="another")}
    payouts.capture(list(pledges.values()))
    await payouts.hear_collected(pledges)
    payouts.clock.advance(seconds=73 * 86_400)
    await look(payouts, HoldingLimits({"*": 90, "sandbox": 730}))(payouts.clock.now())
    (told,) = await payouts.published("holding-limit-near")
    said = told.model_dump()
    assert (said["provider"], said["limit_at"]) == ("another", NOW + 90 * DAY)
