"""The project view is rebuilt by one command while its service runs, and nobody sees that."""

import subprocess
from typing import Any

import pytest

from infra.suite.readings import eventually
from tests.journeys.test_problems import published, written
from tests.world import World, assert_everybody_told_once, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Rewritten by the rebuild; everything else of the service's own is not touched.
VIEW = ("projects", "backers", "returns", "pledges")
Found = dict[str, list[dict[str, Any]]]


def view_of(world: World) -> Found:
    """Return the documents; how often each was saved depends on how the facts were batched."""
    with world.database("updates") as database:
        found = {name: list(database[name].find().sort("_id", 1)) for name in VIEW}
    for rows in found.values():
        for row in rows:
            row.pop("version", None)
    return found


async def resting_in(world: World, before: Found, after: Found) -> dict[str, set[str]]:
    """Return what is of campaigns of which nothing was heard in between: other journeys' go on."""
    heard = {row["_id"]: row["as_of"] for row in after["projects"]}
    resting = {row["_id"] for row in before["projects"] if row["as_of"] == heard.get(row["_id"])}
    refunds = await world.look.events("payouts.refunds")
    whose = {getattr(fact.event, "refund_id", ""): fact.key for fact in refunds}

    def campaign_of(row: dict[str, Any]) -> str:
        return row.get("campaign_id") or whose.get(row["_id"], row["_id"])

    rows = {name: before[name] + after[name] for name in VIEW}
    return {
        name: {row["_id"] for row in found if campaign_of(row) in resting}
        for name, found in rows.items()
    }


async def page_of(world: World, campaign_id: str) -> bytes:
    """Return the page's bytes without what says how old it is."""
    response = await world.look.ask("GET", "updates", f"/campaigns/{campaign_id}", caller=None)
    shown: dict[str, Any] = response.json()
    age = shown.pop("whole_at")
    assert response.status_code == 200 and age is not None
    text = response.text
    begin = text.index('"whole_at"')
    return (text[:begin] + text[text.index("}", begin) :]).encode()


def rebuild(world: World) -> subprocess.CompletedProcess[str]:
    words = ("rebuild-view", "--by", "sre-1", "--why", "to prove it")
    command = world.suite.services["updates"].command(*words)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.row("S4")
async def test_a_rebuilt_view_is_the_same_bytes_and_goes_on(world: World) -> None:
    """Given what met and what missed its goal, the view is dropped, made anew, and as it was."""
    met, missed = backers("rebuilt-met", 10), backers("rebuilt-missed", 5)
    await world.launch_paid("rebuilt-met", met, goal=1_000, open_seconds=3)
    await world.launch_paid("rebuilt-missed", missed, goal=10_000_000, open_seconds=3)
    for campaign_id in ("rebuilt-met", "rebuilt-missed"):
        await world.verdict(campaign_id)
    await world.refund_is("rebuilt-missed", "succeeded")

    async def all_back() -> bool:
        money = await world.look.get("payouts", "/campaigns/rebuilt-missed/money")
        return money is not None and set(money["refunds"]) == {"succeeded"}

    await eventually("every refund is at its end", all_back)
    await world.at_rest()
    names = ("rebuilt-met", "rebuilt-missed")
    before, pages = view_of(world), [await page_of(world, name) for name in names]
    with world.database("updates") as database:
        spoilt = {"$set": {"backers": 0, "figures.collected": 1}}
        database["projects"].update_many({"_id": {"$in": list(names)}}, spoilt)
    assert await page_of(world, names[0]) != pages[0]

    done = rebuild(world)
    assert done.returncode == 0, done.stderr
    assert "campaigns is rebuilt and in its place" in done.stdout
    after = view_of(world)
    resting = await resting_in(world, before, after)
    assert resting["projects"] >= set(names) and len(resting["returns"]) >= len(missed)
    for name in VIEW:
        as_was = [row for row in before[name] if row["_id"] in resting[name]]
        assert as_was == [row for row in after[name] if row["_id"] in resting[name]], name
    assert [await page_of(world, name) for name in names] == pages

    await published(world, "rebuilt-met", "behind", written("progress_report", ()))
    await world.told("rebuilt-met", "update-published", "rebuilt-met:behind")
    told = await world.notifications()
    people = sorted({row.backer_id for row in met})
    assert_everybody_told_once(told["update-published/rebuilt-met:behind"], people)
