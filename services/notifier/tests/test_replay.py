"""A replay tells whoever is missing and nobody else, and two people must want it."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import STAFF, Caller
from notifier.domain.chunk import Chunk
from notifier.domain.notification import notification_id
from notifier.domain.person import Person
from notifier.domain.replay import Missing, Replay, Word
from notifier.handlers import address
from notifier.handlers.replay import want_replay
from notifier.ports.unit import NotifierUnit
from servicekit.memory import MemoryDatabase
from servicekit.mongo import Database
from servicekit.publish import MemoryLog
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    Notifier,
    collected,
    confirmed_follow,
    events_of,
    launched,
    memory_notifier,
    pledges,
    settle,
    told_in_roles,
    update,
    verdict,
)
from services.notifier.tests.conftest import mongo_notifier
from services.notifier.tests.kills import killed
from services.notifier.tests.post import with_mail
from sosst_contracts.notifier import BackerNotified

CAUSE = f"verdict-reached/{CAMPAIGN}"
UPDATE = f"update-published/{CAMPAIGN}:update-1"
BACKERS = [f"backer-{number}" for number in range(8)]
PATH = f"/campaigns/{CAMPAIGN}/notices/{CAUSE}/replays/again"
# Another one of the staff.
SECOND = Caller("staff-2", STAFF.roles)

Lose = Callable[[str, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Losing:
    """A notifier over stores that may lose what a bug, or somebody's hand, took away."""

    notifier: Notifier
    lose: Lose


@pytest.fixture(params=["memory", "mongodb"])
def losing(request: pytest.FixtureRequest) -> Losing:
    if request.param == "memory":
        memory = MemoryDatabase()

        async def forget(table: str, name: str) -> None:
            rows = memory.table(table)
            del rows[next(key for key in rows if _names(key) == name)]

        return Losing(memory_notifier(memory), forget)
    database: Database = request.getfixturevalue("database")

    async def delete(table: str, name: str) -> None:
        gone = await database.collection(table).delete_one({"_id": name})
        assert gone.deleted_count == 1

    return Losing(mongo_notifier(database), delete)


def _names(key: object) -> str:
    """Return a table's key as the document's name in MongoDB."""
    return key if isinstance(key, str) else "|".join(str(part) for part in key)  # type: ignore[attr-defined]


async def want(
    notifier: Notifier, *people: str, replay_id: str = "again", cause: str = CAUSE
) -> Replay:
    """Let these people want the replay, and do what can be done."""
    for one in people:
        word = Word(one, f"{one} saw it", NOW)
        act = partial(want_replay, cause=cause, replay_id=replay_id, word=word)
        await notifier.units.run(act)
    await notifier.replay()
    await settle(notifier)
    kept = await notifier.units.run(lambda unit: unit.replays.load(cause, replay_id))
    assert kept is not None
    return kept


def told(notifier: Notifier) -> Counter[str]:
    """Count the ids of the cause on the topic."""
    events = events_of(notifier.publisher)
    mine = [one for one in events if isinstance(one, BackerNotified) and one.cause == CAUSE]
    return Counter(one.notification_id for one in mine)


async def tell(notifier: Notifier) -> None:
    notifier.recipients_max = 1
    await notifier.hear(*pledges(BACKERS), launched())
    await notifier.hear(verdict(len(BACKERS), sequence=2))
    await settle(notifier)


async def test_nothing_is_missing(losing: Losing) -> None:
    """A replay of what everybody was told of sends nothing, however often it is wanted."""
    notifier = losing.notifier
    await tell(notifier)
    before = told(notifier)
    for replay_id in ("first", "second"):
        kept = await want(notifier, "sam", "tom", replay_id=replay_id)
        assert (kept.state, kept.found) == ("done", Missing())
    assert told(notifier) == before


