"""Every fact comes twice, late, and in another order across topics: nothing changes."""

import asyncio
import random
from datetime import UTC, datetime

import pytest

from infra.suite.checkout import Launch
from infra.suite.readings import eventually
from sosst_contracts.registry import REGISTRY
from tests.delivery.test_kill_matrix import assert_all_as_if_nothing_happened
from tests.world import CREATOR, CURRENCY, World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

SEED = 20260301
SEQUENCED = sorted({event.topic for event in REGISTRY.event_types if event.sequenced})
OF_FUNDING = [topic for topic in SEQUENCED if topic.startswith("funding.")]


async def provider_book(world: World) -> dict[str, object]:
    """Return everything in the provider's book but its clock and how often it was asked."""
    book = await world.suite.provider.book()
    return {name: part for name, part in book.items() if name not in ("now", "requests")}


@pytest.mark.row("S13")
async def test_payments_before_their_launch_and_everything_twice(world: World) -> None:
    """Payments overtake the launch, come doubled and shuffled: each is counted once."""
    rows = backers("overtaken", 20)
    records = await world.checkout.charge("overtaken", rows)
    doubled = [*records, *records]
    random.Random(SEED).shuffle(doubled)
    await world.checkout.tell(doubled)

    async def set_aside() -> bool:
        with world.database("funding") as database:
            return bool(database["set_aside"].count_documents({"key": "overtaken"}) > 0)

    await eventually("the payments wait for their campaign", set_aside)
    await world.launch("overtaken", goal=10_000_000, open_seconds=5)

    await assert_all_as_if_nothing_happened(world, "overtaken", rows)
    world.assert_books_true()


@pytest.mark.row("S4")
async def test_a_republished_history_pays_and_tells_nobody_again(world: World) -> None:
    """Every record of every topic, twice and shuffled, after the story is over."""
    rows = backers("again", 20)
    await world.launch_paid("again", rows, goal=10_000_000, open_seconds=3)
    await assert_all_as_if_nothing_happened(world, "again", rows)
    before = await provider_book(world)

    for topic in SEQUENCED:
        await world.republish(topic, random.Random(SEED), key="again", times=2)
    await world.everything_read()

    assert await provider_book(world) == before
    await assert_all_as_if_nothing_happened(world, "again", rows)
    world.assert_books_true()


async def test_services_that_come_late_catch_up(world: World) -> None:
    """payouts, updates and notifier are down until the verdict is old, and find all of it twice."""
    rows = backers("latecomers", 20)
    absent = [world.suite.services[name] for name in ("payouts", "updates", "notifier")]
    for service in absent:
        service.stop()
    try:
        await world.launch_paid("latecomers", rows, goal=10_000_000, open_seconds=3)
        await world.verdict("latecomers")
        for topic in OF_FUNDING:
            await world.republish(topic, random.Random(SEED), key="latecomers", times=2)
    finally:
        for service in absent:
            service.start()

    await assert_all_as_if_nothing_happened(world, "latecomers", rows)
    world.assert_books_true()


async def test_funding_that_comes_after_the_deadline_decides_once(world: World) -> None:
    """What was paid in time while funding was down counts, and one verdict is reached."""
    rows = backers("overslept", 20)
    records = await world.checkout.charge("overslept", rows)
    funding = world.suite.services["funding"]
    deadline = await world.checkout.launch(
        Launch("overslept", CREATOR.subject, "A lamp", 10_000_000, CURRENCY, open_seconds=3)
    )
    await asyncio.to_thread(funding.stop)
    try:
        await world.checkout.tell(records)
        await asyncio.sleep(max(0.0, (deadline - datetime.now(UTC)).total_seconds()))
    finally:
        await asyncio.to_thread(funding.start)

    await assert_all_as_if_nothing_happened(world, "overslept", rows)
    reached = {
        (fact.envelope.sequence, fact.event.name)
        for fact in await world.look.events("funding.campaigns")
        if fact.key == "overslept" and fact.event.name == "verdict-reached"
    }
    assert len(reached) == 1
    world.assert_books_true()
