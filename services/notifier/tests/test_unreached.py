"""Decisive messages that no mail brought: pinned, waiting with staff, counted, ended once."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product
from typing import Any

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import Caller, backer
from infra.sandbox.mail.reports import bounce_of
from infra.servicekit.tests.costs import cost_of
from notifier.adapters.mail_reports import read_report
from notifier.adapters.mongo_unreached import unreached_document
from notifier.domain.cause import CauseKind, Told
from notifier.domain.delivery import DeliveryState, Standing
from notifier.domain.errors import Refused
from notifier.domain.kind import ToldAs, is_decisive
from notifier.domain.unreached import (
    OUTCOMES,
    Ended,
    HowEnded,
    Unreached,
    end,
    leaves_unreached,
    totals_of,
)
from notifier.handlers.people import erase_person
from notifier.handlers.retention import ForgetOld
from notifier.http import MailRoutes
from notifier.metrics import OLDEST_UNREACHED, UNREACHED
from notifier.sweeps import MeasureUnreached
from servicekit.mongo import Database
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    Notifier,
    fact,
    paid,
    pledges,
    refunded,
    settle,
    unpaid,
    update,
)
from services.notifier.tests.conftest import mongo_notifier
from services.notifier.tests.fakes_email import said
from services.notifier.tests.kills import killed
from services.notifier.tests.post import LINKS, Post, answering, as_it_came, memory_post, person
from sosst_contracts.payouts import RefundClaimable

STAFF = Caller("sam", ("staff",))
GONE = said(550, "5.1.1")
REFUND = "refund-succeeded/refund-1"
PROOF = f"/campaigns/{CAMPAIGN}/notices/{REFUND}/proof"
CLAIMABLE = f"refund-claimable/refund-2:{int(NOW.timestamp())}"


@dataclass
class Desk:
    """A notifier with a mail server, and staff who look at what it could not bring."""

    post: Post
    http: httpx.AsyncClient

    async def refuse(self, *who: str) -> None:
        """Return a refund to each; nobody is there at the addresses."""
        await self.post.know(*map(person, who))
        self.post.server.answer = answering(dict.fromkeys(who, GONE))
        refunds = [refunded(one, number) for number, one in enumerate(who, 1)]
        await self.post.notifier.hear(*refunds)
        await settle(self.post.notifier)
        await self.post.write_all()

    async def get(self, path: str, caller: Caller = STAFF) -> Any:
        answer = await self.http.get(path, headers=bearer(caller))
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def waiting(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self.get("/unreached"))["items"]
        return items

    async def end(self, told_id: str, outcome: str, what: str = "a letter") -> httpx.Response:
        body = {"outcome": outcome, "what": what}
        return await self.http.put(f"/unreached/{told_id}/end", json=body, headers=bearer(STAFF))

    async def otherwise(self) -> dict[str, int]:
        """Return what the proof of the first refund counts beyond inbox and mail."""
        channels = (await self.get(PROOF))["channels"]
        found = next((one for one in channels if one["channel"] == "otherwise"), {})
        return {word: n for word, n in found.items() if isinstance(n, int) and n}

    async def inbox(self, who: str) -> Any:
        return await self.get(f"/people/{who}/inbox", backer(who))


@pytest.fixture
async def desk(post: Post) -> AsyncIterator[Desk]:
    async with at_desk(post) as client:
        yield Desk(post, client)


def at_desk(post: Post) -> httpx.AsyncClient:
    mail = MailRoutes(LINKS, read_report, ["a secret of the server"])
    return post.notifier.http(mail=mail)


async def test_whom_a_decisive_mail_did_not_reach_waits_with_staff(desk: Desk) -> None:
    """Refused now, and the next one not even tried: both wait, oldest first, each once."""
    await desk.refuse("b0")
    desk.post.clock.advance(hours=1)
    await desk.post.notifier.hear(refunded("b0", 2), refunded("b1", 3))
    await settle(desk.post.notifier)
    await desk.post.write_all()
    found = await desk.waiting()
    assert [(one["person_id"], one["reason"]) for one in found[:2]] == [
        ("b0", "address-refused"),
        ("b0", "address-suppressed"),
    ]
    assert [(one["person_id"], one["reason"]) for one in found[2:]] == [("b1", "no-address")]
    assert found[0]["cause"] == REFUND and found[0]["age_seconds"] >= 3_600
    assert await desk.otherwise() == {"pending": 1}
    first = await desk.get("/unreached?limit=1")
    rest = await desk.get(f"/unreached?limit=5&cursor={first['next_cursor'].replace('+', '%2B')}")
    assert first["items"] + rest["items"] == found


async def test_it_is_pinned_until_it_is_read(desk: Desk) -> None:
    """The inbox says why, on its first page; who has read it was reached, and nobody else."""
    await desk.refuse("b0", "b1")
    shown = await desk.inbox("b0")
    (pinned,) = shown["pinned"]
    assert (pinned["cause"], pinned["not_mailed"]) == (REFUND, "address-refused")
    assert shown["items"] == [pinned]
    body = {"up_to": pinned["at"]}
    own = bearer(backer("b0"))
    await desk.http.put("/people/b0/inbox/read", json=body, headers=own)
    shown = await desk.inbox("b0")
    assert shown["pinned"] == [] and shown["items"][0]["not_mailed"] is None
    assert await desk.otherwise() == {"delivered": 1}
    assert [one["person_id"] for one in await desk.waiting()] == ["b1"]


async def test_staff_end_one_once_and_it_is_audited(desk: Desk) -> None:
    """What was done stands in it; the same again is the same, another word is refused."""
    await desk.refuse("b0")
    (waiting,) = await desk.waiting()
    told_id = waiting["notification_id"]
    for _ in range(2):
        answer = await desk.end(told_id, "not-reached", "a letter, which came back")
        assert answer.status_code == 200
        ended = answer.json()["ended"]
        assert (ended["outcome"], ended["by"]) == ("not-reached", "sam")
        assert ended["what"] == "a letter, which came back"
        desk.post.clock.advance(minutes=1)
    assert (await desk.end(told_id, "reached")).status_code == 409
    assert (await desk.end("0" * 32, "reached")).status_code == 404
    assert await desk.waiting() == [] and await desk.otherwise() == {"failed": 1}
    table = (await desk.http.get(f"{PROOF}.csv", headers=bearer(STAFF))).text.splitlines()
    rows = [row.split(",")[3:] for row in table if row.startswith("b0,")]
    assert rows == [
        ["inbox", "delivered", ""],
        ["email", "failed", "address-refused"],
        ["otherwise", "failed", "not-reached"],
    ]


async def test_a_creator_sees_how_many_and_never_who(desk: Desk) -> None:
    """The counts of the proof are theirs; the list, its people and their table are not."""
    await desk.refuse("b0")
    await desk.post.notifier.units.run(lambda unit: unit.creators.add({CAMPAIGN: "carol"}))
    carol = Caller("carol", ("creator",))
    channels = (await desk.get(PROOF, carol))["channels"]
    assert "otherwise" in [one["channel"] for one in channels] and "b0" not in str(channels)
    for path in ("/unreached", f"{PROOF}.csv"):
        assert (await desk.http.get(path, headers=bearer(carol))).status_code == 403


async def test_a_bounce_that_comes_back_later_counts_as_well(desk: Desk) -> None:
    """The server had taken the mail; the report says that nobody was there."""
    await desk.refuse()
    await desk.post.know(person("b0"))
    await desk.post.notifier.hear(refunded("b0", 1))
    await settle(desk.post.notifier)
    await desk.post.write_all()
    assert await desk.waiting() == []
    (mail,) = desk.post.server.mails
    for _ in range(2):
        answer = await desk.http.post(
            "/mail-reports",
            content=bounce_of(as_it_came(mail), "5.1.1"),
            headers={"X-Report-Secret": "a secret of the server"},
        )
        assert answer.status_code == 202
    assert [one["reason"] for one in await desk.waiting()] == ["address-refused"]


async def test_news_and_what_came_leave_nobody_unreached(desk: Desk) -> None:
    """An update that bounced stays in the inbox; a refund that a server took needs no letter."""
    await desk.post.know(person("b0"), person("b1"))
    desk.post.server.answer = answering({"b0": GONE})
    await desk.post.notifier.hear(*pledges(["b0", "b1"]), update(2, 2), refunded("b1", 1))
    await settle(desk.post.notifier)
    await desk.post.write_all()
    assert await desk.waiting() == [] and (await desk.inbox("b0"))["pinned"] == []


async def test_an_emergency_that_reached_nobody_by_mail_is_decisive(desk: Desk) -> None:
    """Of a campaign-wide cause only those wait whose mail did not come."""
    await desk.post.know(person("b0"), person("b1"))
    desk.post.server.answer = answering({"b0": GONE})
    alarm = update(2, 2, kind="emergency")
    await desk.post.notifier.hear(*pledges(["b0", "b1"]), alarm)
    await settle(desk.post.notifier)
    await desk.post.write_all()
    assert [one["person_id"] for one in await desk.waiting()] == ["b0"]


async def test_what_lost_its_reason_ends_by_itself(desk: Desk) -> None:
    """The money came after all: nobody is written a letter to choose how to have it."""
    desk.post.server.answer = answering({"b0": GONE})
    await desk.post.know(person("b0"))
    of = {"backer_id": "b0", "refund_id": "refund-2"}
    await desk.post.notifier.hear(fact(RefundClaimable, 1, **of, claimable_at=NOW))
    await settle(desk.post.notifier)
    await desk.post.write_all()
    assert [one["cause"] for one in await desk.waiting()] == [CLAIMABLE]
    await desk.post.notifier.hear(refunded("b0", 2, "refund-2"))
    assert await desk.waiting() == []
    totals = await desk.post.notifier.queries.unreached_totals(CLAIMABLE)
    assert totals is not None and (totals.suppressed, totals.people) == (1, 1)


async def test_no_letter_asks_for_a_payment_that_came(desk: Desk) -> None:
    """Captured before the reminder whose mail came back, and told behind it."""
    desk.post.server.answer = answering({"backer-1": GONE})
    await desk.post.know(person("backer-1"))
    await desk.post.notifier.hear(*unpaid())
    await settle(desk.post.notifier)
    await desk.post.write_all()
    assert len(await desk.waiting()) == 2
    await desk.post.notifier.hear(paid(3))
    assert await desk.waiting() == []


async def test_who_is_erased_and_what_is_old_is_forgotten(desk: Desk) -> None:
    """Nobody looks for an erased person; after years how it ended is all that is left."""
    await desk.refuse("b0", "b1")
    now = desk.post.clock.now()
    await desk.post.notifier.units.run(lambda unit: erase_person(unit, "b0", now))
    assert [one["person_id"] for one in await desk.waiting()] == ["b1"]
    assert await desk.otherwise() == {"suppressed": 1}
    notifier = desk.post.notifier
    desk.post.clock.advance(days=100)
    sweep = ForgetOld(notifier.units, notifier.queries, timedelta(days=90))
    for _ in range(2):
        await sweep(desk.post.clock.now())
        kept = await notifier.queries.unreached_in([REFUND, "refund-succeeded/refund-2"])
        assert {one.person_id for one in kept} == {""} and await desk.waiting() == []
    assert await desk.otherwise() == {"suppressed": 1}


async def test_how_many_wait_is_measured() -> None:
    """Their number and since when the oldest waits; nothing when nobody does."""
    notifier = memory_post().notifier
    measure = MeasureUnreached(notifier.queries)
    for since in (timedelta(), timedelta(days=4)):
        one = replace(UNREACHED_ONE, since=NOW + since, notification_id=str(since))
        await notifier.units.run(lambda unit, one=one: unit.unreached.add_new([one]))
    await measure(NOW)
    assert (UNREACHED._value.get(), OLDEST_UNREACHED._value.get()) == (2, NOW.timestamp())
    await MeasureUnreached(memory_post().notifier.queries)(NOW)
    assert (UNREACHED._value.get(), OLDEST_UNREACHED._value.get()) == (0, 0)


UNREACHED_ONE = Unreached(
    "0" * 32, "b0", CAMPAIGN, REFUND, REFUND, NOW, "address-refused", NOW + timedelta(hours=1)
)


async def test_they_are_kept_as_they_are(notifier: Notifier) -> None:
    """Open and ended; one that is known stays, and only open ones are ended."""
    ended = replace(
        UNREACHED_ONE, notification_id="1" * 32, ended=Ended(HowEnded.REACHED, NOW, "sam", "a call")
    )
    other = replace(UNREACHED_ONE, reason="expired")
    run, queries = notifier.units.run, notifier.queries
    await run(lambda unit: unit.unreached.add_new([UNREACHED_ONE, ended]))
    await run(lambda unit: unit.unreached.add_new([other, ended]))
    assert await queries.unreached_in([REFUND]) == [UNREACHED_ONE, ended]
    assert await queries.unreached(None, 5) == [UNREACHED_ONE]
    assert await queries.unreached_of("b0", 5) == [UNREACHED_ONE]
    read = Ended(HowEnded.READ, NOW)
    await run(lambda unit: unit.unreached.end_in(["other"], Ended(HowEnded.REASON_GONE)))
    await run(lambda unit: unit.unreached.end_of(["b0"], NOW - timedelta(seconds=1), read))
    await run(lambda unit: unit.unreached.end_of(["b1"], None, read))
    assert (await queries.open_unreached()).count == 1
    await run(lambda unit: unit.unreached.end_of(["b0"], NOW, read))
    assert await run(lambda unit: unit.unreached.load("0" * 32)) == replace(
        UNREACHED_ONE, ended=read
    )
    assert await run(lambda unit: unit.unreached.load("1" * 32)) == ended
    assert (await queries.open_unreached()).oldest is None


async def test_a_page_of_those_that_wait_reads_a_page(database: Database) -> None:
    """Behind thousands that ended, and of thousands that wait: by its index, unsorted."""
    rows = [
        unreached_document(replace(UNREACHED_ONE, notification_id=f"{number:032}"))
        for number in range(2_000)
    ]
    ended = [
        unreached_document(replace(UNREACHED_ONE, notification_id=f"e{n:031}", ended=ENDED_ONE))
        for n in range(2_000)
    ]
    await database.collection("unreached").insert_many(rows + ended)
    queries, place = mongo_notifier(database).queries, (UNREACHED_ONE.since, f"{9:032}")
    cost = await cost_of(database, lambda: queries.unreached(place, 50))
    assert cost.returned == 50 and cost.documents <= 60 and not cost.sorted, cost
    assert (await queries.open_unreached()).count == 2_000


ENDED_ONE = Ended(HowEnded.REACHED, NOW, "sam", "a call")


@pytest.mark.parametrize(("before", "after"), list(product([None, *HowEnded], HowEnded)))
def test_every_pair_of_ends(before: HowEnded | None, after: HowEnded) -> None:
    """What is open ends in any way; what ended stays as it is, and says so to another word."""
    known = replace(UNREACHED_ONE, ended=Ended(before, NOW, "sam") if before else None)
    word = Ended(after, NOW + timedelta(days=1), "sam")
    if before is None:
        assert end(known, word).ended == word
    elif before is after:
        assert end(known, word) == known
    else:
        with pytest.raises(Refused):
            end(known, word)


def test_what_reaches_nobody_is_told_from_what_is_not_wanted() -> None:
    """Against the reader's will, and for good; who muted, waits or has it is reached or content."""
    failed, suppressed = DeliveryState.FAILED, DeliveryState.SUPPRESSED
    for reason in ("address-refused", "content-refused", "expired"):
        assert leaves_unreached(Standing(failed, reason))
    for reason in ("address-suppressed", "no-address"):
        assert leaves_unreached(Standing(suppressed, reason))
    for reason in ("muted", "unsubscribed", "reason-gone", "erased", "refunded"):
        assert not leaves_unreached(Standing(suppressed, reason))
    for state in set(DeliveryState) - {failed, suppressed}:
        assert not leaves_unreached(Standing(state))


