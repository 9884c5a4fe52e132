"""What was read and not taken in may be an emergency or a withdrawal: money waits for it."""

from dataclasses import replace
from typing import Any

import pytest

from infra.servicekit.tests.reader import spoilt
from payouts.adapters.freshness import TopicFreshness
from payouts.consumer import subscriptions
from payouts.domain.gate import Line, LineState
from payouts.domain.refund_window import RefundWindows
from payouts.domain.stage import StageState
from payouts.wire import POSTS_TOPIC
from servicekit.consume import BatchConsumer
from servicekit.loops import Pulse
from servicekit.ordering import Incoming
from services.payouts.tests.conftest import CAMPAIGN, Payouts
from services.payouts.tests.test_approvals import MovingTopic
from services.payouts.tests.test_brakes import EMERGENCY, NEWS, line
from services.payouts.tests.test_cancelling_after_verdict import AFTER_ONE, paid
from services.payouts.tests.test_gate_before_transfer import AMOUNT, submitted, transfers
from services.payouts.tests.test_later_stages import approve, pay, second_due, the
from sosst_contracts.codec import Draft, Record
from sosst_contracts.event import Event

LINE = "facts_set_aside"


def posts(payouts: Payouts) -> BatchConsumer[Any]:
    found = subscriptions(payouts.clock, RefundWindows())
    (one,) = [subscription for subscription in found if subscription.topic == POSTS_TOPIC]
    return BatchConsumer(one, payouts.units, payouts.clock, Pulse(POSTS_TOPIC))


def told(payouts: Payouts, fact: Event, sequence: int) -> Record:
    return Draft(fact, payouts.clock.now()).seal(sequence)


async def read(payouts: Payouts, *records: Record) -> None:
    incoming = [Incoming(record, 0, offset) for offset, record in enumerate(records)]
    await posts(payouts).process(incoming)


async def test_an_emergency_behind_a_fact_that_cannot_be_read_holds_the_money(
    payouts: Payouts,
) -> None:
    """Neither is known to the book, and no stage is paid; given up, the emergency holds it."""
    await second_due(payouts)
    await approve(payouts, 2, AMOUNT)
    broken = spoilt(told(payouts, NEWS, 1), b"{")
    await read(payouts, broken, told(payouts, EMERGENCY, 2))
    assert (await line(payouts, "emergency")).state is LineState.PASSED
    found = await line(payouts, LINE)
    assert isinstance(found, Line) and (found.state, found.who) == (LineState.BLOCKED, "staff")
    assert found.why.startswith("2 facts")
    await pay(payouts)
    assert (await the(payouts, 2)).state is StageState.APPROVED and transfers(payouts) == 1
    await posts(payouts).give_up(CAMPAIGN, 1)
    await pay(payouts)
    assert (await the(payouts, 2)).state is StageState.HELD and transfers(payouts) == 1


async def test_what_is_set_aside_after_the_submission_keeps_the_transfer_here(
    payouts: Payouts,
) -> None:
    """Given up by a person, it leaves; another campaign's facts never kept it."""
    await submitted(payouts)
    other = NEWS.model_copy(update={"campaign_id": "campaign-2"})
    await read(payouts, spoilt(told(payouts, other, 1), b"{"))
    assert (await line(payouts, LINE)).state is LineState.PASSED
    await read(payouts, spoilt(told(payouts, NEWS, 1), b"{"))
    await pay(payouts)
    stage = await the(payouts, 2)
    assert (stage.state, stage.reason) == (StageState.SUBMITTED, LINE) and transfers(payouts) == 1
    await posts(payouts).give_up(CAMPAIGN, 1)
    await pay(payouts)
    assert (await the(payouts, 2)).state is StageState.PAID and transfers(payouts) == 2


async def test_nothing_is_divided_while_a_fact_of_the_campaign_is_set_aside(
    payouts: Payouts,
) -> None:
    """It may say that a pledge is gone; shares are frozen once it is given up."""
    await paid(payouts, 1)
    await read(payouts, spoilt(told(payouts, NEWS, 1), b"{"))
    await payouts.hear_cancellation(3)
    await payouts.work_off()
    assert payouts.provider.refunded == {}
    await posts(payouts).give_up(CAMPAIGN, 1)
    await payouts.work_off()
    assert payouts.provider.refunded == AFTER_ONE


@pytest.mark.parametrize("hours", [0, 24])
async def test_a_reader_that_stopped_since_the_approval_keeps_the_transfer_here(
    payouts: Payouts, hours: int
) -> None:
    """That it had read everything once says nothing of what was published in the time to object."""
    topic = MovingTopic(7, 7)
    positions: Any = [topic]
    payouts.stages = replace(payouts.stages, freshness=TopicFreshness(positions, payouts.clock))
    await submitted(payouts)
    assert (await line(payouts, "view_fresh")).state is LineState.PASSED
    payouts.clock.advance(seconds=61 + hours * 3_600)
    topic.end = 8
    await pay(payouts)
    stage = await the(payouts, 2)
    assert (stage.state, stage.reason) == (StageState.SUBMITTED, "view_fresh")
    assert transfers(payouts) == 1
    topic.reached = 8
    await pay(payouts)
    assert (await the(payouts, 2)).state is StageState.PAID and transfers(payouts) == 2
