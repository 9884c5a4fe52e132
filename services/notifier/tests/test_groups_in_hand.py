"""Groups of chunks that are told side by side: one that is slow, or lost, holds back no other."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

import pytest

from infra.suite.readings import eventually
from notifier.domain.cause import CauseState
from notifier.domain.chunk import Chunk
from notifier.handlers.hear import PUBLISH_CHUNK
from notifier.ports.unit import NotifierUnit
from notifier.wire.told import lot_of
from servicekit.errors import DependencyAway, Outlasted
from servicekit.loops import Pulse
from servicekit.lots import Lot
from servicekit.memory import MemoryDatabase
from servicekit.publish import MemoryLog
from servicekit.units import UnitsOfWork
from servicekit.work import Claim, MemoryWorkQueue
from services.notifier.tests.builders import (
    CAMPAIGN,
    Notifier,
    emergency,
    memory_notifier,
    pledges,
    told_to,
    update,
    verdict,
)

PEOPLE = [f"b{number:02}" for number in range(40)]
CAUSE = f"verdict-reached/{CAMPAIGN}"
PATIENCE = 60
T = TypeVar("T")


class HeldLog(MemoryLog):
    """A way to another log whose second send waits until it may go on, and may be lost."""

    def __init__(self, beside: MemoryLog, *, loses: bool) -> None:
        super().__init__(beside.partitions)
        self.records = beside.records
        self.held, self.go_on = asyncio.Event(), asyncio.Event()
        self.people_held = 0
        self._loses, self._sends = loses, 0

    async def publish_lots(self, lots: Sequence[Lot]) -> list[bool]:
        self._sends += 1
        if self._sends == 2:
            self.people_held = sum(map(len, lots))
            self.held.set()
            await self.go_on.wait()
            if self._loses:
                return [False] * len(lots)
        return await super().publish_lots(lots)


async def state_of(notifier: Notifier) -> CauseState:
    cause = await notifier.queries.cause(CAUSE)
    assert cause is not None
    return cause.state


@pytest.mark.parametrize("loses", [False, True], ids=["late", "lost"])
async def test_the_group_that_ends_last_closes_the_cause(loses: bool) -> None:
    """The other one has told everybody else and looked; what was lost is told once more."""
    log, stopping = MemoryLog(24), asyncio.Event()
    notifier, slow = memory_notifier(log=log), HeldLog(log, loses=loses)
    await notifier.hear(*pledges(PEOPLE), verdict(len(PEOPLE)))
    await notifier.plan()
    chunks = replace(
        notifier.publishing(),
        at_once=1,
        lease_seconds=10,
        publishers=[slow, log],
        poll_seconds=0.01,
    )

    async def pending() -> int:
        return (await notifier.queries.totals(CAUSE)).pending

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(chunks.run(Pulse("publish"), stopping))
        await slow.held.wait()
        while await pending() > slow.people_held:
            await asyncio.sleep(0.01)
        assert await state_of(notifier) is CauseState.PLANNED
        slow.go_on.set()
        while await state_of(notifier) is not CauseState.COMPLETED:
            # What was lost comes again a second later.
            notifier.clock.advance(seconds=1)
            await asyncio.sleep(0.01)
        stopping.set()
    assert await pending() == 0
    assert sorted(told_to(log)) == PEOPLE


async def test_a_stop_closes_what_was_told() -> None:
    """The last chunks of a cause are in hand then: nobody else has to look."""
    log, stopping = MemoryLog(24), asyncio.Event()
    notifier, slow = memory_notifier(log=log), HeldLog(log, loses=False)
    await notifier.hear(*pledges(PEOPLE), verdict(len(PEOPLE)))
    await notifier.plan()
    chunks = replace(notifier.publishing(), at_once=1, publishers=[slow, log])
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
        tasks.create_task(chunks.run(Pulse("publish"), stopping))
        await slow.held.wait()
        while (await notifier.queries.totals(CAUSE)).pending > slow.people_held:
            await asyncio.sleep(0.01)
        stopping.set()
        slow.go_on.set()
    assert sorted(told_to(log)) == PEOPLE
    assert await state_of(notifier) is CauseState.COMPLETED


class TurnsLog(MemoryLog):
    """A way to another log that sends when it is its turn."""

    def __init__(self, beside: MemoryLog) -> None:
        super().__init__(beside.partitions)
        self.records = beside.records
        self.turns = asyncio.Semaphore(0)
        self._asked = 0

    async def publish_lots(self, lots: Sequence[Lot]) -> list[bool]:
        self._asked += 1
        await self.turns.acquire()
        return await super().publish_lots(lots)

    def asked(self, times: int, beside: "TurnsLog | None" = None) -> Callable[[], Awaitable[bool]]:
        """Return what says whether it was asked so often; meanwhile it is the other one's turn."""

        async def is_asked() -> bool:
            if beside is not None:
                beside.turns.release()
            return self._asked >= times

        return is_asked


class WatchedQueue(MemoryWorkQueue):
    """Says when somebody found nothing to claim."""

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database)
        self.found_nothing = asyncio.Event()

    async def claim(self, *arguments: Any, **named: Any) -> list[Claim]:
        claims = await super().claim(*arguments, **named)
        if not claims:
            self.found_nothing.set()
        return claims


