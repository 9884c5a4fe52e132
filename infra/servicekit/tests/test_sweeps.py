"""Timed work by the database's clock."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from infra.servicekit.tests.conftest import NOW, until
from servicekit.clock import DatabaseClock, ManualClock
from servicekit.errors import Conflict, DependencyAway, Outlasted
from servicekit.loops import Pulse
from servicekit.mongo import Database
from servicekit.sweeps import SomeFailed, Sweep, Turns, one_by_one, run_sweep, together


async def test_a_sweep_goes_on_until_nothing_is_due_and_outlives_its_dependencies() -> None:
    """A full page is followed at once; an absent database or a lost race is tried again."""
    clock, stopping = ManualClock(NOW), asyncio.Event()
    answers: Iterator[Exception | int]
    answers = iter([DependencyAway("MongoDB"), Conflict("a race"), 500, 20])
    handled: list[int] = []

    async def run(now: datetime) -> int:
        answer = next(answers, None)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            stopping.set()
            return 0
        assert now == NOW
        handled.append(answer)
        return answer

    sweep = Sweep("deadlines", 0.01, run)
    await asyncio.wait_for(run_sweep(sweep, clock, Pulse("sweep"), stopping), 30)
    assert handled == [500, 20]


async def test_a_sweep_that_is_seldom_due_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs once an hour beats in between: its process would be killed every minute."""
    monkeypatch.setattr("servicekit.sweeps.BEAT_SECONDS_MAX", 0.01)
    stopping, turned = asyncio.Event(), asyncio.Event()

    class CountedPulse(Pulse):
        beats = 0

        def beat(self) -> None:
            self.beats += 1
            if self.beats == 5:
                turned.set()

    async def run(_: datetime) -> int:
        return 0

    pulse = CountedPulse("sweep")
    sweeping = asyncio.create_task(
        run_sweep(Sweep("hourly", 3_600.0, run), ManualClock(NOW), pulse, stopping)
    )
    await asyncio.wait_for(turned.wait(), 30)
    stopping.set()
    await asyncio.wait_for(sweeping, 30)


async def test_what_is_due_and_not_handled_is_seen_from_outside() -> None:
    """The metric shows the earliest due time, and 0 once nothing is due."""
    stopping, oldest = asyncio.Event(), iter([NOW, None])
    seen: list[float | None] = []

    async def run(now: datetime) -> int:
        labels = {"sweep": "overdue"}
        seen.append(REGISTRY.get_sample_value("sosst_sweep_due_oldest_timestamp_seconds", labels))
        if len(seen) == 3:
            stopping.set()
        return 0

    async def oldest_due() -> datetime | None:
        return next(oldest, None)

    sweep = Sweep("overdue", 0.01, run, oldest_due)
    await asyncio.wait_for(run_sweep(sweep, ManualClock(NOW), Pulse("sweep"), stopping), 30)
    assert seen == [None, NOW.timestamp(), 0]


async def test_how_late_something_was_handled_is_counted() -> None:
    """Half an hour after its due time it is handled, and so says the histogram."""
    clock, stopping = ManualClock(NOW), asyncio.Event()
    clock.advance(minutes=30)

    async def run(now: datetime) -> int:
        if stopping.is_set() or not runs:
            runs.append(0)
            return 0
        stopping.set()
        return 1

    async def oldest_due() -> datetime | None:
        return NOW

    runs: list[int] = []
    sweep = Sweep("late", 0.01, run, oldest_due)
    await asyncio.wait_for(run_sweep(sweep, clock, Pulse("sweep"), stopping), 30)
    assert REGISTRY.get_sample_value("sosst_sweep_lateness_seconds_sum", {"sweep": "late"}) == 1800


async def test_a_bug_in_a_sweep_ends_no_process_and_is_not_swallowed() -> None:
    """What is due is there again after each start: it is counted, alarmed, and tried again."""
    stopping, answers = asyncio.Event(), iter([ZeroDivisionError(), KeyError("unknown"), 3])
    handled: list[int] = []

    async def run(now: datetime) -> int:
        answer = next(answers, None)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            stopping.set()
            return 0
        handled.append(answer)
        return answer

    sweep = Sweep("mistaken", 0.01, run)
    await asyncio.wait_for(run_sweep(sweep, ManualClock(NOW), Pulse("sweep"), stopping), 30)
    assert handled == [3]
    assert REGISTRY.get_sample_value("sosst_sweep_failures_total", {"sweep": "mistaken"}) == 2