async def test_whoever_is_missing_is_told_and_nobody_else(losing: Losing) -> None:
    """A chunk that is gone is made again under its ids; the totals add up again."""
    notifier = losing.notifier
    await tell(notifier)
    assert isinstance(notifier.publisher, MemoryLog)
    chunk = (await notifier.queries.chunks_of(CAUSE, "", 1))[0]
    gone = notification_id(CAUSE, NOW, chunk.recipients[0])
    await losing.lose("chunks", chunk.chunk_id)
    notifier.publisher.records.clear()
    totals = await notifier.queries.totals(CAUSE)
    assert totals.gap(len(BACKERS)) == 1
    kept = await want(notifier, "sam", "tom")
    assert kept.found == Missing(chunks=1, people=1)
    assert told(notifier) == {gone: 1}
    totals = await notifier.queries.totals(CAUSE)
    assert (totals.delivered, totals.pending, totals.gap(len(BACKERS))) == (len(BACKERS), 0, 0)


async def test_who_stands_beside_the_audience_is_found_missing_too(losing: Losing) -> None:
    """Whose money was heard of late, and who has a role: each is told, and the replay says so."""
    notifier = losing.notifier
    await tell(notifier)
    late = collected(len(BACKERS) + 1, "late", captured_at=NOW - timedelta(hours=1))
    await notifier.hear(late)
    await settle(notifier)
    for number, (name, people) in enumerate((("supplement|late", 1), ("creator", 0))):
        await losing.lose("chunks", f"{CAUSE}|{name}")
        kept = await want(notifier, "sam", "tom", replay_id=f"again-{number}")
        # Who has a role is found afterwards.
        assert kept.found == Missing(chunks=1, people=people)
    totals = await notifier.queries.totals(CAUSE)
    assert (totals.supplements, totals.gap(len(BACKERS))) == (1, 0)


async def test_who_was_never_written_to_is_written_to_once(losing: Losing) -> None:
    """What was told while e-mail was off goes out by mail; who has a mail gets no other one."""
    notifier = losing.notifier
    known = [Person(one, NOW, address=f"{one}@a.example") for one in BACKERS]
    await notifier.units.run(lambda unit: unit.people.save(known))
    await tell(notifier)
    with_mail(notifier)
    for _ in range(2):
        await want(notifier, "sam", "tom", replay_id=f"again-{_}")
        while await notifier.write():
            pass
    assert notifier.emails is not None
    mails = notifier.emails.server.mails  # type: ignore[attr-defined]
    assert Counter(mail.recipient for mail in mails) == {f"{one}@a.example": 1 for one in BACKERS}
    found = await notifier.units.run(lambda unit: unit.replays.load(CAUSE, "again-1"))
    # The creator's chunk was written to by the first one too: suppressed, for want of an address.
    assert found is not None and found.found == Missing()


