"""updates' database is restored from a backup: what was told is not told again, or otherwise.

After the backup drafts go out, one of them rewritten, one is withdrawn, one written; claims are
settled, moved and taken back. Then an hour passes: what the backup has scheduled falls due.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.sandbox.issuer.tokens import STAFF, Caller, backer
from infra.suite.checkout import Launch
from infra.suite.readings import eventually
from tests.delivery.restoring import (
    at_rest,
    backed_up,
    facts_told,
    put_back,
    recovered,
    starts_and_refuses,
)
from tests.world import CREATOR, CURRENCY, PledgeRow, World, assert_everybody_told_once

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAMPAIGN = "retold"
HERE = f"/campaigns/{CAMPAIGN}"
ROWS = [
    PledgeRow(f"{CAMPAIGN}-{name}", f"{CAMPAIGN}-backer-{name}", 2_000, CURRENCY, "lamp")
    for name in ("ada", "bo", "cy")
]
PEOPLE = [row.backer_id for row in ROWS]
ADA, BO, CY = map(backer, PEOPLE)
PART = 300
TOPICS = ("updates.posts", "updates.claims")
# What became of each update after the backup; `rewritten` and `unseen` the backup does not hold.
PUBLISHED = ("as-drafted", "at-its-time")
TOLD = (*PUBLISHED, "rewritten", "unseen")
DUE = ("rewritten", "withdrawn")
LATER = "later"
PASSED = timedelta(hours=1)
# No instant that is over when the request arrives may be asked for.
SOON = timedelta(seconds=5)


@pytest.mark.trap(10)
@pytest.mark.trap(23)
async def test_a_restored_updates_tells_nothing_twice_or_unseen_and_goes_on(
    own_world: World,
) -> None:
    """It refuses to run; then posts, schedules and claims are what the topics say of them."""
    world = own_world
    await begun(world)
    backup = await backed_up(world, "updates")
    await lived_on(world)
    told, shown = await facts_told(world, *TOPICS), await published(world)
    money, notices = await returned(world), await told_of(world)

    await put_back(world, "updates", backup)
    an_hour_passes(world)
    await starts_and_refuses(world, "updates")
    assert_said(await recovered(world, "updates"))
    await at_rest(world, "updates")
    assert await facts_told(world, *TOPICS) == told
    assert {one: shown[one] for one in PUBLISHED} == await published(world)
    await assert_nothing_goes_out_unseen(world)
    assert await claims(world) == {"c-ada": "resolved", "c-bo": "with_staff", "c-cy": "withdrawn"}

    await goes_on(world)
    assert (await facts_told(world, *TOPICS)).items() > told.items()
    assert set(await published(world)) == {*TOLD, LATER, "next"}
    assert await returned(world) == money
    assert notices.items() <= (await told_of(world)).items()
    for update in (*TOLD, LATER, "next"):
        cause = f"update-published/{CAMPAIGN}:{update}"
        assert_everybody_told_once((await world.notifications())[cause], PEOPLE)


async def ask(
    world: World, method: str, path: str, caller: Caller = CREATOR, body: object = None
) -> dict[str, Any]:
    answer = await world.look.ask(method, "updates", f"{HERE}{path}", caller=caller, body=body)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def write(world: World, update: str, title: str = "Moulds are ready") -> None:
    text = {"language": "en", "title": title, "details": f"All goes well with {update}."}
    body = {"kind": "progress_report", "texts": [text]}
    await ask(world, "PUT", f"/updates/{update}", CREATOR, body)


async def schedule(world: World, update: str, ahead: timedelta) -> None:
    at = {"publish_at": (datetime.now(UTC) + ahead).isoformat()}
    await ask(world, "PUT", f"/updates/{update}/schedule", CREATOR, at)


async def open_claim(world: World, claim: str, row: PledgeRow) -> None:
    body = {"pledge_id": row.pledge_id, "reason": "quality", "text": "It arrived broken."}

    async def opened() -> bool:
        answer = await world.look.ask(
            "PUT", "updates", f"{HERE}/claims/{claim}", caller=backer(row.backer_id), body=body
        )
        assert answer.status_code in (200, 404, 409), answer.text
        return answer.status_code == 200

    await eventually(f"{claim} is open", opened)


async def propose(world: World, claim: str) -> int:
    offer = {"outcome": "refund", "amount": PART}
    shown = await ask(world, "PUT", f"/claims/{claim}/proposals/p1", CREATOR, offer)
    return int(shown["on_table"])


async def begun(world: World) -> None:
    """A met goal, drafts, schedules and a claim: what the backup holds."""
    records = await world.checkout.charge(CAMPAIGN, ROWS)
    await world.checkout.launch(
        Launch(CAMPAIGN, CREATOR.subject, "A lamp", 4_000, CURRENCY, 4, rewards=(("lamp", "One"),))
    )
    await world.checkout.tell(records)
    await world.verdict(CAMPAIGN)
    await world.backers_known(CAMPAIGN, ROWS)
    await open_claim(world, "c-ada", ROWS[0])
    for update in (*PUBLISHED, *DUE, LATER):
        await write(world, update)
    for update in DUE:
        await schedule(world, update, PASSED / 2)
    await schedule(world, LATER, 3 * PASSED)


async def lived_on(world: World) -> None:
    """After the backup: what goes out, what is taken back, and how claims go on."""
    await ask(world, "POST", "/updates/as-drafted/publish")
    await schedule(world, "at-its-time", SOON)
    await write(world, "rewritten", "Moulds are not ready")
    await ask(world, "POST", "/updates/rewritten/publish")
    await ask(world, "POST", "/updates/withdrawn/withdrawal")
    await write(world, "unseen")
    await ask(world, "POST", "/updates/unseen/publish")
    accepted = {"proposal": await propose(world, "c-ada")}
    await ask(world, "POST", "/claims/c-ada/acceptance", ADA, accepted)
    await open_claim(world, "c-bo", ROWS[1])
    await propose(world, "c-bo")
    await open_claim(world, "c-cy", ROWS[2])
    await ask(world, "POST", "/claims/c-cy/withdrawal", CY)

    async def resolved() -> bool:
        return (await claims(world))["c-ada"] == "resolved"

    await eventually("ada has her part back", resolved)
    await all_told(world, *TOLD)
    await at_rest(world, "updates")


async def all_told(world: World, *updates: str) -> None:
    for update in updates:
        await world.told(CAMPAIGN, "update-published", f"{CAMPAIGN}:{update}")


def an_hour_passes(world: World) -> None:
    """What the backup has scheduled is an hour nearer."""
    with world.database("updates") as database:
        for row in database["updates"].find({"state": "scheduled"}):
            nearer = {f"schedule.{name}": at - PASSED for name, at in row["schedule"].items()}
            database["updates"].update_one({"_id": row["_id"]}, {"$set": nearer})


def assert_said(said: str) -> None:
    """Each update is named with what a person has to do."""
    lines = {line.partition(": ")[0]: line for line in said.splitlines()}
    for update in PUBLISHED:
        assert "published from its draft" in lines[f"update {update} of {CAMPAIGN}"]
    for update in ("rewritten", "unseen"):
        assert "write and publish it again" in lines[f"update {update} of {CAMPAIGN}"]
    assert "is a draft again" in lines[f"update withdrawn of {CAMPAIGN}"]
    assert "as the backup has it" in lines[f"update {LATER} of {CAMPAIGN}"]


async def published(world: World) -> dict[str, object]:
    """Return what everybody reads of the campaign's updates, by id."""
    found = await world.look.pages("updates", f"{HERE}/updates")
    return {one["update_id"]: one for one in found}


