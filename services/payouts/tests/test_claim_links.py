"""Personal links: who gets one, what it opens, and that nothing happens by looking."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import Caller
from payouts.adapters.claim_link_keys import SignedClaimLinks
from payouts.domain.acts import ActKind
from payouts.domain.book import Outcome
from payouts.domain.errors import Refused
from payouts.domain.launch import LaunchTerms
from payouts.domain.refund import Refund, RefundState
from payouts.handlers.claim_links import (
    issue_claim_link,
    open_claim,
    try_again_by_link,
    wish_other_way_by_link,
)
from payouts.http.claim_words import WORDS
from payouts.http.printing import Language, amount_text
from payouts.ports.claim_links import LinkName
from servicekit.problems import install_problems
from services.payouts.tests.builders import NOW, SHARES
from services.payouts.tests.conftest import CAMPAIGN, FEES, LINKS, Payouts, memory_payouts
from services.payouts.tests.test_claimable import claimable, reason_of, the_refund, told
from services.payouts.tests.test_http import api_of

BACKER = Caller("backer-1", ("backer",))
STAFF = Caller("staff-1", ("staff",))
DAYS = 86_400


async def issued(payouts: Payouts, number: int = 1, by: str = "backer-1") -> LinkName:
    refund = await the_refund(payouts)
    now = payouts.clock.now()
    linked = await payouts.units.run(
        lambda unit: issue_claim_link(unit, CAMPAIGN, refund.refund_id, number, by, now)
    )
    assert linked.claim_link is not None
    return LinkName(CAMPAIGN, refund.refund_id, number, linked.claim_link.issued_at)


async def opened(payouts: Payouts, name: LinkName) -> Refund:
    now = payouts.clock.now()
    return (await payouts.units.run(lambda unit: open_claim(unit, name, now))).refund


async def tried(payouts: Payouts, name: LinkName, after: int = 3) -> Refund:
    now = payouts.clock.now()
    return await payouts.units.run(lambda unit: try_again_by_link(unit, name, after, now))


async def wished(payouts: Payouts, name: LinkName) -> Refund:
    now = payouts.clock.now()
    return await payouts.units.run(lambda unit: wish_other_way_by_link(unit, name, now))


async def test_a_link_is_the_same_until_the_next_takes_its_place(payouts: Payouts) -> None:
    """Asked for again it is the same one; the next one revokes it; none is skipped."""
    await claimable(payouts)
    first = await issued(payouts)
    payouts.clock.advance(seconds=60)
    assert await issued(payouts, by="staff-1") == first
    assert await reason_of(issued(payouts, 3)) == "link-number"
    assert (await opened(payouts, first)).state is RefundState.CLAIMABLE
    second = await issued(payouts, 2)
    assert await reason_of(opened(payouts, first)) == "link-revoked"
    assert (await opened(payouts, second)).claim_link is not None
    refund = await the_refund(payouts)
    acts = [act.kind for act in refund.acts]
    assert acts == [ActKind.LINK_ISSUED] * 2


async def test_it_ends_after_ninety_days_and_the_debt_does_not(payouts: Payouts) -> None:
    """Then another one is asked for, after a sign-in."""
    await claimable(payouts)
    name = await issued(payouts)
    payouts.clock.advance(seconds=90 * DAYS - 1)
    await opened(payouts, name)
    payouts.clock.advance(seconds=1)
    assert await reason_of(opened(payouts, name)) == "link-expired"
    assert await reason_of(tried(payouts, name)) == "link-expired"
    assert (await opened(payouts, await issued(payouts, 2))).state is RefundState.CLAIMABLE


async def test_only_claimable_money_has_a_link(payouts: Payouts) -> None:
    """What is on its way needs no choice; a link to it stays readable."""
    await claimable(payouts)
    name = await issued(payouts)
    await tried(payouts, name)
    await payouts.work_off()
    assert (await opened(payouts, name)).state is RefundState.SUCCEEDED
    assert await reason_of(issued(payouts, 2)) == "not-claimable"


@pytest.mark.row("S13")
async def test_by_the_link_it_is_sent_again_the_way_it_came(payouts: Payouts) -> None:
    """The same wish twice is one; the act says by which link, and the money arrives."""
    await claimable(payouts)
    name = await issued(payouts)
    await tried(payouts, name)
    await tried(payouts, name)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 5_000}
    refund = await the_refund(payouts)
    act = refund.acts[-1]
    assert (act.kind, act.by, act.reason) == (
        ActKind.TRIED_AGAIN,
        "backer-1",
        "by personal link 1",
    )
    await payouts.assert_books_true()


async def test_another_way_is_a_wish_that_moves_nothing(payouts: Payouts) -> None:
    """Noted once, for staff; paid by it, or while somebody says so, nothing is chosen."""
    await claimable(payouts)
    name = await issued(payouts)
    await wished(payouts, name)
    refund = await wished(payouts, name)
    assert [act.kind for act in refund.acts].count(ActKind.WISHED_OTHER_WAY) == 1
    assert refund.state is RefundState.CLAIMABLE
    await told(payouts, refund)
    assert await reason_of(wished(payouts, name)) == "told-paid"
    assert await reason_of(tried(payouts, name)) == "told-paid"
    await told(payouts, refund, "staff-2")
    assert await reason_of(wished(payouts, name)) == "not-claimable"
    assert payouts.provider.refunded == {}


def test_nobody_makes_a_link_up() -> None:
    """Another refund, another number, another secret, another use: none of them is read."""
    name = LinkName(CAMPAIGN, "rf_1", 1, NOW + timedelta(milliseconds=7))
    text = LINKS.sign(name)
    assert LINKS.read(text) == name and LINKS.sign(name) == text
    older = SignedClaimLinks(["the one before it"])
    assert LINKS.read(older.sign(name)) == name, "a secret that was current still verifies"
    assert SignedClaimLinks(["a stranger's secret"]).read(text) is None
    named, _, signature = text.partition(".")
    other = LINKS.sign(replace(name, refund_id="rf_2")).partition(".")[0]
    for forged in (f"{other}.{signature}", f"{named}.", named, "", ".", "a.b", "é.é", text * 20):
        assert LINKS.read(forged) is None, forged


@pytest.fixture
async def known() -> Payouts:
    """A claimable refund of a campaign whose title wants to be markup."""
    payouts = memory_payouts()
    await claimable(payouts)
    title = "<script>alert('Lampe & solaire')</script>"
    launch = LaunchTerms(CAMPAIGN, "EUR", 1, SHARES, FEES, title)
    await payouts.units.run(lambda unit: unit.launches.add([launch]))
    return payouts


@pytest.fixture
async def client(known: Payouts) -> AsyncIterator[httpx.AsyncClient]:
    api = api_of(known)
    install_problems(api)
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://payouts") as client:
        yield client


async def link_of(client: httpx.AsyncClient, payouts: Payouts, number: int = 1) -> str:
    """Ask for the link as the signed-in backer."""
    refund = await the_refund(payouts)
    path = f"/campaigns/{CAMPAIGN}/refunds/{refund.refund_id}/claim-links/{number}"
    answer = await client.put(path, headers=bearer(BACKER))
    assert answer.status_code == 200, answer.text
    url: str = answer.json()["url"]
    assert answer.json()["number"] == number and url.startswith("/claims?link=")
    return url


@pytest.mark.parametrize(
    ("accepted", "language", "amount"),
    [
        ("", "fr", "50,00\u00a0EUR"),
        ("en-GB,fr;q=0.5", "en", "50.00\u00a0EUR"),
        ("de, fr;q=0.4, en;q=0.8", "en", "50.00\u00a0EUR"),
        ("de", "fr", "50,00\u00a0EUR"),
        ("en;q=x,fr;q=0", "fr", "50,00\u00a0EUR"),
    ],
)
async def test_the_page_says_in_the_readers_language_what_is_owed_and_why(
    client: httpx.AsyncClient, known: Payouts, accepted: str, language: str, amount: str
) -> None:
    """Amount, campaign, why it is owed, why it did not arrive; nothing is run, loaded or kept."""
    url = await link_of(client, known)
    page = await client.get(url, headers={"Accept-Language": accepted})
    assert page.status_code == 200 and page.headers["content-language"] == language
    words = WORDS[language]
    for text in (amount, words["cause:verdict-reached"], words["reason"], words["again_title"]):
        assert text.replace("'", "&#39;") in page.text
    assert "&lt;script&gt;" in page.text and "<script" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    headers = {"referrer-policy": "no-referrer", "cache-control": "private, no-store"}
    assert headers.items() <= dict(page.headers).items()
    assert not re.findall(r"(?:src|href)=\"(?!/claims\?)", page.text), "nothing of anybody else"
    (other,) = re.findall(r'<a href="([^"]+)"', page.text)
    assert (await client.get(other.replace("&amp;", "&"))).headers["content-language"] != language


async def test_looking_changes_nothing_however_often(
    client: httpx.AsyncClient, known: Payouts
) -> None:
    """A mail scanner that follows every link has chosen nothing."""
    url = await link_of(client, known)
    before = await the_refund(known)
    for _ in range(3):
        await client.get(url)
        await client.head(url)
        await client.get(f"{url}&wish=again&after_attempt=3")
    assert await the_refund(known) == before


async def choose(client: httpx.AsyncClient, url: str, **form: str) -> httpx.Response:
    return await client.post(url, data=form)


async def test_the_form_of_the_page_sends_it_again(
    client: httpx.AsyncClient, known: Payouts
) -> None:
    """What the page offers is what it takes; afterwards it says so, also after a reload."""
    url = await link_of(client, known)
    page = await client.get(url, params={"lang": "en"} | _query(url))
    (attempts,) = re.findall(r'name="after_attempt" value="(\d+)"', page.text)
    for _ in range(2):
        answer = await choose(client, url, wish="again", after_attempt=attempts)
        assert answer.status_code == 303
    after = await client.get(answer.headers["location"])
    assert WORDS["fr"]["note_again"].replace("'", "&#39;") in after.text
    assert "<form" not in after.text
    await known.work_off()
    assert known.provider.refunded == {"ch_1": 5_000}
    done = await client.get(url)
    assert WORDS["fr"]["state:succeeded"] in done.text and "re_0" in done.text


def _query(url: str) -> dict[str, str]:
    return dict(httpx.URL(url).params)


async def test_another_way_is_shown_to_staff(client: httpx.AsyncClient, known: Payouts) -> None:
    """The page asks for no bank details; the queue says that this backer waits to be asked."""
    url = await link_of(client, known)
    page = await client.get(url)
    assert re.findall(r"<input[^>]+", page.text) == [
        '<input type="hidden" name="after_attempt" value="3"'
    ]
    assert (await choose(client, url, wish="other")).status_code == 303
    assert WORDS["fr"]["other_noted"].replace("'", "&#39;") in (await client.get(url)).text
    queue = await client.get("/queues/claimable", headers=bearer(STAFF))
    (item,) = queue.json()["items"]
    assert item["refund"]["wishes_other_way"] is True


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({}, 409),
        ({"wish": "again"}, 409),
        ({"wish": "again", "after_attempt": "-1"}, 409),
        ({"wish": "again", "after_attempt": "9"}, 409),
        ({"wish": "gold"}, 409),
        ({"wish": "x" * 2_000}, 413),
    ],
)
async def test_a_form_that_the_page_did_not_send(
    client: httpx.AsyncClient, known: Payouts, form: dict[str, str], status: int
) -> None:
    """Nothing is chosen, and the page is shown again."""
    url = await link_of(client, known)
    answer = await choose(client, url, **form)
    assert answer.status_code == status
    assert status == 413 or WORDS["fr"]["refused"].replace("'", "&#39;") in answer.text
    assert (await the_refund(known)).state is RefundState.CLAIMABLE


async def test_a_form_that_the_page_has_not_is_refused(
    client: httpx.AsyncClient, known: Payouts
) -> None:
    """More fields than it has, or a number of thousands of digits: a page says no, not a crash."""
    url = await link_of(client, known)
    many = {f"field{number}": "x" for number in range(9)}
    for form in (many, {"wish": "again", "after_attempt": "9" * 4_000}, {}):
        assert (await choose(client, url, **form)).status_code in (409, 413)
    assert (await the_refund(known)).state is RefundState.CLAIMABLE


async def test_links_that_open_nothing_say_why_and_show_nothing(
    client: httpx.AsyncClient, known: Payouts
) -> None:
    """Made up: 404; taken the place of, or over: 410; for reading and for choosing."""
    made_up = "/claims?link=made.up"
    old = await link_of(client, known)
    current = await link_of(client, known, 2)
    words = WORDS["en"]

    async def is_closed(url: str, status: int, reason: str) -> None:
        page = await client.get(f"{url}&lang=en")
        chosen = await choose(client, f"{url}&lang=en", wish="other")
        for answer in (page, chosen):
            assert answer.status_code == status and words[reason] in answer.text
            assert "EUR" not in answer.text and "<form" not in answer.text

    await is_closed(made_up, 404, "link-unknown")
    await is_closed(old, 410, "link-revoked")
    assert (await client.get(current)).status_code == 200
    known.clock.advance(seconds=90 * DAYS)
    await is_closed(current, 410, "link-expired")


async def test_a_closed_window_offers_only_another_way(payouts: Payouts) -> None:
    """The button that the provider would refuse is not there; who sends it all the same is told."""
    until = NOW + timedelta(days=180)
    payouts.provider.faults["create_refund"] = ["decline"] * 3
    await payouts.collect(1, until=until)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.work_off()
    payouts.clock.advance(seconds=181 * DAYS)
    name = await issued(payouts)
    with pytest.raises(Refused, match="no longer returns"):
        await tried(payouts, name)
    assert (await wished(payouts, name)).acts[-1].kind is ActKind.WISHED_OTHER_WAY


def test_both_languages_say_the_same_things() -> None:
    """No word is missing in either, and none stands in a page untranslated."""
    assert WORDS["fr"].keys() == WORDS["en"].keys()
    same = {key for key, text in WORDS["fr"].items() if WORDS["en"][key] == text}
    assert same == set() and all(text.strip() for text in WORDS["fr"].values())


@pytest.mark.parametrize(
    ("amount", "currency", "french", "english"),
    [
        (123_456, "EUR", "1\u202f234,56\u00a0EUR", "1,234.56\u00a0EUR"),
        (5_000, "JPY", "5\u202f000\u00a0JPY", "5,000\u00a0JPY"),
        (1_005, "KWD", "1,005\u00a0KWD", "1.005\u00a0KWD"),
    ],
)
def test_amounts_are_written_as_people_write_them(
    amount: int, currency: str, french: str, english: str
) -> None:
    """By the currency's own digits, in the language's own marks."""
    assert amount_text(amount, currency, Language.FRENCH) == french
    assert amount_text(amount, currency, Language.ENGLISH) == english
