"""Two instances of each service share the work, through a rebalance and a kill -9."""

import asyncio

import pytest

from tests.delivery.test_kill_matrix import assert_all_as_if_nothing_happened, sampled_books
from tests.world import World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLEDGES = 120


@pytest.mark.trap(16)
@pytest.mark.row("S13")
async def test_two_instances_decide_pay_and_tell_once(world: World) -> None:
    """A second instance joins while payments come, the first one dies: each fact has one effect."""
    rows = backers("pair", PLEDGES)
    first = world.suite.services
    second = {name: world.suite.instance(name, 2) for name in first}
    async with sampled_books(world):
        await world.launch("pair", goal=10_000_000, open_seconds=12)
        records = await world.checkout.charge("pair", rows)
        await world.checkout.tell(records[: PLEDGES // 2])
        await asyncio.gather(*(asyncio.to_thread(s.start) for s in second.values()))
        try:
            await world.checkout.tell(records[PLEDGES // 2 :])
            await world.counted("pair", rows)
            await world.verdict("pair")
            for name in ("payouts", "notifier"):
                await asyncio.to_thread(first[name].kill)
            # The survivors take over; the dead come back and find everything done.
            await asyncio.gather(
                *(asyncio.to_thread(first[name].start) for name in ("payouts", "notifier"))
            )
            await assert_all_as_if_nothing_happened(world, "pair", rows)
        finally:
            await asyncio.gather(*(asyncio.to_thread(s.stop) for s in second.values()))
    verdicts = [
        fact
        for fact in await world.look.events("funding.campaigns")
        if fact.key == "pair" and fact.event.name == "verdict-reached"
    ]
    # Two relays may each send a row: a repeat has the same id, and every reader drops it.
    assert len({verdict.envelope.id for verdict in verdicts}) == 1
