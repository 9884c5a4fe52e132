"""Followers: asked once, told of what is public, gone by one click; nothing says who is known."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default

import httpx
import pytest
from markupsafe import escape

from infra.sandbox.issuer.testing import bearer, unit_guard
from infra.sandbox.issuer.tokens import backer
from infra.servicekit.tests.costs import Cost, cost_of
from notifier.adapters.letters import LetterWriter, Sender
from notifier.adapters.letters.styles import inlined
from notifier.adapters.mail_links import SignedMailLinks
from notifier.adapters.mail_reports import read_report
from notifier.domain.cause import CauseKind
from notifier.domain.errors import Refused
from notifier.domain.follow import CONFIRMED_WITHIN, HOUR, Follow, FollowState, FollowWish, confirm
from notifier.domain.kind import ToldAs
from notifier.handlers import address
from notifier.handlers.follow import ForgetUnconfirmed
from notifier.http import MailRoutes
from notifier.ports.email import Unsubscription
from notifier.ports.unit import NotifierUnit
from servicekit.guests import GuestPace
from servicekit.mongo import Database
from servicekit.publish import MemoryLog
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    Notifier,
    collected,
    confirmed_follow,
    fact,
    launched,
    memory_notifier,
    pledges,
    settle_later,
    told_in_roles,
    update,
)
from services.notifier.tests.conftest import mongo_notifier
from services.notifier.tests.figures import count
from services.notifier.tests.letters import HOSTILE_TITLES
from services.notifier.tests.post import WINDOW, Post, in_bursts, person
from sosst_contracts.codec import Record
from sosst_contracts.funding import CampaignLaunched

URL = "https://api.sosst.example"
LINKS = SignedMailLinks(
    ["0123456789abcdef"], "sosst.example", f"{URL}/unsubscribe", f"{URL}/follow"
)
ASK = f"/campaigns/{CAMPAIGN}/followers"
ZOE = {"address": "zoe@z.example", "language": "fr", "zone": "Europe/Paris"}
MOST = 7


@dataclass
class Town:
    """A notifier with mails, and its routes."""

    post: Post
    http: httpx.AsyncClient

    async def ask(self, **changes: str) -> httpx.Response:
        return await self.http.post(ASK, json=ZOE | changes)

    async def mails(self) -> list[str]:
        """Let everything be written; return to whom."""
        await settle_later(self.post.notifier)
        await self.post.write_all()
        return [mail.recipient for mail in self.post.server.mails]

    async def link(self) -> str:
        """Return the link of the last confirmation, without its host."""
        await self.mails()
        content = message_from_bytes(self.post.server.mails[-1].content, policy=default)
        part = content.get_body(("plain",))
        assert part is not None
        (link,) = (one for one in part.get_content().split() if one.startswith(f"{URL}/follow"))
        return str(link).removeprefix(URL)

    async def follower(self) -> str:
        """Follow as Zoe, by mail; return under which id."""
        await self.ask()
        assert (await self.http.post(await self.link())).status_code == 200
        (one,) = await self.post.notifier.units.run(lambda u: u.follows.page(CAMPAIGN, FAR, "", 9))
        return one


FAR = NOW + timedelta(days=9_000)


@pytest.fixture
async def town(post: Post) -> AsyncIterator[Town]:
    sender = Sender(
        "news@sosst.example",
        "SOSST",
        "https://sosst.example",
        LINKS.unsubscribe,
        LINKS.follow,
        LINKS.personal,
    )
    assert post.notifier.emails is not None
    letters = LetterWriter(sender, inlined)
    post.notifier.emails = replace(post.notifier.emails, letters=letters, links=LINKS)
    await post.notifier.hear(launched())
    mail = MailRoutes(LINKS, read_report, [], follow_asks_per_hour=MOST)
    async with post.notifier.http(mail=mail) as client:
        yield Town(post, client)


async def test_an_address_is_asked_once_and_nobody_learns_of_whom(town: Town) -> None:
    """New, asked, or following already: the same bytes; and one mail, until it is over."""
    answers = [await town.ask() for _ in range(3)]
    assert await town.mails() == ["zoe@z.example"]
    await town.http.post(await town.link())
    answers += [await town.ask(), await town.ask(address="ZOE@z.example")]
    assert {(one.status_code, one.content) for one in answers} == {(202, b'{"status":"asked"}')}
    assert len(await town.mails()) == 1


async def test_looking_at_the_link_changes_nothing(town: Town) -> None:
    """A scanner of mails follows nothing; the page loads nothing and tells nobody where it was."""
    await town.ask()
    link = await town.link()
    page = await town.http.get(link)
    assert page.status_code == 200 and page.headers["referrer-policy"] == "no-referrer"
    assert await town.post.notifier.units.run(lambda u: u.follows.page(CAMPAIGN, FAR, "", 9)) == []
    for _ in range(2):
        assert (await town.http.post(link)).status_code == 200
    cut, forged = link[:-2], link.replace("link=", "link=A")
    for strange in (cut, forged, "/follow", "/follow?link=x.y"):
        for answer in (await town.http.get(strange), await town.http.post(strange)):
            assert answer.status_code == 404


@pytest.mark.parametrize("title", HOSTILE_TITLES)
async def test_a_title_is_no_more_than_words_on_the_pages_of_a_mail(town: Town, title: str) -> None:
    """Its creator wrote it: on the page of a follow and on that which ends the mails."""
    await town.post.notifier.hear(fact(CampaignLaunched, 1, campaign_id="evil", title=title))
    await town.http.post("/campaigns/evil/followers", json=ZOE)
    for link in (await town.link(), LINKS.unsubscribe("zoe", "evil").removeprefix(URL)):
        page = await town.http.get(link)
        assert page.status_code == 200 and f"<dd><bdi>{escape(title)}</bdi></dd>" in page.text
        assert "<script" not in page.text and "<img" not in page.text


async def test_whoever_does_not_confirm_is_forgotten(town: Town) -> None:
    """Address and all; the link is over, and the address may be asked again."""
    await town.ask()
    link = await town.link()
    (asked,) = await town.post.notifier.units.run(lambda u: u.follows.unconfirmed(FAR, 9))
    town.post.clock.advance(seconds=CONFIRMED_WITHIN.total_seconds())
    assert (await town.http.post(link)).status_code == 409
    forget = ForgetUnconfirmed(town.post.notifier.units)
    assert [await forget(town.post.clock.now()) for _ in range(2)] == [1, 0]
    known = await town.post.notifier.units.run(lambda u: u.people.load([asked.person_id]))
    assert known[asked.person_id].address is None
    await town.ask()
    assert len(await town.mails()) == 2


@pytest.mark.row("S16")
async def test_followers_are_told_what_is_public_by_a_mail_that_can_be_ended(town: Town) -> None:
    """Not what is for backers; no address on a topic; one click ends it and erases the address."""
    follower = await town.follower()
    notifier = town.post.notifier
    town.post.clock.advance(seconds=60)
    at = town.post.clock.now()
    fire = {"kind": "emergency", "severity": "serious"}
    await notifier.hear(
        published(1, at, "inside", visibility="backers"),
        published(2, at, "outside", visibility="public", **fire),
    )
    assert await town.mails() == ["zoe@z.example"] * 2
    expected = ("update-published", "follower", follower)
    assert Counter(told_in_roles(notifier))[expected] == 1
    assert isinstance(notifier.publisher, MemoryLog)
    assert not any(b"zoe@" in (one.value or b"") for one in notifier.publisher.records)
    mail = message_from_bytes(town.post.server.mails[-1].content, policy=default)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    end = mail["List-Unsubscribe"].strip("<>").removeprefix(URL)
    assert (await town.http.post(end)).status_code == 200
    known = await notifier.units.run(lambda unit: unit.people.load([follower]))
    assert known[follower].erased and known[follower].address is None
    assert await notifier.units.run(lambda unit: unit.follows.of_person(follower)) == []
    await notifier.hear(published(3, at, "later", visibility="public"))
    assert len(await town.mails()) == 2


async def test_whoever_ends_it_leaves_the_others_their_words(town: Town) -> None:
    """Two stand in one chunk whose mails wait: the other one has the inbox, and one whole mail."""
    zoe = await town.follower()
    await town.ask(address="yann@z.example")
    assert (await town.http.post(await town.link())).status_code == 200
    in_bursts(town.post)
    notifier, before = town.post.notifier, len(town.post.server.mails)
    at = town.post.clock.now()
    texts = [{"language": "en", "title": "The lamp shines"}]
    await notifier.hear(published(1, at, "lit", visibility="public", texts=texts))
    await settle_later(notifier)
    followers = await notifier.units.run(lambda unit: unit.follows.page(CAMPAIGN, FAR, "", 9))
    (yann,) = set(followers) - {zoe}
    end = LINKS.unsubscribe(zoe, CAMPAIGN).removeprefix(URL)
    assert (await town.http.post(end)).status_code == 200
    entry, *_ = await notifier.queries.inbox(yann, None, 5)
    assert entry.chunk.told.content["texts"] == texts
    town.post.clock.advance(seconds=WINDOW.total_seconds())
    await town.post.write_all()
    (mail,) = town.post.server.mails[before:]
    assert mail.recipient == "yann@z.example"
    assert "The lamp shines" in message_from_bytes(mail.content, policy=default)["Subject"]


async def test_more_followers_than_a_chunk_holds_are_told_page_by_page(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once, in chunks of their own; whoever followed later, or backs it too, is not there."""
    monkeypatch.setattr(address, "RECIPIENTS_MAX", 3)
    notifier, at = town.post.notifier, NOW + timedelta(minutes=1)

    async def follow(unit: NotifierUnit) -> None:
        for number in range(9):
            since = at + timedelta(minutes=1) if number == 4 else NOW
            await unit.follows.save(confirmed_follow(f"f{number}", since))

    await notifier.units.run(follow)
    await notifier.hear(*pledges(["f8"]), published(1, at, "u1", count=1, visibility="public"))
    await settle_later(notifier)
    followers = [who for _, role, who in told_in_roles(notifier) if role == "follower"]
    assert followers == ["f0", "f1", "f2", "f3", "f5", "f6", "f7"]
    chunks = await notifier.queries.unplanned(f"update-published/{CAMPAIGN}:u1")
    assert sorted(len(chunk.recipients) for chunk in chunks if chunk.role is ToldAs.FOLLOWER) == [
        1,
        3,
        3,
    ]


