"""What creators publish holds stages, and lets them go: emergencies, recovery plans, silence."""

import pytest

from payouts.consumer import CLAIMS_GROUP, INPUTS, REWARD_INPUTS, subscriptions
from payouts.domain.errors import Refused
from payouts.domain.gate import Line
from payouts.domain.holds import Hold, HoldKind
from payouts.domain.refund_window import RefundWindows
from payouts.domain.stage import StageState
from payouts.handlers.brakes import Declared, take_brakes
from payouts.handlers.holds import place_hold, release_hold
from payouts.wire import CLAIMS_TOPIC, POSTS_TOPIC
from servicekit.clock import ManualClock
from servicekit.consume import BatchConsumer
from servicekit.errors import DependencyAway
from servicekit.loops import Pulse
from servicekit.ordering import Incoming
from services.payouts.tests.builders import NOW
from services.payouts.tests.conftest import Payouts, memory_payouts
from services.payouts.tests.test_later_stages import (
    CAMPAIGN,
    CREATOR,
    approve,
    pay,
    run,
    second_due,
    the,
)
from sosst_contracts import funding, updates
from sosst_contracts.codec import Draft
from sosst_contracts.event import Event
from sosst_contracts.testing import sample


def published(name: str, **parts: object) -> updates.UpdatePublished:
    return sample(updates.UpdatePublished, campaign_id=CAMPAIGN, update_id=name, **parts)


def graded(**grade: object) -> updates.ProblemGraded:
    about = {"campaign_id": CAMPAIGN, "update_id": "fire", "by": "staff-1", "reason": "insolvent"}
    return sample(updates.ProblemGraded, **about, **grade)


EMERGENCY = published("fire", kind="emergency", severity="critical")
PLAN = published("plan", kind="recovery_plan", answers="fire", dates="unchanged")
NEWS = published("news", kind="news")
PLATFORMS = published("notice", kind="delivery_notice", author_id="suite")
SILENT = sample(updates.SilenceStepReached, campaign_id=CAMPAIGN, step="stage_held")
RAISED, LOWERED = graded(kind="emergency", severity="serious"), graded(kind="delay_notice")


async def hear(payouts: Payouts, *facts: Event, first: int = 1, topic: str = POSTS_TOPIC) -> None:
    read = [s for s in subscriptions(payouts.clock, RefundWindows()) if s.topic == topic]
    for one in read:
        reader = BatchConsumer(one, payouts.units, payouts.clock, Pulse(topic))
        for sequence, fact in enumerate(facts, start=first):
            record = Draft(fact, payouts.clock.now()).seal(sequence)
            await reader.process([Incoming(record, 0, sequence)])


async def lift(payouts: Payouts, hold_id: str, by: str = "staff-4") -> None:
    now = payouts.clock.now()
    await run(payouts, lambda unit: release_hold(unit, CAMPAIGN, hold_id, by, now))


async def line(payouts: Payouts, name: str) -> Line:
    _, lines = await payouts.stages.explain(CAMPAIGN, 2)
    return next(one for one in lines if one.name == name)


@pytest.mark.row("S7")
async def test_an_emergency_holds_the_stage_until_its_plan_and_a_person(payouts: Payouts) -> None:
    """Named in the gate; lifted by staff only once the plan is published; then it is paid."""
    await second_due(payouts)
    await approve(payouts, 2, 3_000)
    await hear(payouts, EMERGENCY, EMERGENCY)
    assert (await the(payouts, 2)).state is StageState.HELD
    found = await line(payouts, "emergency")
    assert "fire" in found.why and found.who == "creator"
    assert (await line(payouts, "holds")).state == "passed"
    with pytest.raises(Refused) as refused:
        await lift(payouts, "emergency:1")
    assert refused.value.reason == "no-recovery-plan"
    await hear(payouts, PLAN, first=3)
    found = await line(payouts, "emergency")
    assert "answered by update plan" in found.why and found.who == "staff"
    assert (await the(payouts, 2)).state is StageState.HELD
    await lift(payouts, "emergency:1")
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and book.holds[0].released_by == "staff-4"
    await approve(payouts, 2, 3_000)
    await pay(payouts)
    assert (await the(payouts, 2)).state is StageState.PAID
    await payouts.assert_books_true()


