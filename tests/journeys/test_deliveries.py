"""Rewards go out to each backer by themselves; what shows a milestone comes to payouts' staff."""

from typing import Any

import pytest

from infra.sandbox.issuer.tokens import Caller, backer
from infra.sandbox.mail.client import MailClient
from infra.servicekit.tests.forms import press
from infra.suite.checkout import Launch
from infra.suite.readings import eventually
from tests.journeys.test_community import NEWS
from tests.journeys.test_personal_links import visitor
from tests.journeys.test_problems import published, written
from tests.journeys.test_stages import FIRST_STAFF
from tests.journeys.test_stages import ask as ask_payouts
from tests.world import CREATOR, CURRENCY, PledgeRow, World, assert_everybody_told_once

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAMPAIGN = "sent"
BASE = f"/campaigns/{CAMPAIGN}"
PEOPLE = [f"sent-{name}" for name in ("ada", "bo", "cy")]
LIST = "backer_id,reward_id,state,carrier,tracking_number\n" + "".join(
    f"{who},lamp,shipped,Poste,FR{number}\n" for number, who in enumerate(PEOPLE[:2])
)


async def ask(world: World, method: str, path: str, caller: Caller, body: object = None) -> Any:
    response = await world.look.ask(method, "updates", BASE + path, caller=caller, body=body)
    assert response.status_code == 200, response.text
    return response.json()


async def sent_by_list(world: World) -> None:
    """Take the list once updates has heard of the verdict and of everybody's pledge."""
    body = {"csv": LIST}

    async def known() -> bool:
        path = f"{BASE}/delivery-lists"
        answer = await world.look.ask("POST", "updates", path, caller=CREATOR, body=body)
        return answer.status_code == 200 and answer.json()["changed"] == 2

    await eventually("everybody is owed a lamp", known)
    report = await ask(world, "POST", "/delivery-lists?dry_run=false", CREATOR, body)
    assert (report["written"], report["changed"], report["refused"]) == (True, 2, 0)


async def moves_told(world: World, people: list[str]) -> None:
    """Wait until exactly these backers were told of their reward, each of them once."""

    async def all_told() -> bool:
        causes = await world.notifications()
        told = [
            who
            for cause, pairs in causes.items()
            if cause.startswith(f"delivery-changed/{CAMPAIGN}:")
            for who, _ in pairs
        ]
        assert len(told) <= len(people), told
        return sorted(told) == sorted(people)

    await eventually(f"{people} are told", all_told)


@pytest.mark.row("S11")
@pytest.mark.row("S19")
@pytest.mark.trap(17)
@pytest.mark.trap(18)
async def test_rewards_are_sent_and_only_who_moved_is_told(world: World) -> None:
    """Given a met goal: a list, all, a receipt undone, a notice; evidence; then news go on."""
    rows = [PledgeRow(f"{who}-pledge", who, 2_000, CURRENCY, "lamp") for who in PEOPLE]
    records = await world.checkout.charge(CAMPAIGN, rows)
    lamps = Launch(
        CAMPAIGN, CREATOR.subject, "A lamp", 6_000, CURRENCY, 4, rewards=(("lamp", "One lamp"),)
    )
    await world.checkout.launch(lamps)
    await world.checkout.tell(records)
    await world.verdict(CAMPAIGN)
    account = await world.suite.provider.create_account()
    await world.give_destination(CAMPAIGN, account["id"])

    # The list names two of three, and all three are to be moved.
    await world.backers_known(CAMPAIGN, rows)
    await sent_by_list(world)
    await moves_told(world, PEOPLE[:2])
    for changed in (1, 0):
        moved = await ask(world, "POST", "/deliveries/lamp/moves", CREATOR, {"state": "shipped"})
        assert (moved["changed"], moved["unchanged"]) == (changed, 3 - changed)
    await moves_told(world, PEOPLE)

    ada = backer(PEOPLE[0])
    assert (await ask(world, "PUT", "/receipts/lamp", ada))["state"] == "received"
    assert (await ask(world, "DELETE", "/receipts/lamp", ada))["state"] == "shipped"
    again = {"parcel": {"carrier": "Poste", "number": "FR9"}}
    await ask(world, "PUT", f"/deliveries/lamp/{PEOPLE[0]}", CREATOR, again)
    (mine,) = (await ask(world, "GET", "/deliveries", ada))["items"]
    assert [one["number"] for one in mine["parcels"]] == ["FR0", "FR9"]
    assert [one["by"] for one in mine["history"]] == ["team", "backer", "backer"]

    about = {"estimated_on": "2030-05-01", "mode": "post", "rewards": ["lamp"]}
    notice = written("delivery_notice", ("progress",), parts=about)
    await published(world, CAMPAIGN, "on-its-way", notice)
    await world.told(CAMPAIGN, "update-published", f"{CAMPAIGN}:on-its-way")
    told = await world.notifications()
    assert_everybody_told_once(told[f"update-published/{CAMPAIGN}:on-its-way"], PEOPLE)
    await moves_told(world, PEOPLE)

    await evidence_is_approved(world)
    facts = [e for e in await world.look.events("updates.deliveries") if e.event.key == CAMPAIGN]
    assert [one.event.name for one in facts].count("delivery-changed") == 4
    assert "FR0" not in str(facts) and "Poste" not in str(facts)
    await news_after_delivery(world)


