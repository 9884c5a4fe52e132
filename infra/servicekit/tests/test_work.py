"""The worker: claims, performs, lets go, and outlives what it depends on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from infra.servicekit.tests.conftest import NOW, Plumbed, until
from servicekit import loops
from servicekit.errors import Conflict, DependencyAway, LeaseLost
from servicekit.health import STUCK_AFTER_SECONDS
from servicekit.loops import Pulse, Pulses, beat
from servicekit.mongo import Collection, Database, Document
from servicekit.work import (
    HANGS_AFTER_SECONDS,
    Claim,
    KeptFree,
    MongoWorkQueue,
    Worker,
    WorkItem,
    _document,
    _Look,
    _Looks,
    _together,
)

Perform = Callable[[Claim], Awaitable[None]]


async def offer(plumbed: Plumbed, *names: str) -> None:
    items = [WorkItem(name, "refund", NOW) for name in names]
    await plumbed.units.run(lambda unit: unit.plumbing.work.offer(items))


async def finish(plumbed: Plumbed, claim: Claim) -> None:
    await plumbed.units.run(lambda unit: unit.plumbing.work.finish([claim]))


async def left(plumbed: Plumbed) -> int:
    return (await plumbed.work.backlog("refund")).items


@asynccontextmanager
async def working(
    plumbed: Plumbed,
    perform: Perform,
    lease_seconds: float = 30,
    pulse: Pulse | None = None,
    kept_free: KeptFree | None = None,
) -> AsyncIterator[Worker]:
    worker = Worker(
        plumbed.work,
        "refund",
        perform,
        plumbed.clock,
        concurrency=3,
        lease_seconds=lease_seconds,
        poll_seconds=0.02,
        kept_free=kept_free,
    )
    stopping = asyncio.Event()
    running = asyncio.create_task(worker.run(pulse or Pulse("work"), stopping))
    try:
        yield worker
        assert not running.done(), "the loop ended by itself"
    finally:
        stopping.set()
        await running


async def test_everything_offered_is_performed_so_many_at_once(plumbed: Plumbed) -> None:
    """Never more than the concurrency, and each item once."""
    performed: list[str] = []
    together = 0
    most = 0

    async def perform(claim: Claim) -> None:
        nonlocal together, most
        together += 1
        most = max(most, together)
        await asyncio.sleep(0)
        await finish(plumbed, claim)
        performed.append(claim.item.id)
        together -= 1

    names = [f"i{number}" for number in range(10)]
    await offer(plumbed, *names)

    async def done() -> bool:
        return await left(plumbed) == 0

    async with working(plumbed, perform):
        await until("all is done", done)
    assert sorted(performed) == sorted(names) and 1 < most <= 3


async def test_work_that_fails_is_let_go_of_and_claimed_again_later(plumbed: Plumbed) -> None:
    """A bug or an absent party costs a pause, and takes no other item with it."""
    attempts: list[tuple[str, int]] = []
    failures = {"bug": ZeroDivisionError("bug"), "away": DependencyAway("provider")}

    async def perform(claim: Claim) -> None:
        attempts.append((claim.item.id, claim.attempt))
        if claim.attempt == 1 and claim.item.id in failures:
            raise failures[claim.item.id]
        await finish(plumbed, claim)

    await offer(plumbed, "bug", "away", "good")

    async def done() -> bool:
        plumbed.clock.advance(seconds=0.2)
        return await left(plumbed) == 0

    async with working(plumbed, perform):
        await until("all are done", done)
    assert sorted(attempts) == [("away", 1), ("away", 2), ("bug", 1), ("bug", 2), ("good", 1)]


async def test_a_lost_lease_is_left_to_its_new_holder(plumbed: Plumbed) -> None:
    """The item is not let go of: it belongs to somebody else by now."""
    performed = asyncio.Event()

    async def perform(claim: Claim) -> None:
        performed.set()
        raise LeaseLost(claim.item.id)

    await offer(plumbed, "one")
    async with working(plumbed, perform):
        await performed.wait()
    due = (await plumbed.work.backlog("refund")).earliest_due
    assert due == NOW + timedelta(seconds=30)


@pytest.mark.parametrize("error", [DependencyAway("MongoDB"), Conflict("somebody writes")])
async def test_the_worker_outlives_an_absent_queue(plumbed: Plumbed, error: Exception) -> None:
    """It goes on by itself once the queue answers."""
    claim, misses = plumbed.work.claim, iter(range(3))

    async def stumbling(*wanted: Any, **of_those: Any) -> list[Claim]:
        if next(misses, None) is not None:
            raise error
        return await claim(*wanted, **of_those)

    plumbed.work.claim = stumbling  # type: ignore[method-assign, assignment]

    async def done() -> bool:
        return await left(plumbed) == 0

    await offer(plumbed, "one")
    async with working(plumbed, lambda one: finish(plumbed, one)):
        await until("it is done", done)


async def test_the_lease_is_lengthened_while_the_work_goes_on(plumbed: Plumbed) -> None:
    """Long work stays ours as long as the process lives."""
    go_on = asyncio.Event()

    async def perform(claim: Claim) -> None:
        await go_on.wait()
        await finish(plumbed, claim)

    async def lengthened() -> bool:
        due = (await plumbed.work.backlog("refund")).earliest_due
        return due is not None and due > NOW + timedelta(seconds=0.3)

    async def in_hand() -> bool:
        due = (await plumbed.work.backlog("refund")).earliest_due
        return due is not None and due > NOW

    await offer(plumbed, "one")
    async with working(plumbed, perform, lease_seconds=0.3):
        await until("the item is claimed", in_hand)
        plumbed.clock.advance(seconds=0.25)
        try:
            await until("the lease is lengthened", lengthened)
        finally:
            go_on.set()
    assert await left(plumbed) == 0


@dataclass
class SteppedTime:
    """What signs of life are timed with, so that nobody waits for minutes."""

    seconds: float = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def stepped(monkeypatch: pytest.MonkeyPatch) -> SteppedTime:
    found = SteppedTime()
    monkeypatch.setattr(loops, "time", found)
    return found


async def until_left(plumbed: Plumbed, items: int) -> None:
    async def so_many() -> bool:
        return await left(plumbed) == items

    await until(f"{items} items are left", so_many)


async def test_work_that_hangs_is_not_alive_though_the_loop_turns(
    plumbed: Plumbed, stepped: SteppedTime
) -> None:
    """Other work goes on beside it, yet only a restart would give its item to somebody else."""
    pulses = Pulses()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def perform(claim: Claim) -> None:
        if claim.item.id == "hangs":
            begun.set()
            await go_on.wait()
        await finish(plumbed, claim)

    async def alive() -> bool:
        return not pulses.silent(STUCK_AFTER_SECONDS)

    await offer(plumbed, "hangs")
    async with working(plumbed, perform, pulse=pulses.new("work")) as worker:
        try:
            await begun.wait()
            for name in ("one", "two"):
                stepped.seconds += HANGS_AFTER_SECONDS + 1
                await offer(plumbed, name)
                worker.nudge()
                await until_left(plumbed, 1)
            assert not await alive()
        finally:
            go_on.set()
        await until("it is alive again", alive)
    assert await left(plumbed) == 0


@pytest.mark.parametrize("shown_by", ["a beat", "a unit of work"])
async def test_long_work_that_shows_that_it_goes_on_is_alive(
    plumbed: Plumbed, stepped: SteppedTime, shown_by: str
) -> None:
    """A turn of many pages may take longer than any single wait."""
    pulses = Pulses()
    pages: asyncio.Queue[bool] = asyncio.Queue()

    async def perform(claim: Claim) -> None:
        while await pages.get():
            if shown_by == "a beat":
                beat()
            else:
                await plumbed.units.run(lambda unit: unit.plumbing.work.confirm([claim]))
            pages.task_done()
        await finish(plumbed, claim)

    async def alive() -> bool:
        return not pulses.silent(STUCK_AFTER_SECONDS)

    await offer(plumbed, "long")
    async with working(plumbed, perform, pulse=pulses.new("work")):
        try:
            for _ in range(3):
                stepped.seconds += HANGS_AFTER_SECONDS - 1
                pages.put_nowait(True)
                await pages.join()
                await until("it is alive", alive)
        finally:
            pages.put_nowait(False)
    assert await left(plumbed) == 0


async def test_leases_that_are_no_longer_lengthened_end_the_loop(plumbed: Plumbed) -> None:
    """An error that nobody foresaw is loud: work would go on under leases that have run out."""

    async def broken(claims: Sequence[Claim], until: datetime) -> int:
        raise ZeroDivisionError

    plumbed.work.extend = broken  # type: ignore[method-assign, assignment]
    worker = Worker(
        plumbed.work,
        "refund",
        lambda claim: finish(plumbed, claim),
        plumbed.clock,
        concurrency=1,
        lease_seconds=0.03,
        poll_seconds=0.01,
    )
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(worker.run(Pulse("work"), asyncio.Event()), 30)


async def test_a_place_that_is_kept_free_is_for_what_is_urgent(plumbed: Plumbed) -> None:
    """Whatever usual items take all other places, an urgent one begins; where all fit, all do."""
    begun, go_on = list[str](), asyncio.Event()

    async def perform(claim: Claim) -> None:
        begun.append(claim.item.id)
        if not claim.item.id.startswith("urgent"):
            await go_on.wait()
        await finish(plumbed, claim)

    await offer(plumbed, "long-1", "long-2", "long-3", "long-4")
    urgent = [WorkItem(f"urgent-{number}", "refund", NOW, priority=5) for number in (1, 2)]
    async with working(plumbed, perform, kept_free=KeptFree(1, before=10)):
        await until("two have begun", lambda: _said(len(begun) == 2))
        await plumbed.units.run(lambda unit: unit.plumbing.work.offer(urgent))
        await until("both urgent ones are done", lambda: _said(len(begun) == 4))
        assert set(begun[2:]) == {"urgent-1", "urgent-2"}
        go_on.set()
        await until("all are done", lambda: _none_left(plumbed))
    assert len(begun) == 6


async def _said(true: bool) -> bool:
    return true


async def _none_left(plumbed: Plumbed) -> bool:
    return await left(plumbed) == 0


async def test_a_stop_waits_for_what_is_in_hand_and_claims_no_more(plumbed: Plumbed) -> None:
    """The outside effect that has begun is saved before the process ends."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def perform(claim: Claim) -> None:
        begun.set()
        await go_on.wait()
        await finish(plumbed, claim)

    await offer(plumbed, "one")
    async with working(plumbed, perform):
        await begun.wait()
        asyncio.get_running_loop().call_later(0.1, go_on.set)
    await offer(plumbed, "two")
    assert await left(plumbed) == 1


