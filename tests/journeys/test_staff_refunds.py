"""Staff give parts of pledges back, and what a card does not take waits for its backer."""

import asyncio
from typing import Any

import httpx
import pytest

from infra.sandbox.issuer.tokens import Caller
from infra.suite.readings import eventually
from tests.journeys.test_disputes import charge_of, refunds_are
from tests.journeys.test_stages import FIRST_STAFF, SECOND_STAFF, ask
from tests.journeys.test_stopped_money import switch
from tests.world import CREATOR, World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

THIRD_STAFF = Caller("staff-cy", ("staff",))
PART = 300


async def held_is(world: World, amount: int) -> None:
    """Wait until payouts has booked so much for the backers."""

    async def reached() -> bool:
        money = await world.look.get("payouts", "/campaigns/parts/money")
        return money is not None and money["balances"]["backer_funds"] == amount

    await eventually(f"payouts holds {amount}", reached)


async def refused(world: World, path: str, caller: Caller, body: object) -> str:
    """Return why the person may not."""
    answer = await world.look.ask("POST", "payouts", path, caller=caller, body=body)
    assert answer.status_code in (403, 404, 409), answer.text
    return str(answer.json()["type"].removeprefix("/problems/"))


async def asked(world: World, campaign_id: str, pledge_id: str, request_id: str) -> str:
    body = {"pledge_id": pledge_id, "amount": PART, "reason": "a scratched lamp"}
    path = f"/campaigns/{campaign_id}/refunds/{request_id}"
    refund = await ask(world, "PUT", path, FIRST_STAFF, body)
    return f"/campaigns/{campaign_id}/refunds/{refund['refund_id']}"


async def wished_by_link(world: World, link: str) -> None:
    """Open the personal link as a browser does, without a token, and press its first button."""
    url = world.suite.services["payouts"].url
    async with httpx.AsyncClient(base_url=url, follow_redirects=True, timeout=30) as browser:
        page = await browser.get(link, headers={"Accept-Language": "en"})
        assert page.status_code == 200 and "3.00\u00a0EUR" in page.text, page.text
        choice = {"wish": "again", "after_attempt": "3"}
        after = await browser.post(f"{link}&lang=en", data=choice)
    assert "we are trying again" in after.text and "<form" not in after.text


@pytest.mark.row("S12")
@pytest.mark.trap(1)
async def test_parts_go_back_by_two_people_and_a_declined_one_on_its_backers_wish(
    world: World,
) -> None:
    """Given payouts killed after the approval, each part leaves once; the last by its link."""
    rows = backers("parts", 2)
    who = ("--campaign", "parts", "--by", "sre-1", "--why", "looks odd")
    await switch(world, "on", "stop-money", "--unknown-campaign", *who)
    await world.launch("parts", goal=10_000_000, open_seconds=3_600)
    await world.checkout.pay("parts", rows)
    await world.counted("parts", rows)
    total = sum(row.amount for row in rows)
    await held_is(world, total)
    declined = await charge_of(world, rows[1].pledge_id)
    for _ in range(3):
        await world.suite.provider.order_fault("decline", "refunds.create", ids=[declined])

    paths = [
        await asked(world, "parts", rows[0].pledge_id, "scratch-1"),
        await asked(world, "parts", rows[0].pledge_id, "scratch-2"),
        await asked(world, "parts", rows[0].pledge_id, "scratch-1"),
        await asked(world, "parts", rows[1].pledge_id, "scratch-3"),
    ]
    assert paths[0] == paths[2] and len(set(paths)) == 3
    approval = {"amount": PART, "currency": "EUR"}
    backer = Caller(rows[0].backer_id, ("staff", "backer"))
    owner = Caller(CREATOR.subject, ("staff", "creator"))
    first = f"{paths[0]}/approval"
    assert await refused(world, first, FIRST_STAFF, approval) == "same-person"
    assert await refused(world, first, backer, approval) == "backer-decides"
    assert await refused(world, first, owner, approval) == "creator-decides"
    assert await refused(world, first, CREATOR, approval) == "role-missing"
    race = await asyncio.gather(
        *(
            world.look.ask("POST", "payouts", first, caller=caller, body=approval)
            for caller in (SECOND_STAFF, THIRD_STAFF)
        )
    )
    assert sorted(answer.status_code for answer in race) == [200, 409]
    for path in (paths[1], paths[3]):
        await ask(world, "POST", f"{path}/approval", SECOND_STAFF, approval)

    await asyncio.to_thread(world.suite.services["payouts"].kill)
    await asyncio.to_thread(world.suite.services["payouts"].start)
    await switch(world, "off", "stop-money", *who)
    await refunds_are(world, "parts", {"succeeded": 2, "claimable": 1})

    charges = (await world.suite.provider.book())["charges"]
    other = charges[await charge_of(world, rows[0].pledge_id)]
    assert (other["refunded"], charges[declined]["refunded"]) == (2 * PART, 0)
    queue = await world.look.get("payouts", "/queues/claimable")
    waiting = [one["refund"]["refund_id"] for one in (queue or {"items": []})["items"]]
    assert paths[3].rpartition("/")[2] in waiting

    wish = {"after_attempt": 3}
    assert await refused(world, f"{paths[3]}/retry", Caller("b-9", ("backer",)), wish) == (
        "refund-unknown"
    )
    wisher = Caller(rows[1].backer_id, ("backer",))
    link = (await ask(world, "PUT", f"{paths[3]}/claim-links/1", wisher, None))["url"]
    await wished_by_link(world, link)
    await ask(world, "POST", f"{paths[3]}/retry", wisher, wish)
    await refunds_are(world, "parts", {"succeeded": 3})

    charges = (await world.suite.provider.book())["charges"]
    assert charges[declined]["refunded"] == PART
    await held_is(world, total - 3 * PART)
    acts = (await ask(world, "GET", f"{paths[3]}/acts", FIRST_STAFF, None))["acts"]
    assert [act["what"] for act in acts] == ["asked", "approved", "link_issued", "tried_again"]

    async def told() -> list[Any] | None:
        facts = [e.event for e in await world.look.events("payouts.refunds") if e.key == "parts"]
        ended = [one for one in facts if one.name == "refund-succeeded"]
        return ended if len(ended) >= 3 else None

    ended = await eventually("every part that went back is on the topic", told)
    assert [one.fully_refunded for one in ended] == [False] * 3
    world.assert_books_true()
