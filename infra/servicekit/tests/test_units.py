"""What a commit left decides who is woken: whoever only looked wakes nobody (decision 0020)."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from infra.servicekit.tests.conftest import NOW, on_memory, until
from servicekit.clock import ManualClock
from servicekit.loops import Pulse
from servicekit.mongo import Database
from servicekit.publish import MemoryLog
from servicekit.relay import Relay
from servicekit.units import Left, MongoUnitsOfWork, Unit
from servicekit.work import Claim, Worker, WorkItem
from sosst_contracts.codec import Draft
from sosst_contracts.funding import PledgePlaced
from sosst_contracts.testing import sample

FACT = Draft(sample(PledgePlaced), NOW)
ITEM = WorkItem("item", "kind", NOW)
LONG = 3_600.0


async def look(unit: Unit) -> None:
    await unit.plumbing.streams.load("group", "topic", ["key"])


async def tell(unit: Unit) -> None:
    await unit.plumbing.outbox.add([FACT])


async def give_work(unit: Unit) -> None:
    await unit.plumbing.work.offer([ITEM])


async def hasten(unit: Unit) -> None:
    await unit.plumbing.work.hasten(["item"], NOW)


@pytest.mark.parametrize(
    ("work", "left"),
    [
        (look, Left()),
        (tell, Left(facts=True)),
        (give_work, Left(work=True)),
        (hasten, Left(work=True)),
    ],
)
async def test_a_commit_says_what_it_left_to_be_done(
    database: Database, work: Callable[[Unit], Awaitable[None]], left: Left
) -> None:
    """Also in the process's second transaction: nothing of the first one sticks."""
    said: list[Left] = []
    units = MongoUnitsOfWork(
        database, ManualClock(NOW), lambda _, parts: Unit(parts), on_commit=said.append
    )
    await units.run(work)
    await units.run(look)
    assert said == [left, Left()]


async def test_who_is_woken_or_told_to_stop_waits_for_no_poll() -> None:
    """With polls an hour apart, a nudge is enough for what was left, and a stop for the end."""
    plumbed, log, stopping = on_memory(), MemoryLog(), asyncio.Event()
    performed: list[str] = []

    async def perform(claim: Claim) -> None:
        performed.append(claim.item.id)
        await plumbed.units.run(lambda unit: unit.plumbing.work.finish([claim]))

    relay = Relay(plumbed.outbox, log, poll_seconds=LONG)
    worker = Worker(
        plumbed.work,
        "kind",
        perform,
        plumbed.clock,
        concurrency=1,
        lease_seconds=LONG,
        poll_seconds=LONG,
    )
    loops = asyncio.gather(relay.run(Pulse("relay"), stopping), worker.run(Pulse("work"), stopping))
    await asyncio.sleep(0.05)  # Both have found nothing and wait.
    await plumbed.units.run(tell)
    await plumbed.units.run(give_work)
    relay.nudge()
    worker.nudge()

    async def both_done() -> bool:
        return len(log.records) == 1 and performed == ["item"]

    await until("both were woken", both_done)
    stopping.set()
    async with asyncio.timeout(30):
        await loops
