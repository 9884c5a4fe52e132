"""Who has no account does all from a mail: confirms, claims, accepts, declines, and chooses."""

import re
from typing import Any

import httpx
import pytest

from infra.sandbox.issuer.tokens import SERVICE, backer
from infra.servicekit.tests.forms import press
from infra.suite.checkout import Described, Launch
from infra.suite.readings import eventually
from tests.journeys.test_claims import PART, ask, claim_is, refunded_by_provider
from tests.journeys.test_stages import FIRST_STAFF
from tests.world import CREATOR, CURRENCY, PledgeRow, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAMPAIGN = "linked"
BASE = f"/campaigns/{CAMPAIGN}"
CLAIMS = f"{BASE}/claims"


def visitor() -> httpx.AsyncClient:
    """A browser of somebody who reads English and is signed in nowhere."""
    return httpx.AsyncClient(headers={"Accept-Language": "en"}, trust_env=False, timeout=30)


async def own_page(browser: httpx.AsyncClient, link: str) -> httpx.Response:
    """Go by a mail's link and two buttons to the page of one's own pledge.

    Of two services, which share nothing but what the one publishes.
    """
    page = await browser.get(link)
    for action in (".*/personal/entry.*", "http.*/mine"):
        page = await press(browser, page, action)
        assert page.status_code == 200, page.text
    return page


async def told_by_mail(world: World, row: PledgeRow, name: str) -> None:
    """Say where somebody is written to, and wait until notifier knows."""
    person = row.backer_id
    await world.checkout.describe([Described(person, f"{person}@linked.example", name, "en")])
    await world.until_known("notifier", f"/people/{person}", caller=SERVICE)


async def claimed(
    world: World, browser: httpx.AsyncClient, page: httpx.Response, row: PledgeRow, words: str
) -> dict[str, Any]:
    """Fill in the form that opens a claim, twice, and return the one claim."""
    wish = {"pledge": row.pledge_id, "reason": "quality", "text": words}
    for _ in range(2):
        opened = await press(browser, page, "/mine/claims/[^/]+", **wish)
        assert opened.status_code == 200 and words in opened.text
    (claim,) = (await ask(world, "GET", CLAIMS, backer(row.backer_id)))["items"]
    found: dict[str, Any] = claim
    return found


@pytest.mark.row("S11")
@pytest.mark.row("S12")
async def test_a_backer_without_an_account_confirms_and_claims_by_the_link_of_a_mail(
    world: World,
) -> None:
    """Given two links: one confirms, claims, is paid; one declines; neither opens the other's."""
    zoe, max_ = [
        PledgeRow(f"linked-{name}", f"linked-backer-{name}", 2_000, CURRENCY, "lamp")
        for name in ("zoe", "max")
    ]
    await told_by_mail(world, zoe, "Zoé")
    await told_by_mail(world, max_, "Max")
    records = await world.checkout.charge(CAMPAIGN, [zoe, max_])
    await world.checkout.launch(
        Launch(
            CAMPAIGN, CREATOR.subject, "A lamp", 4_000, CURRENCY, 4, rewards=(("lamp", "One lamp"),)
        )
    )
    await world.checkout.tell(records)
    await world.verdict(CAMPAIGN)
    link, other_link = [
        await world.link_in_mail(f"{one.backer_id}@linked.example", "/personal")
        for one in (zoe, max_)
    ]

    async def both_sent() -> bool:
        path, body = f"{BASE}/deliveries/lamp/moves", {"state": "shipped"}
        sent = await world.look.ask("POST", "updates", path, caller=CREATOR, body=body)
        assert sent.status_code in (200, 404, 409), sent.text
        # Until updates has heard of the verdict and of both pledges.
        return sent.status_code == 200 and sum(map(sent.json().get, ("changed", "unchanged"))) == 2

    await eventually("both lamps are sent", both_sent)
    async with visitor() as browser:
        received = await press(browser, await own_page(browser, link), "/mine/receipts/lamp")
        assert received.status_code == 200 and "Received, you said" in received.text
        mine = await ask(
            world, "GET", f"{BASE}/deliveries/lamp/{zoe.backer_id}", backer(zoe.backer_id)
        )
        assert (mine["state"], mine["history"][-1]["by"]) == ("received", "backer")
        claim = await claimed(world, browser, received, zoe, "The switch sticks.")

        proposal = f"{CLAIMS}/{claim['claim_id']}/proposals/p1"
        await ask(world, "PUT", proposal, CREATOR, {"outcome": "refund", "amount": PART})
        await nothing_opens(world, browser, other_link, zoe, claim["claim_id"])
        offered = await own_page(browser, link)
        for _ in range(2):
            accepted = await press(browser, offered, ".*/acceptance")
            assert accepted.status_code == 200, accepted.text
        await claim_is(world, claim["claim_id"], "resolved", CLAIMS)
        assert await refunded_by_provider(world, zoe) == PART

        page = await own_page(browser, other_link)
        claim = await claimed(world, browser, page, max_, "It is dark.")
        proposal = f"{CLAIMS}/{claim['claim_id']}/proposals/p1"
        await ask(world, "PUT", proposal, CREATOR, {"outcome": "replacement"})
        offered = await own_page(browser, other_link)
        for _ in range(2):
            declined = await press(browser, offered, ".*/escalations/.*", text="I want it back.")
            assert declined.status_code == 200, declined.text
        asked = await claim_is(world, claim["claim_id"], "with_staff", CLAIMS)
        kinds = [one["kind"] for one in asked["thread"]]
        assert kinds == ["opened", "proposal", "escalation"]
        decision = f"{CLAIMS}/{claim['claim_id']}/decisions/d1"
        no = {"outcome": "refused", "text": "A new one is on its way."}
        await ask(world, "PUT", decision, FIRST_STAFF, no)
        assert "A new one is on its way." in (await own_page(browser, other_link)).text
        assert await refunded_by_provider(world, max_) == 0

        revoked = await world.look.ask(
            "DELETE",
            "notifier",
            f"/people/{zoe.backer_id}/personal-links/{CAMPAIGN}",
            caller=backer(zoe.backer_id),
        )
        assert revoked.status_code == 200, revoked.text
        assert (await browser.get(link)).status_code == 410
    world.assert_books_true()


async def nothing_opens(
    world: World, browser: httpx.AsyncClient, link: str, owner: PledgeRow, claim_id: str
) -> None:
    """Somebody else's link shows nothing of the owner's and moves nothing; a bent one no page."""
    page = await own_page(browser, link)
    assert "The switch sticks." not in page.text and owner.pledge_id not in page.text
    (token,) = set(re.findall(r'name="token" value="([^"]+)"', page.text))
    before = await ask(world, "GET", f"{CLAIMS}/{claim_id}", FIRST_STAFF)
    for act in ("acceptance", "messages/m1", "escalations/e1"):
        said = {"token": token, "lang": "en", "proposal": "2", "text": "Give it to me."}
        answer = await browser.post(str(page.url.join(f"/mine/claims/{claim_id}/{act}")), data=said)
        assert answer.status_code == 404, act
    taken = {"token": token, "pledge": owner.pledge_id, "reason": "other", "text": "Mine."}
    opened = await browser.post(str(page.url.join("/mine/claims/c-taken")), data=taken)
    assert opened.status_code == 404
    for bent in (f"{link[:-1]}{'A' if link[-1] != 'A' else 'B'}", link.replace("link=", "link=A")):
        assert (await browser.get(bent)).status_code == 404
    assert await ask(world, "GET", f"{CLAIMS}/{claim_id}", FIRST_STAFF) == before
