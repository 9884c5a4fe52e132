"""Relaunches: only of what ended without its goal, by its creator, with every difference said."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from funding import wire
from funding.domain.campaign import Reward
from funding.domain.errors import Refused
from funding.domain.relaunch import differences
from services.funding.tests.conftest import LAUNCH, NOW, Funding, other_launch, payment
from sosst_contracts import platform
from sosst_contracts.testing import sample

AGAIN = other_launch(
    campaign_id="c2",
    goal=500,
    deadline=NOW + timedelta(days=30),
    rewards=(Reward("lamp", "One small lamp"), Reward("bulb", "A bulb")),
    relaunch_of="c1",
)
End = Callable[[Funding], Awaitable[object]]


async def missed(funding: Funding) -> None:
    funding.clock.advance(hours=2)
    await funding.settled()


async def met(funding: Funding) -> None:
    await funding.pay(payment(1, amount=1_000))
    await missed(funding)


async def cancelled(funding: Funding) -> None:
    await funding.cancel()


async def cancelled_late(funding: Funding) -> None:
    funding.clock.advance(seconds=3_601)
    await funding.cancel()


async def cancelled_after_a_met_goal(funding: Funding) -> None:
    await met(funding)
    await funding.cancel()


async def still_running(_: Funding) -> None:
    """Nothing ends it."""


@pytest.mark.row("S15")
@pytest.mark.parametrize("end", [missed, cancelled])
async def test_what_failed_is_launched_again_with_its_differences(
    funding: Funding, end: End
) -> None:
    """The fact names the old campaign and says field by field what is new; no pledge comes."""
    await funding.launch()
    await end(funding)
    again = await funding.launch(AGAIN)
    assert (await funding.launch(AGAIN)).launch == again.launch
    assert await funding.queries.pledges("c2", "", 10) == []
    event = (await funding.published("campaign-launched"))[-1].model_dump()
    assert event["relaunch_of"] == "c1"
    said = {one["field"]: (one["old"], one["new"]) for one in event["differences"]}
    assert said == {
        "goal": ("1000", "500"),
        "deadline": (LAUNCH.deadline.isoformat(), AGAIN.deadline.isoformat()),
        "rewards/lamp": ("One lamp", "One small lamp"),
        "rewards/bulb": (None, "A bulb"),
    }
    assert (await funding.queries.campaign("c2")) == again


@pytest.mark.row("S15")
@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (still_running, "relaunch-of-running"),
        (met, "relaunch-of-met"),
        (cancelled_late, "relaunch-of-cancelled-late"),
        (cancelled_after_a_met_goal, "relaunch-of-cancelled-late"),
    ],
)
async def test_others_are_refused_with_a_reason(funding: Funding, end: End, reason: str) -> None:
    """And nothing is launched."""
    await funding.launch()
    await end(funding)
    with pytest.raises(Refused) as refused:
        await funding.launch(AGAIN)
    assert refused.value.reason == reason
    assert await funding.queries.campaign("c2") is None


@pytest.mark.row("S15")
async def test_unknown_and_another_s_campaign_are_refused(funding: Funding) -> None:
    """A creator relaunches campaigns of their own, and what exists."""
    with pytest.raises(Refused, match="no campaign 'c1'"):
        await funding.launch(AGAIN)
    await funding.launch()
    await missed(funding)
    with pytest.raises(Refused, match="of their own"):
        await funding.launch(replace(AGAIN, creator_id="mallory"))


def test_nothing_changed_is_no_difference_and_a_term_is_named() -> None:
    """Terms are compared one by one."""
    assert differences(LAUNCH, replace(LAUNCH, campaign_id="c2", relaunch_of="c1")) == ()
    terms = replace(LAUNCH.terms, errored_reminders_seconds=(1, 2))
    (changed,) = differences(LAUNCH, replace(LAUNCH, terms=terms))
    assert (changed.field, changed.old, changed.new) == (
        "terms/errored_reminders_seconds",
        "86400, 259200, 432000",
        "1, 2",
    )


@pytest.mark.row("S15")
def test_a_relaunch_by_topic_names_what_it_relaunches() -> None:
    """As the one by HTTP does."""
    event = sample(platform.CampaignApproved, relaunch_of="campaign-0")
    assert wire.launch_from(event, LAUNCH.terms).relaunch_of == "campaign-0"
