"""The three questions, the loops behind them, and metrics whose labels are fixed."""

import httpx
from prometheus_client import REGISTRY

from infra.servicekit.tests.conftest import Plumbed
from infra.servicekit.tests.reader import Reader, fact
from servicekit.errors import DependencyAway
from servicekit.health import Health, health_app
from servicekit.loops import Pulses


async def ask(health: Health, path: str) -> tuple[int, dict[str, str]]:
    transport = httpx.ASGITransport(health_app(health))
    async with httpx.AsyncClient(transport=transport, base_url="http://health") as client:
        response = await client.get(path)
    return response.status_code, response.json()["failing"]


async def fine() -> None: ...


async def away() -> None:
    raise DependencyAway("MongoDB: nobody")


async def test_a_stuck_loop_is_not_alive_and_named() -> None:
    """One that neither turned nor retried for 60 seconds; the others are not named."""
    pulses = Pulses()
    stuck, turning = pulses.new("stuck"), pulses.new("turning")
    health = Health(pulses, ready={}, started={})
    stuck._last -= 50
    assert await ask(health, "/livez") == (200, {})
    stuck._last -= 11
    turning._last -= 61
    turning.beat()
    code, failing = await ask(health, "/livez")
    assert code == 503 and list(failing) == ["stuck"]
    stuck.beat()
    assert await ask(health, "/livez") == (200, {})


async def test_an_absent_database_takes_it_out_of_traffic_and_not_out_of_life() -> None:
    """Not ready, with the reason; alive; and the metric of the check says so."""
    health = Health(Pulses(), ready={"mongodb": away, "schema": fine}, started={})
    assert await ask(health, "/readyz") == (503, {"mongodb": "MongoDB: nobody"})
    assert await ask(health, "/livez") == (200, {})
    value = REGISTRY.get_sample_value
    assert value("sosst_ready", {"check": "mongodb"}) == 0
    assert value("sosst_ready", {"check": "schema"}) == 1


async def test_started_once_is_started() -> None:
    """What was reached once is not asked again, so a later outage restarts nobody."""
    checks = {"mongodb": away}
    health = Health(Pulses(), ready={}, started=checks)
    assert (await ask(health, "/startupz"))[0] == 503
    checks["mongodb"] = fine
    assert await ask(health, "/startupz") == (200, {})
    checks["mongodb"] = away
    assert await ask(health, "/startupz") == (200, {})


async def test_every_outcome_is_there_from_the_start_at_zero(plumbed: Plumbed) -> None:
    """A rule over a rate sees the first set-aside fact, because 0 was there before it."""
    reader = Reader(plumbed)
    labels = {"group": "readers", "topic": reader.topic}

    def counts() -> dict[str, float]:
        names = ("applied", "repeated", "skipped", "set_aside")
        read = REGISTRY.get_sample_value
        found = {n: read("sosst_consumer_records_total", labels | {"outcome": n}) for n in names}
        assert None not in found.values()
        return {name: value or 0 for name, value in found.items()}

    before = counts()
    await reader.read(fact(1), fact(1), fact(3))
    after = counts()
    assert {name: after[name] - before[name] for name in after} == {
        "applied": 1,
        "repeated": 1,
        "skipped": 0,
        "set_aside": 1,
    }