@pytest.mark.parametrize("heard_before", [True, False], ids=["pledge first", "update first"])
async def test_a_follower_whose_pledge_is_heard_of_late_is_told_once(
    notifier: Notifier, heard_before: bool
) -> None:
    """As a follower who was told before, or as the backer behind N; the figures add up."""
    ben = confirmed_follow("ben", NOW - timedelta(minutes=1))
    await notifier.units.run(lambda unit: unit.follows.save(ben))
    late = collected(2, "ben", captured_at=NOW - timedelta(hours=1))
    await notifier.hear(*pledges(["anna"]), *([late] if heard_before else []))
    await notifier.hear(published(1, NOW, "u1", count=1, visibility="public"))
    await settle_later(notifier)
    await notifier.hear(late)
    await settle_later(notifier)
    role = "backer" if heard_before else "follower"
    assert [(how, who) for _, how, who in told_in_roles(notifier)] == [
        ("backer", "anna"),
        (role, "ben"),
    ]
    totals = await notifier.queries.totals(f"update-published/{CAMPAIGN}:u1")
    found = (totals.delivered, totals.supplements, totals.pending)
    assert found == ((2, 1, 0) if heard_before else (1, 0, 0))


async def test_who_would_be_told_counts_all_pages_of_followers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many as are told afterwards, and none of what is not public."""
    monkeypatch.setattr(address, "RECIPIENTS_MAX", 3)
    notifier = memory_notifier()

    async def follow(unit: NotifierUnit) -> None:
        for number in range(7):
            await unit.follows.save(confirmed_follow(f"f{number}", NOW))

    await notifier.units.run(follow)
    for visibility, expected in (("public", 7), ("backers", 0)):
        counted = await count(notifier, CauseKind.UPDATE_PUBLISHED, visibility=visibility)
        assert counted.roles[ToldAs.FOLLOWER] == expected


async def test_whoever_has_an_account_is_asked_at_their_own_address(town: Town) -> None:
    """And follows again after all mails were turned off; nobody else sees what they follow."""
    await town.post.know(person("anna"))
    anna, path = bearer(backer("anna")), f"/people/anna/follows/{CAMPAIGN}"
    wish = Unsubscription("anna", CAMPAIGN)
    await town.post.notifier.units.run(lambda unit: unit.unsubscriptions.add(wish))
    for _ in range(2):
        assert (await town.http.put(path, headers=anna)).json()["state"] == "asked"
    assert await town.mails() == ["anna@a.example"]
    await town.http.post(await town.link())
    (shown,) = (await town.http.get("/people/anna/follows", headers=anna)).json()["items"]
    assert (shown["campaign_id"], shown["state"]) == (CAMPAIGN, "confirmed")
    off = await town.post.notifier.units.run(lambda u: u.unsubscriptions.of(CAMPAIGN, ["anna"]))
    assert off == set()
    ben = bearer(backer("ben"))
    assert (await town.http.get("/people/anna/follows", headers=ben)).status_code == 404
    assert (await town.http.delete(path, headers=anna)).json() == {"items": []}
    known = await town.post.notifier.units.run(lambda unit: unit.people.load(["anna"]))
    assert known["anna"].address == "anna@a.example"


async def test_one_address_does_not_use_up_what_all_are_asked(town: Town) -> None:
    """It is told when to come again; another one asks, and mails follow for those let in alone."""
    mail = MailRoutes(LINKS, read_report, [], follow_asks_per_hour=MOST, guests=GuestPace(2, 600))
    api = town.post.notifier.api(unit_guard(), mail)

    async def asked_from(host: str, number: int) -> httpx.Response:
        transport = httpx.ASGITransport(api, client=(host, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://notifier") as client:
            return await client.post(ASK, json=ZOE | {"address": f"p{number}@z.example"})

    answers = [await asked_from("198.51.100.7", number) for number in range(3)]
    assert [one.status_code for one in answers] == [202, 202, 429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 300
    assert (await asked_from("198.51.100.8", 3)).status_code == 202
    assert sorted(await town.mails()) == [f"p{number}@z.example" for number in (0, 1, 3)]


async def test_nobody_is_flooded(town: Town) -> None:
    """One address five times a day, all of them so often an hour; an unknown campaign never.

    Who comes too soon is told in how long one of the asks is an hour old.
    """
    await town.post.notifier.hear(
        *(fact(CampaignLaunched, 1, campaign_id=f"c{number}") for number in range(6))
    )
    clock = town.post.notifier.clock
    again_at = clock.now() + HOUR
    for number in range(6):
        answer = await town.http.post(f"/campaigns/c{number}/followers", json=ZOE)
        assert answer.status_code == 202
    assert await town.mails() == ["zoe@z.example"] * 5
    clock.advance(minutes=20)
    assert [(await town.ask(address=f"p{n}@z.example")).status_code for n in range(3)] == [
        202,
        202,
        429,
    ]
    refused = await town.ask(address="p2@z.example")
    assert refused.json()["type"] == "/problems/too-many-asks"
    wait = (again_at - clock.now()).total_seconds()
    assert int(refused.headers["Retry-After"]) == wait < 40 * 60
    clock.advance(seconds=wait - 1)
    assert (await town.ask(address="p2@z.example")).headers["Retry-After"] == "1"
    clock.advance(seconds=1)
    assert (await town.ask(address="p2@z.example")).status_code == 202
    assert (await town.http.post("/campaigns/other/followers", json=ZOE)).status_code == 404
    odd = await town.ask(address="zoe@z.example\r\nBcc: all@z.example")
    assert odd.status_code == 422


async def test_who_follows_too_much_with_an_account_is_told_when_to_come_again(town: Town) -> None:
    """429 with what is left of the day; one is let in then, and an asked one asks no more."""
    await town.post.know(person("anna"))
    await town.post.notifier.hear(
        *(fact(CampaignLaunched, 1, campaign_id=f"c{number}") for number in range(6))
    )

    async def asked(number: int) -> httpx.Response:
        path = f"/people/anna/follows/c{number}"
        return await town.http.put(path, headers=bearer(backer("anna")))

    for number in range(5):
        assert (await asked(number)).status_code == 200
        town.post.notifier.clock.advance(hours=2)
    refused = await asked(5)
    assert refused.json()["type"] == "/problems/too-many-asks"
    assert (await asked(4)).status_code == 200
    assert refused.headers["Retry-After"] == str(14 * 3_600)
    town.post.notifier.clock.advance(hours=14)
    assert (await asked(5)).status_code == 200


@pytest.mark.parametrize(
    ("known", "asked_at"),
    [
        (None, NOW),
        (Follow(CAMPAIGN, "p", "p", NOW), NOW + timedelta(seconds=1)),
        (Follow(CAMPAIGN, "p", "p", NOW - CONFIRMED_WITHIN), NOW - CONFIRMED_WITHIN),
    ],
    ids=["ended", "asked again", "too late"],
)
def test_a_link_that_is_over_follows_nothing(known: Follow | None, asked_at: datetime) -> None:
    """One of before, of another asking, of two days ago; the same twice is the same."""
    with pytest.raises(Refused, match="too late"):
        confirm(known, FollowWish("p", CAMPAIGN, int(asked_at.timestamp())), NOW)
    fresh = Follow(CAMPAIGN, "p", "p", NOW)
    wish = FollowWish("p", CAMPAIGN, int(NOW.timestamp()))
    done = confirm(fresh, wish, NOW)
    assert done.state is FollowState.CONFIRMED
    assert confirm(done, wish, NOW + timedelta(days=9)) == done


async def test_a_page_of_ten_thousand_followers_reads_a_page(database: Database) -> None:
    """By its index, in order, nothing sorted; of what others follow nothing."""
    await database.collection("follows").insert_many(
        [
            {
                "_id": {"campaign_id": campaign, "who": f"w{n}"},
                "campaign_id": campaign,
                "person_id": f"f{n:05}",
                "who": f"w{n}",
                "asked_at": NOW,
                "state": "confirmed",
                "confirmed_at": NOW,
            }
            for n in range(10_000)
            for campaign in (CAMPAIGN, "other")
        ]
    )
    run = mongo_notifier(database).units.run
    page = (CAMPAIGN, NOW, "f05000", 1_000)
    cost = await cost_of(database, lambda: run(lambda unit: unit.follows.page(*page)))
    assert cost == Cost(documents=1_000, keys=1_000, returned=1_000)


def published(
    sequence: int, at: datetime, update_id: str, count: int = 0, **changes: object
) -> Record:
    return update(count, count, sequence, update_id=update_id, published_at=at, **changes)
