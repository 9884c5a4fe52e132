"""Timed work by the database's clock."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from infra.servicekit.tests.conftest import NOW
from servicekit.clock import DatabaseClock, ManualClock
from servicekit.errors import Conflict, DependencyAway
from servicekit.loops import Pulse
from servicekit.mongo import Database
from servicekit.sweeps import Sweep, one_by_one, run_sweep


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
