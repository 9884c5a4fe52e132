"""Which chunks go first: an emergency before all, a small cause not behind a huge one."""

import asyncio
from collections.abc import Awaitable, Callable

from infra.suite.readings import eventually
from notifier.consumer import CAMPAIGNS, PLEDGES
from notifier.domain.cause import CauseState
from notifier.handlers.cut import CutCauses
from notifier.handlers.hear import PLAN
from notifier.handlers.plan import PlanCauses
from notifier.workers import FOR_EMERGENCIES, PLANS_AT_ONCE
from servicekit.loops import Pulse
from servicekit.work import Worker
from services.notifier.tests.builders import (
    CAMPAIGN,
    FIRE,
    Notifier,
    collected,
    emergency,
    events_of,
    memory_notifier,
    pledges,
    update,
)
from services.notifier.tests.held import HeldAudience
from sosst_contracts.notifier import BackerNotified

HUGE, SMALL = 400, 4
PATIENCE = 60


def told(notifier: Notifier) -> list[str]:
    """Return the causes of all events on the topic, in the order in which they were sent."""
    events = events_of(notifier.publisher)
    return [event.cause for event in events if isinstance(event, BackerNotified)]


async def running() -> Notifier:
    """A notifier in the middle of a huge fan-out: a few chunks of it are told."""
    notifier = memory_notifier()
    notifier.recipients_max = 4
    await notifier.hear(*pledges([f"b{number:03}" for number in range(HUGE)]), update(HUGE, HUGE))
    await notifier.plan()
    await notifier.publish()
    assert 0 < len(told(notifier)) < HUGE / 4
    return notifier


async def finish(notifier: Notifier) -> None:
    while await notifier.publish():
        pass


async def test_an_emergency_overtakes_what_is_running() -> None:
    """Every backer is told of it before anybody else is told of the huge update."""
    notifier = await running()
    before = len(told(notifier))
    await notifier.hear(emergency(HUGE, 2))
    await notifier.plan()
    await finish(notifier)
    after = told(notifier)[before:]
    assert set(after[:HUGE]) == {FIRE}
    assert len(told(notifier)) == 2 * HUGE


async def test_what_is_running_steps_back_from_when_an_emergency_is_heard() -> None:
    """Until that is planned nobody is told of anything else, and then at once."""
    notifier = await running()
    before = len(told(notifier))
    await notifier.hear(emergency(HUGE, 2))
    assert not await notifier.publish()
    assert len(told(notifier)) == before
    await notifier.plan()
    await finish(notifier)
    assert len(told(notifier)) == 2 * HUGE


async def test_what_is_running_goes_on_while_an_emergency_waits_for_its_backers() -> None:
    """It may wait long: as of a pledge of which nobody has heard."""
    notifier = await running()
    await notifier.hear(emergency(HUGE + 1, 2))
    await notifier.plan()
    # It is looked at again soon, and nobody has come to it yet.
    notifier.clock.advance(seconds=1)
    await finish(notifier)
    assert FIRE not in told(notifier) and len(told(notifier)) == HUGE
    await notifier.hear(collected(HUGE + 1, "late"))
    notifier.clock.advance(seconds=1)
    await notifier.plan()
    await finish(notifier)
    assert told(notifier)[HUGE:] == [FIRE] * (HUGE + 1)


async def test_a_small_update_is_not_behind_a_huge_one() -> None:
    """It is told after the first chunks of the other at most, though it came later."""
    notifier = await running()
    before = len(told(notifier))
    small = [collected(number, f"s{number}", "small") for number in range(1, SMALL + 1)]
    await notifier.hear(*small, update(SMALL, SMALL, campaign="small"))
    await notifier.plan()
    await finish(notifier)
    after = told(notifier)[before:]
    last = max(
        place for place, cause in enumerate(after) if ":update-1" in cause and "small" in cause
    )
    assert last < HUGE / 4
    assert len(told(notifier)) == HUGE + SMALL


async def test_an_emergency_waits_for_no_huge_plan(notifier: Notifier) -> None:
    """Two huge audiences are still being cut when it is planned and told."""
    backers, huge = [f"b{number}" for number in range(8)], ("huge-1", "huge-2")
    for campaign in (*huge, CAMPAIGN):
        await notifier.hear(*pledges(backers, campaign))
    await notifier.hear(*(update(8, 8, campaign=one) for one in huge))
    held = HeldAudience(notifier.audience, holds=2)
    cut = CutCauses(held, notifier.partitions)
    worker = Worker(
        notifier.queue,
        PLAN,
        PlanCauses(notifier.units, cut, PLEDGES, CAMPAIGNS, notifier.clock),
        notifier.clock,
        concurrency=PLANS_AT_ONCE,
        lease_seconds=30,
        poll_seconds=0.02,
        kept_free=FOR_EMERGENCIES,
    )
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(worker.run(Pulse("plan"), stopping))
        try:
            await eventually("both huge audiences are being cut", both_held(held), PATIENCE)
            await notifier.hear(emergency(8, 1))
            await eventually("the emergency is planned", planned(notifier, FIRE), PATIENCE)
            await finish(notifier)
            assert told(notifier) == [FIRE] * 8
            held.go_on.set()
            for campaign in huge:
                name = f"update-published/{campaign}:update-1"
                await eventually(f"{campaign} is planned", planned(notifier, name), PATIENCE)
        finally:
            # The worker ends with what it has in hand: whatever failed, nothing is held any more.
            held.go_on.set()
            stopping.set()
    await finish(notifier)
    assert len(told(notifier)) == 3 * 8


def both_held(held: HeldAudience) -> Callable[[], Awaitable[bool]]:
    async def both() -> bool:
        return held.held == 2

    return both


def planned(notifier: Notifier, name: str) -> Callable[[], Awaitable[bool]]:
    """Return what says whether the cause waits no more."""

    async def is_planned() -> bool:
        cause = await notifier.queries.cause(name)
        assert cause is not None
        return cause.state is not CauseState.WAITING

    return is_planned
