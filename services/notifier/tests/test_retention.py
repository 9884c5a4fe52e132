"""What is old is forgotten, and adds up all the same; what is read does not grow with it."""

from datetime import datetime, timedelta

import pytest

from infra.servicekit.tests.costs import Cost, cost_of
from notifier.domain.cause import Totals
from notifier.domain.chunk import Chunk, ChunkState, forget
from notifier.domain.delivery import Channel
from notifier.domain.errors import Refused
from notifier.domain.person import Person
from notifier.handlers.retention import PAGE, ForgetOld
from servicekit.mongo import Database
from services.notifier.tests.builders import CAMPAIGN, NOW, Notifier, pledges, refunded, settle
from services.notifier.tests.builders import verdict as verdict_of
from services.notifier.tests.chunks import TOLD, a_chunk, add
from services.notifier.tests.conftest import mongo_notifier
from services.notifier.tests.kills import killed
from services.notifier.tests.post import with_mail

CAUSE = f"verdict-reached/{CAMPAIGN}"
BACKERS = ["anna", "ben", "carol"]
KEPT_FOR = timedelta(days=90)


async def told(notifier: Notifier) -> None:
    """Everybody of a verdict, one of a refund; the mails of those with an address are over."""
    with_mail(notifier)
    known = [Person(one, NOW, address=f"{one}@a.example") for one in BACKERS[:2]]
    await notifier.units.run(lambda unit: unit.people.save(known))
    await notifier.hear(*pledges(BACKERS), verdict_of(3), refunded("anna", 1))
    await settle(notifier)
    while await notifier.write():
        pass


async def swept(notifier: Notifier, days: int) -> None:
    notifier.clock.advance(days=days)
    await ForgetOld(notifier.units, notifier.queries, KEPT_FOR)(notifier.clock.now())


async def sums(notifier: Notifier) -> tuple[Totals, Totals | None, list[int]]:
    """Return the totals of inbox and mails, and how many each chunk beside the plan counts."""
    beside = await notifier.queries.unplanned("refund-succeeded/refund-1")
    mails = await notifier.queries.channel_totals(Channel.EMAIL, CAUSE)
    return await notifier.queries.totals(CAUSE), mails, [one.counts.people for one in beside]


async def test_who_was_told_is_forgotten_and_how_many_is_kept(notifier: Notifier) -> None:
    """Inboxes are empty, no word of it is left, the sums are what they were, again and again."""
    await told(notifier)
    before = await sums(notifier)
    await swept(notifier, days=89)
    assert len(await notifier.queries.inbox("anna", None, 5)) == 2
    for _ in range(2):
        await swept(notifier, days=2)
        assert await notifier.queries.inbox("anna", None, 5) == []
        assert await sums(notifier) == before
    chunks = await notifier.queries.chunks_of(CAUSE, "", 20)
    assert all(not (one.recipients or one.suppressed or one.told.content) for one in chunks)
    found = await notifier.queries.deliveries(Channel.EMAIL, [one.chunk_id for one in chunks])
    assert found == {}


async def test_nobody_is_told_again_of_what_was_forgotten(notifier: Notifier) -> None:
    """The facts come again from the beginning of their topics: the cause is known, and too old."""
    await told(notifier)
    before = await sums(notifier)
    await swept(notifier, days=91)
    await notifier.hear(verdict_of(3), refunded("anna", 1))
    await settle(notifier)
    assert await notifier.queries.inbox("anna", None, 5) == []
    assert await sums(notifier) == before


async def test_what_is_not_over_is_kept(notifier: Notifier) -> None:
    """A chunk that was never told, and one whose mails wait, stay as they are, however old."""
    with_mail(notifier)
    await notifier.hear(*pledges(BACKERS), verdict_of(3))
    await settle(notifier)
    await add(notifier, a_chunk("pending", "dora", partition=None))
    await swept(notifier, days=91)
    assert len(await notifier.queries.inbox("anna", None, 5)) == 1
    assert len(await notifier.queries.inbox("dora", None, 5)) == 1
    while await notifier.write():
        pass
    await swept(notifier, days=0)
    assert await notifier.queries.inbox("anna", None, 5) == []


@pytest.mark.parametrize("state", ChunkState)
def test_only_what_ended_is_forgotten(state: ChunkState) -> None:
    """Everything else is refused."""
    chunk = Chunk("one", TOLD, ("anna",), 0, state)
    if state in (ChunkState.DONE, ChunkState.WITHDRAWN):
        assert forget(chunk).counts == chunk.counts
        return
    with pytest.raises(Refused):
        forget(chunk)


async def test_a_sweep_and_an_inbox_read_nothing_old(database: Database) -> None:
    """Of a thousand old chunks a sweep reads its page; those that were forgotten nobody reads."""
    notifier = mongo_notifier(database)
    old = [a_chunk(f"old-{number:04}", f"b-{number}") for number in range(1_000)]
    await add(notifier, *old)
    names = [one.chunk_id for one in old]
    await notifier.units.run(lambda unit: unit.chunks.done(names, NOW))
    queries = notifier.queries
    due = await cost_of(database, lambda: queries.old_chunks(NOW, None, PAGE))
    assert due == Cost(documents=PAGE, keys=PAGE, returned=PAGE)
    await notifier.units.run(lambda unit: unit.chunks.shed(names))
    for read in (
        lambda: queries.old_chunks(NOW, None, PAGE),
        lambda: queries.inbox("b-7", None, 5),
    ):
        assert await cost_of(database, read) == Cost(documents=0, keys=0, returned=0)


async def test_a_late_pledge_reads_no_news_of_long_ago(notifier: Notifier) -> None:
    """A campaign's causes are looked at for as long as anybody is told of them."""
    await told(notifier)

    async def found(since: datetime) -> list[str]:
        asked = await notifier.units.run(lambda u: u.causes.of_campaigns([CAMPAIGN], since))
        return [cause.name for cause in asked]

    assert await found(NOW) == [CAUSE]
    assert await found(NOW + timedelta(seconds=1)) == []


@pytest.mark.parametrize("moments", range(4))
async def test_what_is_forgotten_adds_up_wherever_it_dies(
    notifier: Notifier, moments: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One chunk at a time: of each everything is kept, or nothing but how many they were."""
    monkeypatch.setattr("notifier.handlers.retention.PAGE", 1)
    await told(notifier)
    before = await sums(notifier)
    with killed(notifier, moments):
        await swept(notifier, days=KEPT_FOR.days + 1)
    assert await sums(notifier) == before
    await swept(notifier, days=0)
    assert await sums(notifier) == before
    assert await notifier.queries.inbox("anna", None, 5) == []