async def claims(world: World) -> dict[str, str]:
    found = await world.look.pages("updates", f"{HERE}/claims")
    return {one["claim_id"]: one["state"] for one in found}


async def returned(world: World) -> dict[str, int]:
    """Return what the provider gave back, by pledge."""
    charges = (await world.suite.provider.book())["charges"].values()
    return {charge["metadata"]["pledge_id"]: charge["refunded"] for charge in charges}


async def told_of(world: World) -> dict[str, set[tuple[str, str]]]:
    """Return who was told of updates and claims, by cause."""
    kinds = ("update-", "claim-")
    return {c: who for c, who in (await world.notifications()).items() if c.startswith(kinds)}


async def assert_nothing_goes_out_unseen(world: World) -> None:
    """What fell due is a draft that says why; what is due later keeps its time."""
    drafts = await world.look.pages("updates", f"{HERE}/drafts", caller=CREATOR)
    found = {one["update_id"]: one for one in drafts}
    assert set(found) == {*DUE, LATER}
    for update in DUE:
        shown = (found[update]["state"], found[update]["unscheduled_because"])
        assert shown == ("draft", "restored-from-backup")
    assert found[LATER]["state"] == "scheduled"


async def goes_on(world: World) -> None:
    """The creator writes again what is lost, and one more; staff settle what people moved."""
    for update in ("rewritten", "unseen", "next"):
        await write(world, update, "Moulds are not ready")
        await ask(world, "POST", f"/updates/{update}/publish")
    await schedule(world, LATER, SOON)
    no = {"outcome": "refused", "text": "It is how a lamp looks."}
    await ask(world, "PUT", "/claims/c-bo/decisions/d1", STAFF, no)
    await all_told(world, LATER, "next")
    await at_rest(world, "updates")
    assert await claims(world) == {"c-ada": "resolved", "c-bo": "refused", "c-cy": "withdrawn"}