async def test_a_group_that_stepped_back_goes_on_beside_the_other() -> None:
    """It looked while an emergency was planned; the other one, still sending, did not."""
    database, log, stopping = MemoryDatabase(), MemoryLog(24), asyncio.Event()
    notifier, queue = memory_notifier(database, log=log), WatchedQueue(database)
    first, second = TurnsLog(log), TurnsLog(log)
    await notifier.hear(*pledges(PEOPLE), update(len(PEOPLE), len(PEOPLE)))
    await notifier.plan()
    chunks = replace(notifier.publishing(), at_once=1, queue=queue, publishers=[first, second])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(chunks.run(Pulse("publish"), stopping))
        try:
            first.turns.release()
            await eventually("both are sending", first.asked(2), PATIENCE)
            await eventually("both are sending", second.asked(1), PATIENCE)
            await notifier.hear(emergency(len(PEOPLE), 2))
            second.turns.release()
            async with asyncio.timeout(PATIENCE):
                await queue.found_nothing.wait()
            await notifier.plan()
            await eventually("the second sends again", second.asked(2, beside=first), PATIENCE)
        finally:
            stopping.set()
            for one in (first, second):
                one.turns.release()


@dataclass
class Away:
    """Units of a database that fails once, and perhaps saves what it says nothing of."""

    units: UnitsOfWork[NotifierUnit]
    fails: DependencyAway | None = None
    saves: bool = False

    async def run(self, work: Callable[[NotifierUnit], Awaitable[T]]) -> T:
        error, self.fails = self.fails, None
        if error is None:
            return await self.units.run(work)
        if self.saves:
            await self.units.run(work)
        raise error


async def looked_after(error: DependencyAway) -> Notifier:
    """A notifier that told everybody, failed to look whether that was all, and looked once more."""
    notifier = memory_notifier()
    units = Away(notifier.units)
    await notifier.hear(*pledges(PEOPLE), verdict(len(PEOPLE)))
    await notifier.plan()
    chunks = replace(notifier.publishing(), at_once=1, units=units)
    while (await notifier.queries.totals(CAUSE)).pending:
        await chunks.publish_some(notifier.publisher)
    units.fails = error
    with pytest.raises(type(error)):
        await chunks.publish_some(notifier.publisher)
    await chunks.publish_some(notifier.publisher)
    return notifier


async def test_a_cause_is_looked_at_again_where_that_failed() -> None:
    """The database did not answer when somebody looked whether it can be closed."""
    notifier = await looked_after(DependencyAway("the database"))
    assert await state_of(notifier) is CauseState.COMPLETED


async def test_a_look_that_takes_too_long_is_left_to_the_sweep() -> None:
    """It may always do: who tells people does not try it again and again."""
    notifier = await looked_after(Outlasted("too much"))
    assert await state_of(notifier) is CauseState.PLANNED
    await notifier.sweep()
    assert await state_of(notifier) is CauseState.COMPLETED


async def test_a_cause_is_looked_at_though_nobody_knows_whether_it_was_saved() -> None:
    """The database saved that all are told, and did not say so."""
    notifier = memory_notifier()
    await notifier.hear(*pledges(PEOPLE), verdict(len(PEOPLE)))
    await notifier.plan()
    units = Away(notifier.units, DependencyAway("the outcome is unknown"), saves=True)
    chunks = replace(notifier.publishing(), at_once=1_000, units=units)
    with pytest.raises(DependencyAway):
        await chunks.publish_some(notifier.publisher)
    await chunks.publish_some(notifier.publisher)
    assert await state_of(notifier) is CauseState.COMPLETED


@dataclass
class Overlooked:
    """Units in which another group looks whether a cause is over before each save of this one."""

    units: UnitsOfWork[NotifierUnit]
    looks: Callable[[], Awaitable[object]] | None = None

    async def run(self, work: Callable[[NotifierUnit], Awaitable[T]]) -> T:
        looks, self.looks = self.looks, None
        if looks is not None:
            await looks()
        return await self.units.run(work)


async def test_a_look_before_the_last_save_is_not_the_last_look() -> None:
    """Another group finds nothing and looks while this one, which sent the last, still saves."""
    notifier = memory_notifier()
    units = Overlooked(notifier.units)
    await notifier.hear(*pledges(PEOPLE), verdict(len(PEOPLE)))
    await notifier.plan()
    waiting = (await notifier.queue.backlog(PUBLISH_CHUNK)).items
    # A full group does not look itself.
    chunks = replace(notifier.publishing(), at_once=waiting, units=units)

    async def look() -> bool:
        return await chunks.publish_some(notifier.publisher)

    units.looks = look
    assert await chunks.publish_some(notifier.publisher)
    assert await state_of(notifier) is CauseState.PLANNED
    await look()
    assert await state_of(notifier) is CauseState.COMPLETED


class Unpostponing(MemoryWorkQueue):
    """Work of a database that is away whenever something is let go of."""

    async def postpone(self, claim: Claim, due: datetime) -> bool:
        raise DependencyAway("the database")


async def test_a_cause_is_looked_at_though_its_group_failed_behind_it() -> None:
    """Its people are told; what was told beside it cannot even be let go of."""
    database = MemoryDatabase()
    notifier = memory_notifier(database)
    await notifier.hear(*pledges(PEOPLE), verdict(len(PEOPLE)), update(len(PEOPLE), len(PEOPLE)))
    await notifier.plan()

    def render(chunk: Chunk, partitions: int) -> Lot:
        if chunk.told.cause != CAUSE:
            raise ValueError("a template that breaks")
        return lot_of(chunk, partitions)

    queue = Unpostponing(database)
    chunks = replace(notifier.publishing(), at_once=1_000, queue=queue, render=render)
    with pytest.raises(DependencyAway):
        await chunks.publish_some(notifier.publisher)
    await chunks.publish_some(notifier.publisher)
    assert await state_of(notifier) is CauseState.COMPLETED