def test_every_end_counts_and_what_is_decisive_cannot_be_muted() -> None:
    """Completeness holds beyond mail too; staff and followers are nobody's letters."""
    assert OUTCOMES.keys() == set(HowEnded)
    totals = totals_of(dict.fromkeys([None, *HowEnded], 1))
    assert totals.people == len(HowEnded) + 1 and totals.pending == 1
    refund = Told(CauseKind.REFUND_FAILED, "r", CAMPAIGN, NOW)
    assert is_decisive(refund, ToldAs.BACKER) and not is_decisive(refund, ToldAs.STAFF)
    news = Told(CauseKind.UPDATE_PUBLISHED, "u", CAMPAIGN, NOW)
    assert not is_decisive(news, ToldAs.BACKER)
    assert is_decisive(replace(news, content={"kind": "emergency"}), ToldAs.BACKER)


@pytest.mark.parametrize("moments", range(6))
async def test_whom_a_decisive_mail_did_not_reach_is_noted_once_wherever_it_dies(
    post: Post, moments: int
) -> None:
    """With the mail's end, in one write: neither twice nor not at all."""
    await post.know(person("b0"))
    await post.notifier.hear(refunded("b0", 1))
    await settle(post.notifier)
    post.server.answer = answering({"b0": said(550, "5.1.1")})
    with killed(post.notifier, moments):
        await post.write_all()
    await post.write_all()
    (waiting,) = await post.notifier.queries.unreached(None, 10)
    assert (waiting.person_id, waiting.reason) == ("b0", "address-refused")
