"""The second trigger: a published update is told to every backer, once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from infra.sandbox.issuer.tokens import SERVICE, STAFF, Caller, backer
from infra.suite.checkout import Described, Launch
from infra.suite.readings import eventually
from tests.journeys.test_community import kinds_told
from tests.world import (
    CREATOR,
    CURRENCY,
    PledgeRow,
    World,
    assert_everybody_told_once,
    backers,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

DRAFT: dict[str, Any] = {
    "kind": "progress_report",
    "texts": [
        {"language": "fr", "title": "Les moules sont prêts", "details": "**Tout** avance."},
        {"language": "en", "title": "Moulds are ready", "details": "All goes well."},
    ],
}


async def drafted(world: World, campaign_id: str, update_id: str) -> str:
    """Write a draft and return its path."""
    path = f"/campaigns/{campaign_id}/updates/{update_id}"
    response = await world.look.ask("PUT", "updates", path, caller=CREATOR, body=DRAFT)
    assert response.status_code == 200, response.text
    return path


@pytest.mark.row("S1")
@pytest.mark.row("S4")
async def test_an_update_is_told_to_every_backer_once(world: World) -> None:
    """Given backers, when a creator publishes from two tabs, each of them is told once."""
    rows = backers("told", 50)
    english = sorted({row.backer_id for row in rows})[:6]
    await world.checkout.describe(
        [Described(one, f"{one}@x.example", one, "en") for one in english]
    )
    for person in english:  # Who is told and who they are come by two topics.
        await world.until_known("notifier", f"/people/{person}", caller=SERVICE)
    await world.launch_paid("told", rows, goal=1_000, open_seconds=3)
    await world.verdict("told")
    people = await world.backers_known("told", rows)
    path = await drafted(world, "told", "u1")

    async def publish() -> httpx.Response:
        return await world.look.ask("POST", "updates", f"{path}/publish", caller=CREATOR)

    await languages_add_up(world, path, len(english), len(people))
    answers = await asyncio.gather(*(publish() for _ in range(5)))
    notice = await world.told("told", "update-published", "told:u1")

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) <= 2  # Instants are cut to milliseconds.
    assert notice["audience"] == notice["delivered"] == len(people)
    told = await world.notifications()
    assert_everybody_told_once(told["update-published/told:u1"], people)
    person = backer(rows[0].backer_id)
    inbox = await world.look.get("notifier", f"/people/{person.subject}/inbox", caller=person)
    assert inbox is not None and inbox["items"][0]["cause"] == "update-published/told:u1"
    project = await world.look.get("updates", "/campaigns/told", caller=None)
    assert project is not None
    assert project["updates"][0]["texts"][0]["title"] == "Les moules sont prêts"
    await corrected(world, path, people)
    await hidden_after_a_report(world, path, person)


async def corrected(world: World, path: str, people: list[str]) -> None:
    """Half an hour later a right changes: from two tabs it is one correction, told to all once."""

    def half_an_hour_passes() -> None:
        with world.database("updates") as database:
            seen = {"campaign_id": "told", "update_id": "u1"}
            row = database["updates"].find_one(seen)
            assert row is not None
            earlier = {"published_at": row["published_at"] - timedelta(minutes=30)}
            change = {"$set": earlier, "$inc": {"version": 1}}
            database["updates"].update_one(seen | {"version": row["version"]}, change)

    half_an_hour_passes()
    french, english = DRAFT["texts"]
    better = {**DRAFT, "texts": [french | {"details": "Vous avez **60** jours."}, english]}
    body = {"draft": better, "reason": "It was 30 days.", "changes_a_right": True}

    async def put() -> httpx.Response:
        revision = f"{path}/revisions/2"
        return await world.look.ask("PUT", "updates", revision, caller=CREATOR, body=body)

    answers = await asyncio.gather(*(put() for _ in range(3)))
    assert {answer.status_code for answer in answers} == {200}, [one.text for one in answers]
    notice = await world.told("told", "update-corrected", "told:u1-2")
    assert notice["audience"] == notice["delivered"] == len(people)
    told = await world.notifications()
    assert_everybody_told_once(told["update-corrected/told:u1-2"], people)
    assert_everybody_told_once(told["update-published/told:u1"], people)
    shown = await world.look.get("updates", path, caller=None)
    history = await world.look.get("updates", f"{path}/revisions", caller=None)
    assert shown is not None and history is not None
    assert shown["texts"][0]["details"] == "Vous avez **60** jours."
    assert [one["reason"] for one in history["items"]] == ["It was 30 days."]


async def languages_add_up(world: World, update: str, english: int, people: int) -> None:
    """What the preview does not know notifier says: in which languages its readers read."""
    preview = await world.look.get("updates", f"{update}/preview", caller=CREATOR)
    asked = "/campaigns/told/would-be-told/update-published/languages"

    async def same_backers() -> dict[str, object] | None:
        found = await world.look.get("notifier", asked, caller=CREATOR)
        return found if found and found["told"] == {"backer": people} else None

    found = await eventually("notifier knows the same backers", same_backers)
    assert preview is not None and preview["audience"]["count"] == people
    assert found["by_language"] == {"en": english}
    assert found["other_languages"] == people - english


async def hidden_after_a_report(world: World, path: str, reader: Caller) -> None:
    """Then a reader reports it, staff hide it, and no inbox quotes it any more."""
    said = {"reason": "illegal", "words": "These moulds are stolen."}
    reported = await world.look.ask("PUT", "updates", f"{path}/report", caller=reader, body=said)
    assert reported.status_code == 200, reported.text
    queue = await world.look.get("updates", "/queues/reports", caller=STAFF)
    assert queue is not None and reader.subject not in str(queue)
    assert [one["reasons"] for one in queue["items"] if one["campaign_id"] == "told"] == [
        {"illegal": 1}
    ]
    statement = {"reason": "illegal", "facts": "A court said so."}
    await world.look.ask("PUT", "updates", f"{path}/hiding", caller=STAFF, body=statement)
    answer = await world.look.get("updates", f"{path}/report", caller=reader)
    assert answer is not None and answer["state"] == "hidden"

    async def unquoted() -> bool:
        inbox = await world.look.get("notifier", f"/people/{reader.subject}/inbox", caller=reader)
        told = [one for one in (inbox or {"items": []})["items"] if one["hidden"]]
        quoting = {"update-published/told:u1", "update-corrected/told:u1-2"}
        return {one["cause"] for one in told} == quoting and not any(
            "texts" in one["content"] for one in told
        )

    await eventually("the inbox quotes nothing", unquoted)


@pytest.mark.row("S1")
@pytest.mark.row("S4")
async def test_an_update_for_a_reward_goes_out_at_its_time_to_whom_its_preview_named(
    world: World,
) -> None:
    """Given a team: its editor previews and schedules; it goes out by itself, to a reward's."""
    lamps = [f"chosen-{name}" for name in ("ada", "bo", "cy")]
    rewards = [*((who, "lamp") for who in lamps), ("chosen-di", "shade")]
    rows = [PledgeRow(f"{who}-pledge", who, 2_000, CURRENCY, reward) for who, reward in rewards]
    records = await world.checkout.charge("chosen", rows)
    titles = (("lamp", "One lamp"), ("shade", "One shade"))
    await world.checkout.launch(
        Launch("chosen", CREATOR.subject, "A lamp", 4_000, CURRENCY, 3_600, rewards=titles)
    )
    await world.checkout.tell(records)
    editor, moderator = backer("chosen-eva"), backer("chosen-max")
    members = [
        {"person_id": editor.subject, "roles": ["editor"]},
        {"person_id": moderator.subject, "roles": ["moderator"]},
    ]
    team = await world.look.ask(
        "PUT", "funding", "/campaigns/chosen/team", caller=CREATOR, body={"members": members}
    )
    assert team.status_code == 200, team.text
    people = await world.backers_known("chosen", rows)
    path = "/campaigns/chosen/updates/u1"
    draft = {**DRAFT, "visibility": "rewards", "rewards": ["lamp"]}

    async def written() -> bool:
        said = await world.look.ask("PUT", "updates", path, caller=editor, body=draft)
        assert said.status_code in (200, 404), said.text
        return said.status_code == 200

    await eventually("updates knows the team", written)
    other = await world.look.ask("PUT", "updates", path, caller=moderator, body=draft)
    assert other.status_code == 404, other.text
    preview = await world.look.get("updates", f"{path}/preview", caller=editor)
    assert preview is not None and preview["update"]["state"] == "draft"
    assert (preview["audience"]["count"], preview["by_reward"]) == (4, {"lamp": 3, "shade": 1})
    asked = {"visibility": "rewards", "rewards": "lamp"}

    async def would_be_told() -> bool:
        answer = await world.look.ask(
            "GET",
            "notifier",
            "/campaigns/chosen/would-be-told/update-published",
            caller=STAFF,
            query=asked,
        )
        return answer.status_code == 200 and answer.json()["people"] == lamps

    await eventually("notifier would tell those of the reward", would_be_told)
    soon = {"publish_at": (datetime.now(UTC) + timedelta(seconds=5)).isoformat()}
    planned = await world.look.ask("PUT", "updates", f"{path}/schedule", caller=editor, body=soon)
    assert planned.json()["state"] == "scheduled", planned.text

    notice = await world.told("chosen", "update-published", "chosen:u1")
    assert (notice["audience"], notice["delivered"], notice["suppressed"]) == (4, 3, 1)
    told = await world.notifications()
    assert_everybody_told_once(told["update-published/chosen:u1"], people)
    heard = [who for who in people if "update-published" in await kinds_told(world, who)]
    assert heard == lamps
    for caller, shown in ((backer(lamps[0]), True), (backer("chosen-di"), False), (None, False)):
        assert (await world.look.get("updates", path, caller=caller) is not None) == shown


