"""Evidence that a creator submits in updates is taken as by HTTP; what comes too late is not."""

import pytest

from payouts.consumer import PLANS_GROUP, subscriptions
from payouts.domain.book import Outcome
from payouts.domain.milestone import MilestoneState
from payouts.domain.refund_window import RefundWindows
from payouts.domain.stage import StageState
from payouts.handlers.milestones import MilestoneDecision, decide_milestone, take_evidence
from payouts.wire import PLANS_TOPIC
from servicekit.consume import BatchConsumer
from servicekit.loops import Pulse
from services.payouts.tests.conftest import Payouts
from services.payouts.tests.test_brakes import hear
from services.payouts.tests.test_later_stages import CAMPAIGN, CREATOR, first_paid, pay, run, the
from sosst_contracts import updates
from sosst_contracts.testing import sample

FIRST, SECOND = "a" * 64, "b" * 64


def submitted(evidence: str, stage: int = 2) -> updates.MilestoneSubmitted:
    about = {"campaign_id": CAMPAIGN, "stage": stage, "submitted_by": CREATOR}
    return sample(updates.MilestoneSubmitted, evidence=evidence, **about)


@pytest.mark.row("S9")
async def test_evidence_by_topic_and_by_http_is_one(payouts: Payouts) -> None:
    """The same is one revision by whichever way it comes; staff decide, and the stage is due."""
    await first_paid(payouts)
    now = payouts.clock.now()
    await run(payouts, lambda unit: take_evidence(unit, CAMPAIGN, 2, FIRST, CREATOR, now))
    await hear(payouts, submitted(FIRST), submitted(SECOND), topic=PLANS_TOPIC)
    milestone = (await the(payouts, 2)).milestone
    assert milestone is not None and (milestone.revision, milestone.evidence) == (2, SECOND)
    decision = MilestoneDecision(2, "staff-2")
    await run(payouts, lambda unit: decide_milestone(unit, CAMPAIGN, 2, decision, CREATOR, now))
    assert (await the(payouts, 2)).state is StageState.DUE
    await hear(payouts, submitted("c" * 64), topic=PLANS_TOPIC, first=3)
    milestone = (await the(payouts, 2)).milestone
    assert milestone is not None
    assert (milestone.state, milestone.evidence) == (MilestoneState.APPROVED, SECOND)


async def test_evidence_that_overtook_its_verdict_is_taken_once_stages_are_planned(
    payouts: Payouts,
) -> None:
    """Each topic is read at its own pace; nobody need replay it, and no other campaign waits."""
    await hear(payouts, submitted(FIRST), submitted(SECOND), topic=PLANS_TOPIC)
    await payouts.collect(1, 2, amount=5_000)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2, amount=5_000)
    await payouts.give_destination()
    await pay(payouts)
    assert (await the(payouts, 1)).reason == "facts_set_aside"
    (plans,) = [s for s in subscriptions(payouts.clock, RefundWindows()) if s.topic == PLANS_TOPIC]
    reader = BatchConsumer(plans, payouts.units, payouts.clock, Pulse(PLANS_TOPIC))
    await reader.retry_set_aside()
    milestone = (await the(payouts, 2)).milestone
    assert milestone is not None and (milestone.revision, milestone.evidence) == (2, SECOND)
    assert await reader.retry_set_aside() == 0
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID


async def test_evidence_for_a_stage_that_is_not_there_is_set_aside(payouts: Payouts) -> None:
    """Nothing is taken of it, and what its campaign submits later waits behind it."""
    await hear(payouts, submitted(FIRST), topic=PLANS_TOPIC)
    kept = await run(payouts, lambda unit: unit.stages.load(CAMPAIGN))
    assert kept == []
    rows = await run(
        payouts,
        lambda unit: unit.plumbing.streams.load(PLANS_GROUP, PLANS_TOPIC, [CAMPAIGN]),
    )
    assert rows[CAMPAIGN].waiting