async def test_staff_of_updates_raise_and_lower_it_and_payouts_lifts() -> None:
    """A raised one holds under a name of its own each time; a lowered one may be lifted."""
    payouts = memory_payouts()
    await second_due(payouts)
    await hear(payouts, RAISED, LOWERED)
    assert "staff-1" in (await line(payouts, "emergency")).why
    await lift(payouts, "emergency:1")
    assert (await the(payouts, 2)).state is StageState.DUE
    await hear(payouts, RAISED, first=3)
    assert (await the(payouts, 2)).state is StageState.HELD
    with pytest.raises(Refused):
        await lift(payouts, "emergency:3")


async def test_a_hold_by_silence_lifts_with_the_next_update(payouts: Payouts) -> None:
    """No person is needed, and an emergency's hold stays; the platform's own word lifts nothing."""
    await second_due(payouts)
    await hear(payouts, SILENT)
    assert (await the(payouts, 2)).state is StageState.HELD
    found = await line(payouts, "silence")
    assert "nothing was published since 2026-03-01" in found.why and found.who == "creator"
    await hear(payouts, PLATFORMS, first=2)
    assert (await the(payouts, 2)).state is StageState.HELD
    await hear(payouts, NEWS, first=3)
    assert (await the(payouts, 2)).state is StageState.DUE
    await hear(payouts, EMERGENCY, SILENT, NEWS, first=4)
    assert (await the(payouts, 2)).state is StageState.HELD
    assert (await line(payouts, "silence")).state == "passed"


async def test_an_emergency_before_the_first_pledge_waits_for_the_launch() -> None:
    """Read in whichever order: it is never lost, and holds what comes to be paid."""
    payouts = memory_payouts()
    declared = Declared(CAMPAIGN, "fire", 1, "a critical emergency", "creator-1", NOW)
    with pytest.raises(DependencyAway):
        await run(payouts, lambda unit: take_brakes(unit, [declared], NOW))
    launched = sample(funding.CampaignLaunched, campaign_id=CAMPAIGN)
    await hear(payouts, launched, topic="funding.campaigns")
    await hear(payouts, EMERGENCY)
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and book.holds[0].about == "fire"


async def test_nobody_of_the_staff_takes_the_name_of_a_hold_that_is_heard() -> None:
    """The emergency would find it there with another content, and hold nothing."""
    payouts = memory_payouts()
    await second_due(payouts)
    taken = Hold("emergency:1", HoldKind.STAFF, "mine", "staff-4", payouts.clock.now())
    with pytest.raises(Refused) as refused:
        await run(payouts, lambda unit: place_hold(unit, CAMPAIGN, taken, payouts.clock.now()))
    assert refused.value.reason == "hold-reserved"


async def test_a_creator_who_is_of_the_staff_lets_go_of_no_hold(payouts: Payouts) -> None:
    """Neither of an answered emergency's nor of a colleague's; another of the staff does."""
    await second_due(payouts)
    await run(payouts, lambda unit: unit.creators.add({CAMPAIGN: CREATOR}))
    await hear(payouts, EMERGENCY, PLAN)
    with pytest.raises(Refused) as refused:
        await lift(payouts, "emergency:1", CREATOR)
    assert refused.value.reason == "creator-releases"
    assert (await the(payouts, 2)).state is StageState.HELD
    await lift(payouts, "emergency:1")
    assert (await the(payouts, 2)).state is StageState.DUE


def test_what_may_hold_a_stage_is_read_before_its_money_leaves() -> None:
    """An emergency that was published before the approval is not overtaken by the payment."""
    read = {(one.topic, one.group) for one in subscriptions(ManualClock(NOW), RefundWindows())}
    assert set(INPUTS) == read - {(CLAIMS_TOPIC, CLAIMS_GROUP)} - set(REWARD_INPUTS)
