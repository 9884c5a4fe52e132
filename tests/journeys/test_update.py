"""The second trigger: a published update is told to every backer, once."""

import asyncio

import httpx
import pytest

from infra.sandbox.issuer.tokens import STAFF, Caller, backer
from infra.suite.readings import eventually
from tests.world import CREATOR, World, assert_everybody_told_once, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

DRAFT = {
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
    people = {row.backer_id for row in rows}
    await world.launch_paid("told", rows, goal=1_000, open_seconds=3)
    await world.verdict("told")
    path = await drafted(world, "told", "u1")

    async def everybody_known() -> bool:
        audience = await world.look.get("updates", f"{path}/audience", caller=CREATOR)
        return audience is not None and audience["count"] == len(people)

    async def publish() -> httpx.Response:
        return await world.look.ask("POST", "updates", f"{path}/publish", caller=CREATOR)

    await eventually("the audience is known", everybody_known)
    answers = await asyncio.gather(*(publish() for _ in range(5)))
    notice = await world.told("told", "update-published", "told:u1")

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) <= 2  # Instants are cut to milliseconds.
    assert notice["audience"] == notice["delivered"] == len(people)
    told = await world.notifications()
    assert_everybody_told_once(told["update-published/told:u1"], sorted(people))
    person = backer(rows[0].backer_id)
    inbox = await world.look.get("notifier", f"/people/{person.subject}/inbox", caller=person)
    assert inbox is not None and inbox["items"][0]["cause"] == "update-published/told:u1"
    project = await world.look.get("updates", "/campaigns/told", caller=None)
    assert project is not None
    assert project["updates"][0]["texts"][0]["title"] == "Les moules sont prêts"
    await hidden_after_a_report(world, path, person)


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
        return [one["cause"] for one in told] == ["update-published/told:u1"] and not any(
            "texts" in one["content"] for one in told
        )

    await eventually("the inbox quotes nothing", unquoted)


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
