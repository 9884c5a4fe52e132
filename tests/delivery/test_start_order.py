"""Any order of deploying works, also before the topics are there."""

import asyncio

import pytest

from infra.native import Addresses
from infra.suite import Suite
from infra.suite.checkout import Checkout
from infra.suite.readings import Readings
from tests.delivery.test_kill_matrix import assert_all_as_if_nothing_happened
from tests.world import World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

ORDER = ("notifier", "payouts", "updates", "funding")


async def test_readers_start_before_makers_and_before_the_topics(
    native_stack: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The four start in the order of nobody's wish, topics come last, and the story is whole."""
    suite = Suite(tmp_path_factory.mktemp("order"), native_stack)
    world = World(suite, Checkout(suite), Readings(suite))
    try:
        await suite.start_surroundings(topics=False)
        for name in ORDER:
            await asyncio.to_thread(suite.services[name].start)
        await suite.make_topics()
        rows = backers("order", 12)
        await world.launch_paid("order", rows, goal=10_000_000, open_seconds=6)
        await assert_all_as_if_nothing_happened(world, "order", rows)
    finally:
        await world.checkout.close()
        await world.look.close()
        await suite.stop()
        await suite.provider.http.aclose()
