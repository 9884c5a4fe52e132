"""kill -9 of updates around a publication: one update, told once, none lost.

Each case holds the suite still at one step of publishing, kills the service there, lets go and
starts it again, as `test_kill_matrix` does with the steps of the other three.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from infra.native import NativeStack
from infra.suite.readings import eventually
from sosst_contracts.updates import UpdatePublished
from tests.delivery.faults import held_command, paused
from tests.delivery.test_kill_matrix import kill, start
from tests.journeys.test_problems import EMERGENCY, REPORT, plan_for, published
from tests.world import CREATOR, World, assert_everybody_told_once, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLEDGES = 12
HOUR = 3_600


def path_of(name: str) -> str:
    return f"/campaigns/{name}/updates/u1"


async def drafted(world: World, name: str) -> list[str]:
    """Given a campaign whose backers updates knows, and a draft; return the backers."""
    rows = backers(name, PLEDGES)
    records = await world.checkout.charge(name, rows)
    await world.launch(name, goal=1_000, open_seconds=HOUR)
    await world.checkout.tell(records)
    people = await world.backers_known(name, rows)
    await asked(world, "PUT", path_of(name), REPORT)
    return people


async def asked(world: World, method: str, path: str, body: object = None) -> dict[str, Any]:
    response = await world.look.ask(method, "updates", path, caller=CREATOR, body=body)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def publish(world: World, name: str) -> None:
    await asked(world, "POST", f"{path_of(name)}/publish")


async def schedule(world: World, name: str) -> None:
    at = {"publish_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
    await asked(world, "PUT", f"{path_of(name)}/schedule", at)


def fall_due(world: World, name: str) -> None:
    """Let its time have come, or the minute be over after which it is looked at once more.

    The clock of this one update: so the step is held before it comes, however busy the machine is.
    """
    row, now = kept(world, name), datetime.now(UTC)
    due = {"schedule.publish_at": now, "schedule.next_due": now}
    with world.database("updates") as database:
        seen = {"_id": row["_id"], "version": row["version"]}
        changed = database["updates"].update_one(seen, {"$set": due, "$inc": {"version": 1}})
    assert changed.modified_count == 1


def collection(world: World, name: str) -> str:
    return f"{world.suite.database('updates')}.{name}"


def kept(world: World, name: str) -> dict[str, Any]:
    """Return what updates keeps of the update, not waiting for what is being saved."""
    with world.database("updates") as database:
        found = database["updates"].find_one({"campaign_id": name, "update_id": "u1"})
    assert found is not None
    return found


async def before_the_save(world: World, stack: NativeStack, name: str) -> None:
    """While it is saved: its creator has no answer, nothing is kept, and is asked for again."""
    with held_command(stack, "updates", "update", collection(world, "updates")) as held:
        asking = asyncio.create_task(publish(world, name))
        await held.wait()
        await kill(world, "updates")
        with pytest.raises(httpx.TransportError):
            await asking
    assert kept(world, name)["state"] == "draft"
    await start(world, "updates")

    async def again() -> bool:
        answer = await world.look.ask("POST", "updates", f"{path_of(name)}/publish", caller=CREATOR)
        # Until the server has given up what the dead one had begun.
        assert answer.status_code in (200, 503), answer.text
        return answer.status_code == 200

    await eventually("it is published at the second time", again)


async def saved_but_not_relayed(world: World, stack: NativeStack, name: str) -> None:
    """With the fact in its outbox that no broker has."""
    async with paused(stack.kafka):
        await publish(world, name)
        await kill(world, "updates")
    await start(world, "updates")
    await publish(world, name)


async def relayed_but_not_removed(world: World, stack: NativeStack, name: str) -> None:
    """After the broker has the fact, before it leaves the outbox."""
    with held_command(stack, "updates", "delete", collection(world, "outbox")) as held:
        await publish(world, name)
        await held.wait()
        await kill(world, "updates")
    await start(world, "updates")


async def due_but_not_published(world: World, stack: NativeStack, name: str) -> None:
    """When its time has come, while the service publishes it by itself."""
    await schedule(world, name)
    with held_command(stack, "updates", "update", collection(world, "updates")) as held:
        fall_due(world, name)
        await held.wait()
        await kill(world, "updates")
    assert kept(world, name)["state"] == "scheduled"
    await start(world, "updates")


async def published_by_itself_but_not_relayed(world: World, stack: NativeStack, name: str) -> None:
    """When it was due and went out of the service, and no broker has it."""
    await schedule(world, name)
    async with paused(stack.kafka):
        fall_due(world, name)

        async def saved() -> bool:
            return bool(kept(world, name)["state"] == "published")

        await eventually("it is published", saved)
        await kill(world, "updates")
    await start(world, "updates")


Case = Callable[[World, NativeStack, str], Awaitable[None]]
MATRIX: Sequence[Case] = (
    before_the_save,
    saved_but_not_relayed,
    relayed_but_not_removed,
    due_but_not_published,
    published_by_itself_but_not_relayed,
)


@pytest.mark.row("S1")
@pytest.mark.parametrize("case", MATRIX, ids=lambda case: case.__name__)
async def test_kill_9_of_updates_loses_and_repeats_no_update(
    fragile_world: World, breakable_stack: NativeStack, case: Case
) -> None:
    """Killed at this step and started again: it is published once, and everybody told once."""
    # Its own beside the campaigns of the other matrix, which names some steps alike.
    name = "updates-" + case.__name__.replace("_", "-")
    people = await drafted(fragile_world, name)
    await case(fragile_world, breakable_stack, name)
    await assert_told_once(fragile_world, name, ["u1"], people)


@pytest.mark.row("S7")
async def test_kill_9_in_an_emergency_lets_nothing_out_and_loses_nothing(
    fragile_world: World, breakable_stack: NativeStack
) -> None:
    """Killed while it keeps back what is due: that waits for the plan, and goes out once then."""
    world, name = fragile_world, "braked"
    people = await drafted(world, name)
    await schedule(world, name)
    await published(world, name, "fire", EMERGENCY)
    with held_command(breakable_stack, "updates", "update", collection(world, "updates")) as held:
        fall_due(world, name)
        await held.wait()
        await kill(world, "updates")
    assert kept(world, name)["schedule"]["next_due"] == kept(world, name)["schedule"]["publish_at"]
    await start(world, "updates")

    async def kept_back() -> bool:
        planned = kept(world, name)["schedule"]
        assert planned is not None, "it went out in the emergency"
        return bool(planned["next_due"] > planned["publish_at"])

    await eventually("it is looked at again, and kept back", kept_back)
    await assert_told_once(world, name, ["fire"], people)
    assert kept(world, name)["state"] == "scheduled"

    await published(world, name, "plan", plan_for("fire"))
    fall_due(world, name)
    await assert_told_once(world, name, ["fire", "plan", "u1"], people)


async def assert_told_once(
    world: World, name: str, updates: Sequence[str], people: Sequence[str]
) -> None:
    """These updates and no others are published, in this order, each told to everybody once."""
    for update_id in updates:
        notice = await world.told(name, "update-published", f"{name}:{update_id}")
        assert notice["audience"] == notice["delivered"] == len(people)
    facts = [
        (fact.envelope.sequence, fact.event.update_id)
        for fact in await world.look.events("updates.posts")
        if isinstance(fact.event, UpdatePublished) and fact.event.campaign_id == name
    ]
    # A fact may stand there twice, under the sequence by which every reader drops it.
    assert [update_id for _, update_id in sorted(set(facts))] == list(updates)
    told = await world.notifications()
    for update_id in updates:
        assert_everybody_told_once(told[f"update-published/{name}:{update_id}"], people)
    project = await world.look.get("updates", f"/campaigns/{name}", caller=None)
    assert project is not None
    shown = [one["update_id"] for one in reversed(project["updates"])]
    assert shown == list(updates)