class Stalled(_Looks):
    """Looks, and then stands still, as a process that is stopped for a while."""

    def __init__(self, items: Collection) -> None:
        super().__init__(items)
        self.has_seen, self.go_on = asyncio.Event(), asyncio.Event()

    async def best(self, look: _Look) -> list[Document]:
        found = await super().best(look)
        self.has_seen.set()
        await self.go_on.wait()
        return found


@pytest.mark.parametrize("is_finished", [True, False])
async def test_who_stood_still_claims_an_item_as_it_is_now(
    database: Database, is_finished: bool
) -> None:
    """Finished and offered anew meanwhile, or claimed and let go of: not as it was seen."""
    items, other = database.collection("work"), MongoWorkQueue(database)
    queue = MongoWorkQueue(database)
    queue._looks = stalled = Stalled(items)
    await items.insert_one(_document(WorkItem("one", "refund", NOW, payload={"sum": 1})))
    claiming = asyncio.create_task(queue.claim("refund", NOW, 5, 30))
    await stalled.has_seen.wait()
    [claimed] = await other.claim("refund", NOW, 5, 30)
    if is_finished:
        await items.delete_one({"_id": "one"})
        await items.insert_one(_document(WorkItem("one", "refund", NOW, payload={"sum": 2})))
    else:
        assert await other.postpone(claimed, NOW)
    stalled.go_on.set()
    [mine] = await claiming
    assert (mine.item.payload["sum"], mine.attempt) == ((2, 1) if is_finished else (1, 2))


async def test_looks_that_are_answered_together_stand_on_their_indexes(database: Database) -> None:
    """Each as if it were alone: nothing is sorted, and what is not due is not read."""
    due = [{"kind": kind, "due": {"$lte": NOW}} for kind in ("refund", "stage")]
    looks = [_Look(one, {"priority": 1, "due": 1}, 5) for one in due]
    looks.append(_Look(due[0] | {"group": "g"}, {"due": 1}, 5))
    plan = await database.command(
        "explain",
        {"aggregate": "work", "pipeline": _together(looks, "work"), "cursor": {}},
        verbosity="queryPlanner",
    )
    chosen = str(list(_chosen(plan)))
    assert chosen.count("'IXSCAN'") == len(looks)
    assert "'COLLSCAN'" not in chosen and "'SORT'" not in chosen


def _chosen(plan: Any) -> Iterator[Any]:
    """Every winning plan, of the pipelines inside too."""
    if isinstance(plan, dict):
        for name, inner in plan.items():
            yield from [inner] if name == "winningPlan" else _chosen(inner)
    elif isinstance(plan, list):
        for inner in plan:
            yield from _chosen(inner)