async def evidence_is_approved(world: World) -> None:
    """What the creator submits in updates is decided in payouts, and shown beside the evidence."""
    paid = int(str((await world.stage_is(CAMPAIGN, 1, "paid"))["amount"]))
    body = {
        "text": "Every lamp has left.",
        "funds": [{"what": "Postage", "amount": paid, "spent": "paid"}],
    }

    async def submitted() -> bool:
        # Until updates has heard that the stage is paid, nothing was used.
        path = f"{BASE}/milestones/2"
        answer = await world.look.ask("PUT", "updates", path, caller=CREATOR, body=body)
        assert answer.status_code in (200, 409, 422), answer.text
        return answer.status_code == 200

    await eventually("the evidence is submitted", submitted)

    async def waiting() -> bool:
        found = await world.look.get("payouts", f"{BASE}/stages")
        return found is not None and found["stages"][1]["milestone"] is not None

    await eventually("payouts has the evidence", waiting)
    decision = {"revision": 1, "decision": "approve"}
    await ask_payouts(world, "POST", f"{BASE}/stages/2/milestone", FIRST_STAFF, decision)

    async def shown() -> bool:
        prepared, ready = (await ask(world, "GET", "/milestones", CREATOR))["items"]
        assert prepared["name"]["en"] == "Rewards prepared" and ready["revisions"] == []
        return bool(prepared["revisions"][0]["state"] == "approved")

    await eventually("the decision is shown", shown)


async def news_after_delivery(world: World) -> None:
    """With every lamp delivered, backers and a follower hear of what is next, with its event."""
    moved = await ask(world, "POST", "/deliveries/lamp/moves", CREATOR, {"state": "delivered"})
    assert (moved["changed"], moved["unchanged"]) == (3, 0)
    follower = await followed_by_mail(world)
    inside = {**NEWS, "visibility": "backers"}
    for update_id, draft in (("for-backers", inside), ("open-day", NEWS)):
        await published(world, CAMPAIGN, update_id, draft)
        await world.told(CAMPAIGN, "update-published", f"{CAMPAIGN}:{update_id}")
        told = await world.notifications()
        assert_everybody_told_once(told[f"update-published/{CAMPAIGN}:{update_id}"], PEOPLE)

    assert world.suite.mail is not None
    mailbox = MailClient(world.suite.mail.url)

    async def written_to() -> bool:
        return len(await mailbox.mails(follower)) >= 2

    await eventually("the follower is written to", written_to)
    # The question whether they follow, and of two news the one for everybody.
    _, news = await mailbox.mails(follower)
    text = (await mailbox.mail(news["number"])).get_body(("plain",))
    assert text is not None and "/updates/open-day" in text.get_content()
    calendar = await world.look.ask(
        "GET", "updates", f"{BASE}/updates/open-day/event.ics", caller=None
    )
    assert calendar.status_code == 200 and "DTSTART:20300401T180000Z" in calendar.text
    feed = await world.look.ask("GET", "updates", f"{BASE}/feed.atom", caller=None)
    assert "/updates/open-day" in feed.text and "for-backers" not in feed.text


async def followed_by_mail(world: World) -> str:
    """Follow as somebody who backs nothing: asked for, and confirmed from the mail."""
    address = "pat@sent.example"
    body = {"address": address, "language": "en", "zone": "Europe/Paris"}
    answer = await world.look.ask("POST", "notifier", f"{BASE}/followers", caller=None, body=body)
    assert answer.status_code == 202, answer.text
    async with visitor() as browser:
        page = await browser.get(await world.link_in_mail(address, "/follow"))
        done = await press(browser, page, ".*/follow.*")
    assert done.status_code == 200 and "you follow this project" in done.text
    return address