async def test_who_is_forgotten_meanwhile_is_not_written_to(
    losing: Losing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay begins mails for whom a chunk holds in its own transaction, not as it was seen."""
    notifier = losing.notifier
    await tell(notifier)
    with_mail(notifier)
    seen = notifier.queries.chunks_of

    async def seen_and_forgotten(cause: str, after: str, most: int) -> list[Chunk]:
        chunks = await seen(cause, after, most)
        ids = [chunk.chunk_id for chunk in chunks]
        await notifier.units.run(lambda unit: unit.chunks.shed(ids))
        return chunks

    monkeypatch.setattr(type(notifier.queries), "chunks_of", lambda _, *of: seen_and_forgotten(*of))
    kept = await want(notifier, "sam", "tom")
    assert kept.found == Missing()


async def test_one_person_is_not_enough(losing: Losing) -> None:
    """The same person's word again is one word; each word has its audit record with its reason."""
    notifier = losing.notifier
    await tell(notifier)
    kept = await want(notifier, "sam", "sam")
    assert (kept.state, kept.second, kept.found) == ("asked", None, None)
    kept = await want(notifier, "tom", "una")
    assert kept.state == "done" and kept.second == Word("tom", "tom saw it", NOW)


async def test_lost_work_is_offered_again(losing: Losing) -> None:
    """A plan whose work was lost goes on waiting for its N, and is made."""
    notifier = losing.notifier
    await notifier.hear(*pledges(BACKERS), verdict(len(BACKERS)))
    await losing.lose("work", f"plan/{CAUSE}")
    await notifier.plan()
    assert await notifier.queries.chunks_of(CAUSE, "", 1) == []
    await want(notifier, "sam", "tom")
    assert len(told(notifier)) == len(BACKERS)


@pytest.mark.parametrize("gone", ["f1", "f4"])
@pytest.mark.parametrize("lost", ["work", "chunks", "chunks, when all are told"])
async def test_nobody_is_lost_where_pages_of_followers_are_cut_anew(
    losing: Losing, monkeypatch: pytest.MonkeyPatch, gone: str, lost: str
) -> None:
    """One of them has ended it, so that the pages end elsewhere than those that were kept.

    What was lost is the next page's work; or a page, while that work goes on or behind its end.
    """
    monkeypatch.setattr(address, "RECIPIENTS_MAX", 3)
    notifier, followers = losing.notifier, [f"f{number}" for number in range(9)]

    async def follow(unit: NotifierUnit) -> None:
        for one in followers:
            await unit.follows.save(confirmed_follow(one, NOW))

    await notifier.units.run(follow)
    await notifier.hear(update(0, 0, visibility="public"))
    await notifier.plan()
    for _ in range(2):
        await notifier.address()
    if lost == "work":
        await losing.lose("work", f"address/{UPDATE}|follower/f5")
    else:
        await losing.lose("chunks", f"{UPDATE}|follower|000002")
        await losing.lose("work", f"publish/{UPDATE}|follower|000002")
    if "all" in lost:
        await settle(notifier)
    left = confirmed_follow(gone, NOW)
    await notifier.units.run(lambda unit: unit.follows.remove(left))
    await want(notifier, "sam", "tom", cause=UPDATE)
    for _ in followers:
        # Page by page, also where a page tells nobody.
        await settle(notifier)
    found = sorted(who for _, role, who in told_in_roles(notifier) if role == "follower")
    # Who has left is not found again where their page was lost.
    untold = set() if lost == "work" else {"f4"} & {gone}
    assert found == sorted(set(followers) - untold)


async def test_staff_replay_over_http() -> None:
    """Asked by one, agreed by another, each with a reason; a cause that is not there is unknown."""
    notifier = memory_notifier()
    await tell(notifier)
    async with notifier.http() as client:
        first = await client.put(PATH, json={"why": "one was missed"}, headers=bearer(STAFF))
        again = await client.put(PATH, json={"why": "once more"}, headers=bearer(STAFF))
        second = await client.put(PATH, json={"why": "true"}, headers=bearer(SECOND))
        other = PATH.replace("verdict-reached", "campaign-cancelled")
        unknown = await client.put(other, json={"why": "it is late"}, headers=bearer(STAFF))
    assert [one.json()["state"] for one in (first, again, second)] == ["asked", "asked", "agreed"]
    assert again.json()["first"]["why"] == "one was missed"
    assert second.json()["second"]["by"] == "staff-2"
    assert unknown.status_code == 404


@pytest.mark.trap(24)
@pytest.mark.parametrize("moments", range(10))
async def test_a_replay_tells_whoever_is_missing_once_wherever_it_dies(
    losing: Losing, moments: int
) -> None:
    """The next one goes on, says what both found, and everybody has one id."""
    notifier = losing.notifier
    await tell(notifier)
    everybody = told(notifier)
    chunk = (await notifier.queries.chunks_of(CAUSE, "", 1))[0]
    await losing.lose("chunks", chunk.chunk_id)
    with killed(notifier, moments):
        await want(notifier, "sam", "tom")
    kept = await want(notifier, "sam", "tom")
    assert kept.state == "done"
    assert kept.found.people == 1
    totals = await notifier.queries.totals(CAUSE)
    assert (totals.delivered, totals.pending, totals.gap(len(BACKERS))) == (8, 0, 0)
    assert set(told(notifier)) == set(everybody)
    assert sum(told(notifier).values()) == sum(everybody.values()) + 1
