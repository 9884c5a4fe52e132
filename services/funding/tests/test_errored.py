"""Errored pledges: reminded at their times, tried a last time, dropped, and never lost."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from funding.domain.campaign import CampaignState, Totals
from funding.domain.pledge import PaymentStatus, Pledge, PledgeState, Standing
from funding.handlers.errored import step_errored
from funding.ports import FundingUnit
from funding.sweeps import MeasureCampaigns, StepErroredPledges
from servicekit.errors import Conflict
from servicekit.mongo import Database
from servicekit.sweeps import SomeFailed
from services.funding.tests.conftest import (
    LAUNCH,
    NOW,
    TERMS,
    Funding,
    mongo_funding,
    other_launch,
    payment,
)
from sosst_contracts.event import Event

DAY = timedelta(days=1)
LONG = other_launch(deadline=NOW + 30 * DAY)
NAMES = ("pledge-reminder-due", "pledge-last-try-due", "pledge-dropped")


async def sweep(funding: Funding) -> int:
    return await StepErroredPledges(funding.units, funding.queries)(funding.clock.now())


async def sweep_daily(funding: Funding, days: int) -> list[tuple[int, str]]:
    """Sweep once a day; return on which day what fell due."""
    found: list[tuple[int, str]] = []
    for day in range(1, days + 1):
        before = {name: len(await funding.published(name)) for name in NAMES}
        funding.clock.advance(days=1)
        await sweep(funding)
        found += [(day, n) for n in NAMES if len(await funding.published(n)) > before[n]]
    return found


async def errored(funding: Funding) -> None:
    await funding.launch(LONG)
    await funding.pay(payment(1, PaymentStatus.FAILED))


async def test_a_pledge_whose_step_fails_keeps_no_other_from_its_own(
    funding: Funding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page is one transaction; where that fails, each pledge is stepped by itself."""
    await errored(funding)
    await funding.pay(payment(2, PaymentStatus.FAILED))

    async def mistaken(unit: FundingUnit, ids: Sequence[str], now: datetime) -> list[Pledge]:
        if "p1" in ids:
            raise KeyError("bug")
        return await step_errored(unit, ids, now)

    monkeypatch.setattr("funding.sweeps.step_errored", mistaken)
    funding.clock.advance(days=1)
    with pytest.raises(SomeFailed) as some:
        await sweep(funding)
    assert some.value.handled == 1
    told = [event.pledge_id for event in await funding.published(NAMES[0])]  # type: ignore[attr-defined]
    assert told == ["p2"]


async def test_the_steps_fall_due_at_their_times(funding: Funding) -> None:
    """Reminders on days 1, 3 and 5, the last try on day 6, dropped on day 7, then nothing."""
    await errored(funding)
    assert await sweep(funding) == 0
    reminder, last_try, drop = NAMES
    assert await sweep_daily(funding, 9) == [
        (1, reminder),
        (3, reminder),
        (5, reminder),
        (6, last_try),
        (7, drop),
    ]
    reminders: list[Event] = await funding.published(reminder)
    told = [one.model_dump() for one in reminders]
    assert [one["reminder"] for one in told] == [1, 2, 3]
    assert {one["drops_at"] for one in told} == {NOW + 7 * DAY}
    pledge = await funding.queries.pledge("c1", "p1")
    assert pledge is not None and pledge.state is PledgeState.DROPPED
    assert await funding.queries.oldest_due_pledge() is None


async def test_a_step_that_comes_late_keeps_the_time_behind_it(funding: Funding) -> None:
    """Down for two weeks: the backer is reminded, and not dropped in the same minute."""
    await errored(funding)
    funding.clock.advance(days=14)
    assert [await sweep(funding) for _ in range(3)] == [1, 0, 0]
    (reminder,) = await funding.published("pledge-reminder-due")
    assert reminder.model_dump()["drops_at"] == funding.clock.now() + 6 * DAY
    assert [name for _, name in await sweep_daily(funding, 6)] == [*NAMES[:1] * 2, *NAMES[1:]]


async def test_paid_after_all_ends_the_waiting(funding: Funding) -> None:
    """A capture after a reminder leaves nothing due."""
    await errored(funding)
    await sweep_daily(funding, 2)
    (pledge,) = await funding.pay(payment(1, at=funding.clock.now()))
    assert isinstance(pledge, Pledge) and pledge.standing is Standing.COUNTED
    assert await sweep_daily(funding, 9) == []


