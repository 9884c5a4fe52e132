"""A service's database put back to where it was: nothing runs until `recover` brought it on."""

import asyncio
from collections import defaultdict

import httpx

from infra.suite.readings import eventually
from tests.world import Backup, World

Place = tuple[str, str, int]


async def backed_up(world: World, service: str) -> Backup:
    """Return what the service's database holds once everything is read, and let it run on."""
    await world.everything_read()
    await asyncio.to_thread(world.suite.services[service].stop)
    backup = world.back_up(service)
    await asyncio.to_thread(world.suite.services[service].start)
    return backup


async def put_back(world: World, service: str, backup: Backup) -> None:
    """Kill the service and put its database back to the backup."""
    await asyncio.to_thread(world.suite.services[service].kill)
    world.restore(service, backup)


async def starts_and_refuses(world: World, service: str) -> None:
    """Started again it is alive, not ready, and says why, to people and to machines."""
    waiting, http = world.suite.instance(service, 1, wait=False), world.look.http
    world.suite.services[service] = waiting
    await asyncio.to_thread(waiting.start)

    async def answers() -> httpx.Response | None:
        answer = await http.get(f"{waiting.url}/campaigns/any")
        return answer if answer.status_code == 503 else None

    problem = (await eventually(f"{service} answers that it waits", answers)).json()
    assert problem["type"] == "/problems/recover-required"
    assert f"{service} recover" in problem["detail"] and f"{service}." in problem["detail"]
    ready = await http.get(f"{waiting.health_url}/readyz")
    assert ready.status_code == 503 and "recover" in ready.json()["failing"]["recovery"]
    assert (await http.get(f"{waiting.health_url}/livez")).status_code == 200
    metrics = (await http.get(f"{waiting.health_url}/metrics")).text
    assert "sosst_recover_required 1.0" in metrics


async def recovered(world: World, service: str) -> str:
    """Run `recover` beside the process that waits, which goes on by itself; return what it says."""
    done = await asyncio.to_thread(world.recover, service)
    assert done.returncode == 0, done.stdout + done.stderr
    ready = f"{world.suite.services[service].health_url}/readyz"

    async def goes_on() -> bool:
        return (await world.look.http.get(ready)).status_code == 200

    await eventually(f"{service} goes on", goes_on)
    return done.stdout


async def facts_told(world: World, *topics: str) -> dict[Place, str]:
    """Return what each place of each stream says: one fact, however often, and none left out."""
    places: dict[Place, set[str]] = defaultdict(set)
    for topic in topics:
        for fact in await world.look.events(topic):
            assert fact.key is not None and fact.envelope.sequence is not None
            body = fact.event.model_dump_json()
            places[topic, fact.key, fact.envelope.sequence].add(f"{fact.envelope.type} {body}")
    heads: dict[tuple[str, str], int] = defaultdict(int)
    for topic, key, sequence in sorted(places):
        assert sequence == heads[topic, key] + 1, (topic, key, sequence)
        heads[topic, key] = sequence
    assert all(len(facts) == 1 for facts in places.values()), places
    return {place: fact for place, (fact,) in places.items()}


async def at_rest(world: World, service: str) -> None:
    """Wait until the service has told all that it made, and everybody has read it."""

    async def told() -> bool:
        return world.outbox_rows(service) == 0

    await eventually(f"{service} has told everything", told)
    await world.everything_read()
