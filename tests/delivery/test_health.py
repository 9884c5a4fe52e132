"""Health and metrics while Kafka or MongoDB is away (`operations.md` 1)."""

import asyncio

import httpx
import pytest

from infra.native import NativeStack
from infra.suite.readings import eventually
from servicekit.health import Health
from servicekit.loops import Pulses
from tests.delivery.faults import paused
from tests.world import World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def metric(world: World, service: str, name: str) -> float:
    """Return the value of a metric without labels."""
    response = await world.look.http.get(f"{world.suite.services[service].health_url}/metrics")
    (value,) = [x.split()[1] for x in response.text.splitlines() if x.startswith(f"{name} ")]
    return float(value)


async def status(world: World, service: str, question: str) -> int:
    """Return the status of /livez, /readyz or /startupz; 0 for no answer."""
    try:
        address = f"{world.suite.services[service].health_url}/{question}"
        return (await world.look.http.get(address, timeout=20)).status_code
    except httpx.HTTPError:
        return 0


async def test_without_kafka_http_goes_on_and_the_outbox_grows_then_drains(
    fragile_world: World, breakable_stack: NativeStack
) -> None:
    """Payments are taken by HTTP, facts wait in the outbox, and leave when the broker is back."""
    world, rows = fragile_world, backers("no-kafka", 8)
    await world.launch("no-kafka", goal=1_000, open_seconds=60)
    records = await world.checkout.charge("no-kafka", rows)
    await asyncio.to_thread(breakable_stack.kill_kafka)
    try:
        await world.tell_by_http("no-kafka", records)

        async def grown() -> bool:
            return await metric(world, "funding", "sosst_outbox_rows") >= 2 * len(rows)

        await eventually("the outbox has grown", grown)
        assert await status(world, "funding", "readyz") == 200
        assert await status(world, "funding", "livez") == 200
    finally:
        await asyncio.to_thread(breakable_stack.start_kafka)

    async def drained() -> bool:
        return await metric(world, "funding", "sosst_outbox_rows") == 0

    await eventually("the outbox has drained", drained, 60)

    async def booked() -> bool:
        money = await world.look.get("payouts", "/campaigns/no-kafka/money")
        return money is not None and money["held"] == sum(row.amount for row in rows)

    await eventually("payouts has heard of every pledge", booked, 60)


async def test_without_mongodb_a_service_is_alive_and_not_ready(
    fragile_world: World, breakable_stack: NativeStack
) -> None:
    """MongoDB away takes an instance out of traffic; nothing restarts it for that."""
    world = fragile_world

    async def not_ready() -> bool:
        return await status(world, "funding", "readyz") == 503

    async def ready() -> bool:
        return await status(world, "funding", "readyz") == 200

    async with paused(breakable_stack.mongodb):
        await eventually("funding is not ready", not_ready)
        assert await status(world, "funding", "livez") == 200
    await eventually("funding is ready again", ready)


async def test_a_stuck_loop_is_not_alive() -> None:
    """A loop that neither turns nor retries is named by /livez; one that beats is not."""
    pulses = Pulses()
    stuck, turning = pulses.new("consume funding.pledges"), pulses.new("relay")
    health = Health(pulses, ready={}, started={}, stuck_after_seconds=0.05)

    async def named() -> bool:
        turning.beat()
        return list(health.liveness()) == ["consume funding.pledges"]

    await eventually("the stuck loop is named", named)

    async def none_is() -> bool:
        stuck.beat()
        turning.beat()
        return health.liveness() == {}

    await eventually("none is named while both beat", none_is)
