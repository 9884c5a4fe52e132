"""Groups of chunks that are told side by side: one that is slow, or lost, holds back no other."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from notifier.domain.cause import CauseState
from servicekit.loops import Pulse
from servicekit.lots import Lot
from servicekit.publish import MemoryLog
from services.notifier.tests.builders import CAMPAIGN, memory_notifier, pledges, verdict
from services.notifier.tests.test_odd_facts import told_to

PEOPLE = [f"b{number:02}" for number in range(40)]
CAUSE = f"verdict-reached/{CAMPAIGN}"


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

    async def state() -> CauseState:
        cause = await notifier.queries.cause(CAUSE)
        assert cause is not None
        return cause.state

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(chunks.run(Pulse("publish"), stopping))
        await slow.held.wait()
        while await pending() > slow.people_held:
            await asyncio.sleep(0.01)
        assert await state() is CauseState.PLANNED
        slow.go_on.set()
        while await state() is not CauseState.COMPLETED:
            # What was lost comes again a second later.
            notifier.clock.advance(seconds=1)
            await asyncio.sleep(0.01)
        stopping.set()
    assert await pending() == 0
    assert sorted(told_to(log)) == PEOPLE
