"""Campaigns, pledges and verdicts come back from funding's own facts, wherever the backup ended."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from funding import wire
from funding.domain.campaign import CampaignState, Launch
from funding.domain.errors import Refused
from funding.domain.pledge import PaymentStatus, Pledge, Standing
from funding.domain.settling import Line
from funding.handlers.recover import Decided, Launched, Paid, RecoverFunding, roll_forward
from funding.handlers.release import release
from funding.handlers.settle import explain
from funding.sweeps import StepErroredPledges
from servicekit.own_topics import Unexplained
from services.funding.tests.conftest import LAUNCH, NOW, Funding, memory_funding, payment
from sosst_contracts.codec import attribution

AFTER = NOW + timedelta(hours=2)
FACTS = 15


async def history(funding: Funding, until: int = FACTS) -> None:
    """Launch, pledges, the verdict, one late, one reminded and dropped: stop after some steps."""
    steps = [
        lambda: funding.launch(),
        lambda: funding.pay(payment(1)),
        lambda: funding.pay(payment(2, PaymentStatus.PENDING)),
        lambda: funding.pay(payment(2, PaymentStatus.FAILED)),
        lambda: funding.pay(payment(2)),
        lambda: funding.pay(payment(3, PaymentStatus.FAILED)),
        lambda: funding.pay(payment(6), payment(7)),
        lambda: funding.withdraw(6),
        lambda: funding.pay(payment(7, PaymentStatus.WITHDRAWN)),
        lambda: decide(funding),
        lambda: funding.pay(payment(2, PaymentStatus.WITHDRAWN)),
        lambda: funding.pay(payment(4, at=AFTER)),
        lambda: funding.pay(payment(5, PaymentStatus.PENDING, at=AFTER)),
        lambda: remind(funding),
        lambda: drop(funding),
    ]
    for step in steps[:until]:
        await step()


async def decide(funding: Funding) -> None:
    funding.clock.advance(hours=2)
    await funding.settled()


async def remind(funding: Funding) -> None:
    funding.clock.advance(days=1)
    await StepErroredPledges(funding.units, funding.queries)(funding.clock.now())


async def drop(funding: Funding) -> None:
    for _ in range(7):
        await remind(funding)


async def told(funding: Funding) -> list[Unexplained]:
    """Return everything that was told, as reading the topics gives it."""
    rows = await funding.outbox.page(10_000)
    placed = [(row.record, *attribution(row.record)) for row in rows]
    return [Unexplained(record, key or "", at or 0, "") for record, key, at in placed]


async def recover(restored: Funding, unexplained: Sequence[Unexplained]) -> list[str]:
    recovery = RecoverFunding(restored.units, wire.history_from, restored.clock)
    return await recovery.roll_forward(unexplained)


@pytest.mark.trap(23)
@pytest.mark.parametrize("backup", range(FACTS + 1))
async def test_the_state_is_rolled_forward_by_its_own_facts(backup: int) -> None:
    """Behind a backup of every age stands what stood there before it was restored."""
    lived, restored = memory_funding(), memory_funding()
    await history(lived)
    await history(restored, backup)
    known = len(await told(restored))
    unexplained = (await told(lived))[known:]
    for _ in range(2):
        assert not [line for line in await recover(restored, unexplained) if "a person" in line]
    expected = await lived.queries.campaign("c1")
    found = await restored.queries.campaign("c1")
    assert expected is not None and found is not None
    assert (found.totals, found.state, found.verdict) == (
        expected.totals,
        expected.state,
        expected.verdict,
    )

    async def pledges(funding: Funding) -> object:
        return await funding.units.run(
            lambda unit: unit.pledges.load([f"p{number}" for number in range(1, 8)])
        )

    assert await pledges(restored) == await pledges(lived)
    assert len(await told(restored)) == known, "nothing is published again"


@pytest.mark.trap(23)
@pytest.mark.parametrize("backup", range(6))
async def test_a_cancellation_is_rolled_forward(backup: int) -> None:
    """It comes back as it was told, with the pledges around it, and no verdict falls."""
    lived, restored = memory_funding(), memory_funding()
    for funding, until in ((lived, 6), (restored, backup)):
        steps = [
            funding.launch,
            lambda funding=funding: funding.pay(payment(1), payment(2)),
            lambda funding=funding: funding.withdraw(2),
            funding.cancel,
            lambda funding=funding: funding.pay(payment(3)),
            lambda funding=funding: funding.pay(payment(1, PaymentStatus.WITHDRAWN)),
        ]
        for step in steps[:until]:
            await step()
    known = len(await told(restored))
    recovery = RecoverFunding(restored.units, wire.history_from, restored.clock)
    for _ in range(2):
        lines = await recovery.roll_forward((await told(lived))[known:])
        assert not [line for line in lines if "a person" in line]
    expected, found = await lived.queries.campaign("c1"), await restored.queries.campaign("c1")
    assert expected is not None and found is not None
    assert replace(found, version=0) == replace(expected, version=0)
    assert (await restored.settled()).verdict is None


@pytest.mark.trap(23)
@pytest.mark.parametrize("backup", range(7))
async def test_a_cancellation_after_a_met_goal_is_rolled_forward(backup: int) -> None:
    """Behind verdict and late pledges, each in its place; what comes later stays late."""
    lived, restored = memory_funding(), memory_funding()
    for funding, until in ((lived, 7), (restored, backup)):
        steps = [
            lambda funding=funding: funding.launch(replace(LAUNCH, goal=600)),
            lambda funding=funding: funding.pay(payment(1), payment(2)),
            lambda funding=funding: decide(funding),
            lambda funding=funding: funding.pay(payment(3)),
            lambda funding=funding: funding.pay(payment(2, PaymentStatus.WITHDRAWN)),
            funding.cancel,
            lambda funding=funding: funding.pay(payment(4)),
        ]
        for step in steps[:until]:
            await step()
    known = len(await told(restored))
    for _ in range(2):
        lines = await recover(restored, (await told(lived))[known:])
        assert not [line for line in lines if "a person" in line]
    expected, found = await lived.queries.campaign("c1"), await restored.queries.campaign("c1")
    assert expected is not None and found is not None and found.verdict is not None
    assert (found.state, found.totals) == (expected.state, expected.totals)
    assert (found.verdict, found.cancellation) == (expected.verdict, expected.cancellation)
    assert len(await told(restored)) == known, "nothing is published again"


async def test_a_payment_that_is_read_again_says_nothing_new() -> None:
    """The inputs come a second time behind the roll, and make no fact."""
    lived, restored = memory_funding(), memory_funding()
    await history(lived)
    await recover(restored, await told(lived))
    await restored.pay(payment(1), payment(2), payment(4, at=AFTER))
    assert await told(restored) == []


@pytest.mark.trap(23)
async def test_what_was_told_at_an_end_of_time_is_folded_in(funding: Funding) -> None:
    """An earlier release took any instant: told it is told, and heard again it is no news."""
    end = NOW.replace(year=9999)
    launched, statuses = replace(LAUNCH, deadline=end), ("captured", "pending", "failed")
    told_then = [payment(number, PaymentStatus(one), at=end) for number, one in enumerate(statuses)]
    standings = (Standing.COUNTED, None, None)
    paid = [Paid(n, told_then[n], standing) for n, standing in enumerate(standings)]
    happened = [Launched(launched, NOW), *paid]
    await funding.units.run(lambda unit: roll_forward(unit, "c1", happened))
    assert (await funding.launch(launched)).totals.counted == 600
    known = [await funding.queries.pledge("c1", f"p{number}") for number in range(3)]
    assert all(isinstance(one, Pledge) for one in known)
    assert await funding.pay(*told_then) == known
    assert await told(funding) == []


@pytest.mark.trap(23)
@pytest.mark.parametrize(
    "odd",
    [
        replace(LAUNCH, terms=replace(LAUNCH.terms, platform_fee_basis_points=6_000)),
        replace(LAUNCH, zone="Europe/Nowhere"),
    ],
)
async def test_a_launch_that_a_later_rule_refuses_is_folded_in(
    funding: Funding, odd: Launch
) -> None:
    """It runs, and its backers have paid: the rules of today are for launches of today."""
    with pytest.raises(Refused):
        await funding.launch(odd)
    paid = Paid(1, payment(1), Standing.COUNTED)
    await funding.units.run(lambda unit: roll_forward(unit, "c1", [Launched(odd, NOW), paid]))
    assert (await funding.launch(odd)).totals.counted == 600


async def test_a_verdict_that_the_pledges_contradict_is_left_to_a_person() -> None:
    """Nothing of that campaign is folded in."""
    lived, restored = memory_funding(), memory_funding()
    await history(lived)
    happened = wire.history_from(await told(lived))["c1"]
    less = [one for one in happened if not (isinstance(one, Paid) and one.sequence == 2)]
    with pytest.raises(Refused):
        await restored.units.run(lambda unit: roll_forward(unit, "c1", less))
    wrong = [
        Decided(replace(one.verdict, count=99)) if isinstance(one, Decided) else one
        for one in happened
    ]
    with pytest.raises(Refused):
        await restored.units.run(lambda unit: roll_forward(unit, "c1", wrong))
    assert await restored.queries.campaign("c1") is None


def without(facts: Sequence[Unexplained], topic: str, *sequences: int) -> list[Unexplained]:
    return [one for one in facts if one.topic != topic or one.sequence not in sequences]


@pytest.mark.trap(23)
@pytest.mark.parametrize("backup", [0, 2])
async def test_a_verdict_that_was_told_stands_and_no_other_is_ever_told(
    funding: Funding, backup: int
) -> None:
    """Too few pledges are known, which would miss the goal by now: nobody hears of that."""
    lived = memory_funding()
    await history(lived)
    (verdict,) = await lived.published("verdict-reached")
    await history(funding, backup)
    known = len(await told(funding))
    facts = without((await told(lived))[known:], "funding.pledges", 2, 5, 6)
    lines = await recover(funding, facts)
    assert [line for line in lines if "a person must look" in line and "stands" in line], lines
    await funding.launch()  # as reading the inputs again does, where it is not known
    funding.clock.advance(hours=24)
    campaign = await funding.settled()
    assert campaign.verdict is not None and campaign.next_due is None
    assert campaign.state == verdict.verdict
    assert campaign.verdict.collected == verdict.collected
    assert await funding.published("verdict-reached") == []
    await funding.pay(payment(7, at=AFTER))
    assert (await funding.settled()).verdict == campaign.verdict
    with pytest.raises(Refused, match="stands"):
        await let_go(funding)


async def let_go(funding: Funding) -> None:
    now = funding.clock.now()
    await funding.units.run(lambda unit: release(unit, "c1", "sre-1", "looked", now))


async def test_a_campaign_that_does_not_fold_decides_nothing_until_it_is_released(
    funding: Funding,
) -> None:
    """Where no verdict was told: the settling line says why it waits, and who looks lets it go."""
    lived = memory_funding()
    await history(lived, 5)
    facts = without(await told(lived), "funding.campaigns", 1)
    (line,) = await recover(funding, facts)
    assert "a person must look at campaign c1, held, until `release`" in line
    await funding.launch()
    await funding.pay(payment(1), payment(2))
    funding.clock.advance(hours=24)
    assert (await funding.settled()).state is CampaignState.SETTLING
    lines = await explain(funding.units, funding.intake, "c1", funding.clock.now())
    assert [one.line for one in lines if not one.met] == [Line.HELD]
    await let_go(funding)
    funding.clock.advance(seconds=2)
    assert (await funding.settled()).verdict is not None
    assert len(await funding.published("verdict-reached")) == 1
    with pytest.raises(Refused, match="nobody holds"):
        await let_go(funding)


async def test_a_payment_that_stands_for_two_pledges_is_left_to_a_person(
    funding: Funding,
) -> None:
    """What the database refuses is held as what the rules refuse; it ends no recovery."""
    lived = memory_funding()
    await history(lived, 2)
    await funding.launch()
    await funding.pay(replace(payment(1), pledge_id="another"))
    lines = await recover(funding, without(await told(lived), "funding.campaigns", 1))
    assert [line for line in lines if "a person must look" in line], lines