async def test_a_failure_told_again_begins_nothing_anew(funding: Funding) -> None:
    """The last try that fails too does not put the drop off."""
    await errored(funding)
    await sweep_daily(funding, 6)
    await funding.pay(payment(1, PaymentStatus.FAILED, at=funding.clock.now()))
    assert await sweep_daily(funding, 1) == [(1, "pledge-dropped")]


async def test_a_dropped_pledge_leaves_what_is_raised_and_comes_back_with_its_money(
    funding: Funding,
) -> None:
    """The provider's word about money outranks ours: nobody's capture is lost (0019)."""
    await errored(funding)
    await sweep_daily(funding, 7)
    campaign = await funding.queries.campaign("c1")
    assert campaign is not None and campaign.totals == Totals()
    (again,) = await funding.pay(payment(1, at=funding.clock.now()))
    assert isinstance(again, Pledge) and again.state is PledgeState.COLLECTED
    campaign = await funding.queries.campaign("c1")
    assert campaign is not None and campaign.totals == Totals(600, 600, 1)
    assert len(await funding.published("pledge-placed")) == 2


@pytest.mark.parametrize("goal", [600, 601])
async def test_after_the_verdict_what_is_raised_stays(funding: Funding, goal: int) -> None:
    """Met: waited for to the end. Missed: dropped at the next step, as nothing can be paid."""
    await funding.launch(replace(LAUNCH, goal=goal))
    await funding.pay(payment(1, PaymentStatus.FAILED), payment(2))
    funding.clock.advance(hours=2)
    verdict = (await funding.settled()).verdict
    assert verdict is not None
    met = verdict.outcome is CampaignState.GOAL_MET
    steps = await sweep_daily(funding, 8)
    assert steps[-1][1] == "pledge-dropped" and len(steps) == (5 if met else 1)
    (dropped,) = await funding.published("pledge-dropped")
    told = dropped.model_dump()
    assert told["because"] == ("never_paid" if met else "campaign_over")
    assert told["before_verdict"] is False
    campaign = await funding.queries.campaign("c1")
    assert campaign is not None and campaign.totals == Totals(1_200, 600, 1)
    (late,) = await funding.pay(payment(1, at=funding.clock.now()))
    assert isinstance(late, Pledge) and late.standing is Standing.LATE
    campaign = await funding.queries.campaign("c1")
    assert campaign is not None and campaign.totals == Totals(1_200, 600, 1, late=600)


async def test_how_many_errored_pledges_wait_is_seen_from_outside(funding: Funding) -> None:
    """Those that were paid after all or dropped wait no more."""
    measure = MeasureCampaigns(funding.units, funding.queries, funding.intake)

    async def waiting() -> float | None:
        await measure(funding.clock.now())
        return REGISTRY.get_sample_value("sosst_funding_errored_pledges")

    await errored(funding)
    await funding.pay(*(payment(number, PaymentStatus.FAILED) for number in (2, 3)), payment(4))
    assert await waiting() == 3
    await funding.pay(payment(2, at=funding.clock.now()))
    assert await waiting() == 2
    await sweep_daily(funding, 7)
    assert await waiting() == 0


async def test_terms_may_have_no_reminders(funding: Funding) -> None:
    """Then the last try is the first step."""
    terms = replace(TERMS, errored_reminders_seconds=())
    await funding.launch(other_launch(deadline=LONG.deadline, terms=terms))
    await funding.pay(payment(1, PaymentStatus.FAILED))
    assert await sweep_daily(funding, 8) == [(6, "pledge-last-try-due"), (7, "pledge-dropped")]


async def test_two_instances_take_a_step_once(database: Database) -> None:
    """The second one to commit meets the first one's version; the next sweep finds nothing."""
    first, second = mongo_funding(database), mongo_funding(database)
    await errored(first)
    for one in (first, second):
        one.clock.advance(days=1)
    seen = await first.queries.due_pledges(first.clock.now(), 10)
    assert seen == await second.queries.due_pledges(second.clock.now(), 10) == ["p1"]
    assert await sweep(first) == 1
    try:
        assert await sweep(second) == 0
    except Conflict:
        assert await sweep(second) == 0
    assert len(await first.published("pledge-reminder-due")) == 1
