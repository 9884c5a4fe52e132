"""The dispatcher: one process sends, at the account's pace, and each group has its turn."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from infra.servicekit.tests.conftest import NOW, Plumbed, until
from servicekit.dispatch import LEASE_SECONDS, SLICE, Dispatcher, Lane
from servicekit.errors import Conflict
from servicekit.loops import Pulse
from servicekit.pace import Pace
from servicekit.work import Claim, Worker, WorkItem

URGENT = 50


class Stopwatch:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def seen(what: str, look: Callable[[], bool]) -> None:
    async def looked() -> bool:
        return look()

    await until(what, looked)


async def offer(plumbed: Plumbed, group: str, count: int, priority: int = 100) -> None:
    items = [
        WorkItem(f"{group}-{priority}-{n}", "refund", NOW, priority, group=group)
        for n in range(count)
    ]
    await plumbed.units.run(lambda unit: unit.plumbing.work.offer(items))


def dispatcher_of(plumbed: Plumbed, pace: Pace) -> Dispatcher:
    """What one process makes of the account; several may share the queue."""

    async def offered(item: WorkItem) -> None:
        await plumbed.units.run(lambda unit: unit.plumbing.work.offer([item]))

    return Dispatcher("account", plumbed.work, offered, pace, plumbed.clock)


async def taken(lane: Lane, plumbed: Plumbed, limit: int) -> list[str]:
    """Claim, and perform with one request each; return whose it was."""
    claims = await lane.claim("refund", plumbed.clock.now(), limit, 30)

    async def ask(claim: Claim) -> None:
        lane._pace.spend()
        await plumbed.units.run(lambda unit: unit.plumbing.work.finish([claim]))

    for claim in claims:
        await lane.performing(ask)(claim)
    return [claim.item.group for claim in claims]


async def test_only_who_holds_the_lease_gets_anything(plumbed: Plumbed) -> None:
    """Two processes, one pace: the second gets nothing until the first is gone for a lease."""
    await offer(plumbed, "a", 10)
    first, second = (dispatcher_of(plumbed, Pace(4)) for _ in range(2))
    for one in (first, second, first, second):
        await one.hold()
    assert (first.dispatches, second.dispatches) == (True, False)
    assert await taken(second.lane(), plumbed, 5) == []
    assert await taken(first.lane(), plumbed, 5) == ["a", "a"]
    plumbed.clock.advance(seconds=LEASE_SECONDS * 0.9)
    await first.hold()
    plumbed.clock.advance(seconds=LEASE_SECONDS * 0.9)
    await second.hold()
    assert (first.dispatches, second.dispatches) == (True, False)
    plumbed.clock.advance(seconds=LEASE_SECONDS)
    assert not first.dispatches
    await second.hold()
    await first.hold()
    assert (first.dispatches, second.dispatches) == (False, True)
    assert await taken(first.lane(), plumbed, 5) == []
    assert await taken(second.lane(), plumbed, 5) == ["a", "a"]


async def test_a_dispatcher_that_stops_leaves_the_lease_at_once(plumbed: Plumbed) -> None:
    """The next one does not wait for it to run out."""
    stopping = asyncio.Event()
    first, second = (dispatcher_of(plumbed, Pace(4)) for _ in range(2))
    running = asyncio.create_task(first.run(Pulse("dispatch"), stopping))
    await seen("it dispatches", lambda: first.dispatches)
    await second.hold()
    assert not second.dispatches
    stopping.set()
    await running
    await second.hold()
    assert second.dispatches


async def test_who_loses_the_race_for_the_lease_asks_again(plumbed: Plumbed) -> None:
    """Two processes that start at one instant offer the same lease: neither ends for it."""
    stopping, lost = asyncio.Event(), [Conflict("the other one was faster")]

    async def offered(item: WorkItem) -> None:
        if lost:
            raise lost.pop()
        await plumbed.units.run(lambda unit: unit.plumbing.work.offer([item]))

    pace = Pace(4)
    one = Dispatcher("account", plumbed.work, offered, pace, plumbed.clock, lease_seconds=0.04)
    running = asyncio.create_task(one.run(Pulse("dispatch"), stopping))
    await seen("it dispatches", lambda: one.dispatches)
    stopping.set()
    await running


async def test_a_large_group_does_not_starve_a_small_one(plumbed: Plumbed) -> None:
    """Each has its turn, by a few at a time and also one by one, whoever came first."""
    await offer(plumbed, "large", 300)
    plumbed.clock.advance(seconds=1)
    await offer(plumbed, "small", 12)
    await offer(plumbed, "tiny", 2)
    dispatcher = dispatcher_of(plumbed, Pace(1_000))
    await dispatcher.hold()
    lane = dispatcher.lane(urgent_before=URGENT)
    order: list[str] = []
    for limit in (16, 1, 1, 1, 1, 16, 16):
        order += await taken(lane, plumbed, limit)
    assert Counter(order[:12]) == {"large": 2 * SLICE - 2, "small": SLICE, "tiny": 2}
    assert set(order[16:18]) == {"large", "small"}
    assert Counter(order)["small"] == 12


async def test_what_is_urgent_goes_first_and_what_has_no_group_goes_too(plumbed: Plumbed) -> None:
    """A person's wish overtakes a run; what an older release left is not forgotten."""
    await offer(plumbed, "large", 20)
    await offer(plumbed, "", 1)
    await offer(plumbed, "person", 1, priority=URGENT - 1)
    dispatcher = dispatcher_of(plumbed, Pace(1_000))
    await dispatcher.hold()
    lane = dispatcher.lane(urgent_before=URGENT)
    order = await taken(lane, plumbed, 2)
    assert order == ["person", "large"]
    order += await taken(lane, plumbed, 30)
    assert Counter(order) == {"person": 1, "large": 20, "": 1}