async def test_nothing_is_reported_after_a_missed_goal(world: World) -> None:
    """Given a missed goal, a progress report is refused with a reason."""
    await world.launch("silent", goal=1_000, open_seconds=1)
    await world.verdict("silent")
    path = "/campaigns/silent/updates/u1"

    async def refused() -> str | None:
        response = await world.look.ask("PUT", "updates", path, caller=CREATOR, body=DRAFT)
        return response.json()["type"] if response.status_code == 409 else None

    assert await eventually("the draft is refused", refused) == "/problems/campaign-missed"


@pytest.mark.row("S13")
async def test_everybody_is_told_of_the_verdict_and_of_their_refund(world: World) -> None:
    """Given a missed goal, each backer is told the verdict and the end of each own refund."""
    rows = backers("notice", 20)
    people = sorted({row.backer_id for row in rows})
    await world.launch_paid("notice", rows, goal=10_000_000, open_seconds=3)
    await world.refunded("notice", rows)
    refunds = await world.look.pages("payouts", "/campaigns/notice/refunds")

    await world.told("notice", "verdict-reached", "notice")
    for refund in refunds:
        await world.told("notice", "refund-succeeded", str(refund["refund_id"]))

    told = await world.notifications()
    assert_everybody_told_once(told["verdict-reached/notice"], people)
    for refund in refunds:
        cause = f"refund-succeeded/{refund['refund_id']}"
        assert_everybody_told_once(told[cause], [str(refund["backer_id"])])