async def test_one_that_fails_keeps_no_other_from_its_turn() -> None:
    """Whoever is behind it is handled; the failure is raised when all had their turn."""
    had_turns: list[str] = []

    async def perform(item: str) -> int:
        had_turns.append(item)
        if item == "moved":
            raise Conflict("somebody else was faster")
        if item == "mistaken":
            raise ValueError(item)
        return 1

    assert await one_by_one(["a", "moved", "b"], perform) == 2
    with pytest.raises(ExceptionGroup) as failed:
        await one_by_one(["mistaken", "c", "mistaken", "d"], perform)
    assert [str(one) for one in failed.value.exceptions] == ["mistaken", "mistaken"]
    assert had_turns == ["a", "moved", "b", "mistaken", "c", "mistaken", "d"]


async def test_what_was_done_beside_a_failure_counts() -> None:
    """The sweep goes on at once, and its lateness and what is still due are measured."""
    stopping, turns = asyncio.Event(), iter([["good", "bad"], ["good", "bad"], ["bad"]])
    rests: list[str] = []

    async def perform(item: str) -> int:
        if item == "bad":
            raise ValueError(item)
        return 1

    async def run(now: datetime) -> int:
        due = next(turns, None)
        if due is None:
            stopping.set()
            return 0
        rests.append(due[0])
        return await one_by_one(due, perform)

    async def oldest_due() -> datetime | None:
        return NOW - timedelta(minutes=10)

    # An hour apart: only a turn that counts as one with work done is followed at once.
    sweep = Sweep("partly", 3_600.0, run, oldest_due)
    sweeping = asyncio.create_task(run_sweep(sweep, ManualClock(NOW), Pulse("sweep"), stopping))

    async def three_turns() -> bool:
        return len(rests) == 3

    await until("it goes on beside what fails", three_turns)
    stopping.set()
    await asyncio.wait_for(sweeping, 30)
    labels = {"sweep": "partly"}
    assert REGISTRY.get_sample_value("sosst_sweep_failures_total", labels) == 3
    assert REGISTRY.get_sample_value("sosst_sweep_lateness_seconds_count", labels) == 1
    due = REGISTRY.get_sample_value("sosst_sweep_due_oldest_timestamp_seconds", labels)
    assert due == (NOW - timedelta(minutes=10)).timestamp()


async def test_a_transaction_that_always_takes_too_long_is_no_absent_dependency() -> None:
    """It is a failure that is counted; what is due behind it has its turn."""
    stopping, done = asyncio.Event(), list[str]()

    async def perform(item: str) -> int:
        if item == "long":
            raise Outlasted(item)
        done.append(item)
        stopping.set()
        return 1

    async def run(now: datetime) -> int:
        return await one_by_one(["long", "short"], perform)

    sweep = Sweep("long", 0.01, run)
    await asyncio.wait_for(run_sweep(sweep, ManualClock(NOW), Pulse("sweep"), stopping), 30)
    assert done == ["short"]
    labels = {"sweep": "long"}
    assert REGISTRY.get_sample_value("sosst_sweep_failures_total", labels) == 1
    assert REGISTRY.get_sample_value("sosst_sweep_success_timestamp_seconds", labels) == 0


async def test_a_sweep_with_nothing_to_do_has_succeeded_and_one_that_is_kept_away_has_not() -> None:
    """An alert reads when it last did: from its start on, by how often it looks."""

    async def ended(name: str, answer: Exception | int) -> float | None:
        stopping = asyncio.Event()

        async def run(now: datetime) -> int:
            stopping.set()
            if isinstance(answer, Exception):
                raise answer
            return answer

        sweep = Sweep(name, 0.01, run)
        await asyncio.wait_for(run_sweep(sweep, ManualClock(NOW), Pulse("sweep"), stopping), 30)
        assert REGISTRY.get_sample_value("sosst_sweep_interval_seconds", {"sweep": name}) == 0.01
        return REGISTRY.get_sample_value("sosst_sweep_success_timestamp_seconds", {"sweep": name})

    assert await ended("idle", 0)
    assert await ended("kept away", DependencyAway("MongoDB")) == 0