async def test_a_lane_before_others_always_finds_room(plumbed: Plumbed) -> None:
    """However hungry the lane behind it is."""
    await offer(plumbed, "run", 300)
    stages = [WorkItem(f"stage-{n}", "stage", NOW) for n in range(9)]
    await plumbed.units.run(lambda unit: unit.plumbing.work.offer(stages))
    dispatcher = dispatcher_of(plumbed, Pace(100, Stopwatch()))
    await dispatcher.hold()
    behind, before = dispatcher.lane(spare=0.2, urgent_before=URGENT), dispatcher.lane()
    assert len(await taken(behind, plumbed, 100)) == 20
    assert await taken(behind, plumbed, 100) == []
    assert len(await before.claim("stage", plumbed.clock.now(), 9, 30)) == 5


async def test_a_lane_that_leaves_tokens_to_others_begins_a_handful(plumbed: Plumbed) -> None:
    """Until there is one it asks nobody, and is woken when there is; free hands may be fewer."""
    await offer(plumbed, "run", 300)
    watch = Stopwatch()
    dispatcher = dispatcher_of(plumbed, Pace(80, watch))
    await dispatcher.hold()
    woken = asyncio.Event()
    lane = dispatcher.lane(spare=0.2, urgent_before=URGENT)
    lane.wakes(woken.set)
    assert len(await taken(lane, plumbed, 100)) == 16
    watch.seconds += 9 / 80
    assert await taken(lane, plumbed, 100) == []
    await asyncio.wait_for(woken.wait(), 60)
    assert len(await taken(lane, plumbed, 3)) == 3
    watch.seconds += 4 / 80
    assert len(await taken(lane, plumbed, 100)) == 10


async def test_a_group_that_is_alone_gets_all_the_room(plumbed: Plumbed) -> None:
    """One question finds that nobody shares; the next one who comes has its turn at once."""
    await offer(plumbed, "alone", 60)
    dispatcher = dispatcher_of(plumbed, Pace(1_000))
    await dispatcher.hold()
    lane = dispatcher.lane(urgent_before=URGENT)
    assert await taken(lane, plumbed, 20) == ["alone"] * 20
    await offer(plumbed, "second", 6)
    order = await taken(lane, plumbed, 16)
    assert Counter(order[: 2 * SLICE]) == {"alone": SLICE, "second": SLICE}


@asynccontextmanager
async def dispatching(
    plumbed: Plumbed, pace: Pace, asked: Callable[[Claim], None]
) -> AsyncIterator[Dispatcher]:
    """A process as it runs: it asks once for each item, through its lane."""
    dispatcher = dispatcher_of(plumbed, pace)
    lane = dispatcher.lane(urgent_before=URGENT)

    async def perform(claim: Claim) -> None:
        pace.spend()
        asked(claim)
        await plumbed.units.run(lambda unit: unit.plumbing.work.finish([claim]))

    worker = Worker(
        lane,
        "refund",
        lane.performing(perform),
        plumbed.clock,
        concurrency=8,
        lease_seconds=30,
        poll_seconds=60,
    )
    lane.wakes(worker.nudge)
    stopping = asyncio.Event()
    loops = [
        asyncio.create_task(loop(Pulse("loop"), stopping)) for loop in (dispatcher.run, worker.run)
    ]
    try:
        yield dispatcher
    finally:
        stopping.set()
        await asyncio.gather(*loops)


async def test_two_processes_send_everything_once_and_never_stand_still(plumbed: Plumbed) -> None:
    """Nothing polls here: who has no room is woken when there is some, who takes over at once."""
    await offer(plumbed, "a", 60)
    await offer(plumbed, "b", 5)
    asked: Counter[str] = Counter()

    def count(claim: Claim) -> None:
        asked[claim.item.id] += 1

    stack = AsyncExitStack()
    first = await stack.enter_async_context(dispatching(plumbed, Pace(60), count))
    await seen("some are asked", lambda: len(asked) >= 10)
    async with dispatching(plumbed, Pace(60), count) as second:
        assert (first.dispatches, second.dispatches) == (True, False)
        await stack.aclose()
        await seen("all are asked", lambda: len(asked) == 65)
    assert set(asked.values()) == {1}


@pytest.mark.parametrize("asked_for", [0.2, 1.0])
async def test_a_rest_that_the_account_asks_for_holds_for_all_its_work(
    plumbed: Plumbed, asked_for: float
) -> None:
    """Whichever call heard of it; work that was not begun is still there afterwards."""
    watch = Stopwatch()
    pace = Pace(100, watch)
    await offer(plumbed, "a", 10)
    dispatcher = dispatcher_of(plumbed, pace)
    await dispatcher.hold()
    lanes = dispatcher.lane(), dispatcher.lane(spare=0.2, urgent_before=URGENT)
    pace.pause(asked_for)
    assert [await taken(lane, plumbed, 5) for lane in lanes] == [[], []]
    watch.seconds = asked_for
    assert [len(await taken(lane, plumbed, 5)) for lane in lanes] == [5, 5]
