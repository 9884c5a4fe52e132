"""After a failure: old backers say what they want to hear, and a relaunch is told to who agreed."""

from datetime import UTC, datetime, timedelta

import pytest

from infra.sandbox.issuer.tokens import SERVICE, backer
from infra.suite.readings import eventually
from tests.world import CREATOR, CURRENCY, World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def kinds_told(world: World, person: str) -> list[str]:
    """Return what stands in a person's inbox."""
    path = f"/people/{person}/inbox"
    inbox = await world.look.get("notifier", path, caller=backer(person))
    return [item["kind"] for item in (inbox or {"items": []})["items"]]


@pytest.mark.row("S15")
@pytest.mark.row("S16")
async def test_a_relaunch_is_told_to_old_backers_who_agreed(world: World) -> None:
    """Given a missed goal, when it is launched again, who asked for that is told, nobody else."""
    rows = backers("failed", 5)
    people = [row.backer_id for row in rows]
    await world.launch_paid("failed", rows, goal=10_000_000, open_seconds=3)
    await world.verdict("failed")
    await world.told("failed", "verdict-reached", "failed")
    for person, choice in zip(people, ("relaunch", "keep_in_touch", "nothing"), strict=False):
        answer = await world.look.ask(
            "PUT",
            "notifier",
            f"/people/{person}/consents/failed",
            caller=backer(person),
            body={"choice": choice},
        )
        answer.raise_for_status()
    again = {
        "creator_id": CREATOR.subject,
        "title": "A smaller lamp",
        "goal": {"amount": 1_000, "currency": CURRENCY},
        "deadline": (datetime.now(UTC) + timedelta(minutes=5)).isoformat(),
        "relaunch_of": "failed",
    }

    async def launched() -> bool:
        answer = await world.look.ask(
            "PUT", "funding", "/campaigns/another-try", caller=SERVICE, body=again
        )
        return answer.status_code in (200, 201)

    await eventually("it is launched again", launched)

    async def told() -> bool:
        return all(["campaign-launched" in await kinds_told(world, who) for who in people[:2]])

    await eventually("who agreed is told", told)
    everybody = [await kinds_told(world, person) for person in people]
    assert [kinds.count("campaign-launched") for kinds in everybody] == [1, 1, 0, 0, 0]
    assert all("verdict-reached" in kinds for kinds in everybody)