@dataclass
class Queue:
    """What is due, in its order; some of it only waits, some of it fails."""

    due: list[str]
    waits: set[str] = field(default_factory=set)
    fails: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    looked_at: list[str] = field(default_factory=list)

    async def page(self, limit: int, skip: int) -> list[str]:
        return self.due[skip : skip + limit]

    async def perform(self, item: str) -> int:
        self.looked_at.append(item)
        if item in self.fails:
            raise ValueError(item)
        if item in self.waits:
            return 0
        self.due.remove(item)
        self.done.append(item)
        return 1

    async def turn(self, turns: Turns[str]) -> int:
        try:
            return await turns.take(self.page, self.perform)
        except SomeFailed as some:
            return some.handled


@pytest.mark.parametrize("stays", ["waits", "fails"])
async def test_a_page_of_what_stays_due_hides_nothing_behind_it(stays: str) -> None:
    """However many there are of them, in due order before it; and they are looked at each time."""
    late = [f"late {n}" for n in range(7)]
    queue = Queue([*late, "a", "b", "c"])
    setattr(queue, stays, set(late))
    turns = Turns[str](2)
    for _ in range(7):
        await queue.turn(turns)
    assert queue.done == ["a", "b", "c"] and queue.due == late
    assert all(queue.looked_at.count(one) >= 1 for one in late)
    getattr(queue, stays).clear()
    while await queue.turn(turns):
        pass
    assert queue.due == []


async def test_what_stays_is_not_hidden_by_those_that_keep_coming() -> None:
    """More is due in each turn than a page: what waited first goes as soon as it can."""
    queue = Queue(["late 0", "late 1"], waits={"late 0", "late 1"})
    turns = Turns[str](2)
    for number in range(6):
        queue.due += [f"new {number}", f"newer {number}", f"newest {number}"]
        assert await queue.turn(turns) == 2
    queue.waits.clear()
    queue.due += ["last"]
    await queue.turn(turns)
    assert queue.done[-2:] == ["late 0", "late 1"]


async def test_a_turn_shows_life_with_each_of_its_things() -> None:
    """A long page of small transactions is not stuck."""
    pulse, stopping = Pulse("sweep"), asyncio.Event()
    beats: list[int] = []
    pulse.beat = lambda: beats.append(1)  # type: ignore[method-assign]

    async def perform(item: int) -> int:
        assert len(beats) == item + 2, "one for the turn, one for each thing so far"
        stopping.set()
        return 0

    sweep = Sweep("long page", 0.01, lambda now: one_by_one(range(3), perform))
    await asyncio.wait_for(run_sweep(sweep, ManualClock(NOW), pulse, stopping), 30)
    labels = {"sweep": "long page"}
    assert REGISTRY.get_sample_value("sosst_sweep_failures_total", labels) == 0


async def test_what_is_saved_together_is_saved_apart_where_that_fails() -> None:
    """Only the one that cannot be is left; the failure is raised behind the others."""
    saved: list[str] = []

    async def save(items: Sequence[str]) -> int:
        if "bad" in items:
            raise ValueError("bad")
        saved.extend(items)
        return len(items)

    assert await together(["a", "b"], save) == 2
    with pytest.raises(SomeFailed) as some:
        await together(["c", "bad", "d"], save)
    assert saved == ["a", "b", "c", "d"] and some.value.handled == 2


async def test_an_absent_dependency_ends_the_turn() -> None:
    """It would be as absent for the next one."""

    async def perform(item: str) -> int:
        raise DependencyAway(item)

    with pytest.raises(DependencyAway, match="a"):
        await one_by_one(["a", "b"], perform)


async def test_the_clock_follows_the_database_and_not_the_host(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host a day ahead finds its skew and gives the database's time."""

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(days=1)

    monkeypatch.setattr("servicekit.clock.datetime", Ahead)
    clock = DatabaseClock(database)
    assert clock.now() - datetime.now(UTC) > timedelta(hours=23)
    skew = await clock.synchronise()
    assert abs(skew - timedelta(days=1)) < timedelta(minutes=1)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
    assert clock.now().tzinfo is UTC
