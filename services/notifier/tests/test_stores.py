"""One suite for the stores: the fakes and the real ones keep the same promises."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from infra.servicekit.tests.costs import Cost, cost_of
from notifier.adapters.documents import chunk_document
from notifier.domain.cause import Cause, CauseState, Totals, hear, plan
from notifier.domain.chunk import Chunk, ChunkState, Member
from notifier.ports.unit import Departure, Membership, NotifierUnit
from servicekit.errors import Conflict
from servicekit.mongo import Database
from servicekit.publish import partition_of
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    PARTITIONS,
    Notifier,
    pledges,
    settle,
    update,
)
from services.notifier.tests.chunks import TOLD, a_chunk, add, of_one_partition
from services.notifier.tests.conftest import mongo_notifier

pytestmark = pytest.mark.port


def membership(number: int, backer: str, campaign: str = CAMPAIGN) -> Membership:
    return Membership(campaign, backer, f"pledge-{number}", joined=number, key_hash=number)


async def save(notifier: Notifier, *causes: Cause) -> None:
    await notifier.units.run(lambda unit: unit.causes.save(causes))


async def members(notifier: Notifier, until: int) -> list[Member]:
    pages = notifier.audience.members(CAMPAIGN, until)
    return [member async for page in pages for member in page]


async def belonging(notifier: Notifier, *backers: str, until: int) -> set[str]:
    return await notifier.units.run(
        lambda unit: unit.memberships.belonging(CAMPAIGN, backers, until)
    )


async def test_members_come_in_order_as_of_n(notifier: Notifier) -> None:
    """The audience is one campaign's memberships up to N, by backer's id."""
    joined = [membership(1, "b"), membership(2, "Zoé"), membership(3, "a"), membership(4, "c")]
    joined.append(membership(1, "elsewhere", "campaign-2"))
    await notifier.units.run(lambda unit: unit.memberships.add(joined))
    assert await members(notifier, 3) == [("Zoé", 2), ("a", 3), ("b", 1)]
    assert await members(notifier, 0) == []


async def test_whoever_left_is_no_member_from_then_on(notifier: Notifier) -> None:
    """One of two pledges leaves the person there; as of an earlier N everybody still is."""
    joined = [membership(1, "a"), membership(2, "a"), membership(3, "b"), membership(4, "c")]
    left = [Departure(CAMPAIGN, "a", "pledge-2", 5), Departure(CAMPAIGN, "b", "pledge-3", 6)]
    left.append(Departure("campaign-2", "c", "pledge-4", 5))

    async def leave() -> None:
        await notifier.units.run(lambda unit: unit.memberships.leave(left))

    await notifier.units.run(lambda unit: unit.memberships.add(joined))
    for _ in range(2):
        await leave()
    names = {n: [backer_id for backer_id, _ in await members(notifier, n)] for n in (4, 5, 6)}
    assert names == {4: ["a", "a", "b", "c"], 5: ["a", "b", "c"], 6: ["a", "c"]}
    memberships = {n: await belonging(notifier, "a", "b", "d", until=n) for n in (0, 1, 4, 5, 6)}
    assert memberships == {0: set(), 1: {"a"}, 4: {"a", "b"}, 5: {"a", "b"}, 6: {"a"}}
    assert await notifier.units.run(lambda unit: unit.memberships.has_backed(CAMPAIGN, "b"))
    assert not await notifier.units.run(lambda unit: unit.memberships.has_backed("campaign-2", "b"))


async def test_a_withdrawal_knows_when_it_was(notifier: Notifier) -> None:
    """At that instant it had been made; one that was kept without an instant never says so."""
    left = [Departure(CAMPAIGN, "a", "p1", 2, NOW), Departure(CAMPAIGN, "b", "p2", 3)]
    left.append(Departure("campaign-2", "c", "p3", 1, NOW))
    await notifier.units.run(lambda unit: unit.memberships.leave(left))

    async def left_by(at: datetime) -> set[str]:
        pledges = ["p1", "p2", "p3"]
        return await notifier.units.run(lambda u: u.memberships.left_by(CAMPAIGN, pledges, at))

    assert await left_by(NOW) == {"p1"}
    assert await left_by(NOW - timedelta(milliseconds=1)) == set()


async def test_cause_is_kept_whole(notifier: Notifier) -> None:
    """What was saved is loaded, content and instants included; unknown names are left out."""
    await save(notifier, hear(TOLD, 7, 3, NOW))
    loaded = await notifier.units.run(lambda unit: unit.causes.load(["other", TOLD.cause]))
    assert loaded == {TOLD.cause: replace(hear(TOLD, 7, 3, NOW), version=1)}
    assert await notifier.queries.cause(TOLD.cause) == loaded[TOLD.cause]
    assert await notifier.queries.cause("other") is None


async def test_cause_saved_by_somebody_else(notifier: Notifier) -> None:
    """A cause that was saved since it was loaded is a conflict and stays as it was saved."""
    await save(notifier, hear(TOLD, 7, None, NOW))
    [loaded] = await notifier.queries.causes(CAMPAIGN)
    await save(notifier, plan(loaded, 3, NOW))
    with pytest.raises(Conflict):
        await save(notifier, plan(loaded, 4, NOW))
    [kept] = await notifier.queries.causes(CAMPAIGN)
    assert kept.audience == 3


async def test_incomplete_causes(notifier: Notifier) -> None:
    """Waiting and planned causes are found, the oldest first, completed ones are not."""
    for minutes, state in enumerate([CauseState.COMPLETED, CauseState.PLANNED, CauseState.WAITING]):
        told = replace(TOLD, subject=state.value)
        heard_at = NOW - timedelta(minutes=minutes)
        await save(notifier, Cause(told, 7, None, state, heard_at))
    found = await notifier.queries.incomplete(10)
    assert [cause.state for cause in found] == [CauseState.WAITING, CauseState.PLANNED]
    assert len(await notifier.queries.incomplete(1)) == 1


async def test_chunk_is_inserted_once(notifier: Notifier) -> None:
    """Of chunks that are there already only the new ones are returned, and nothing changes."""
    first, changed = a_chunk("one", "a", "b"), a_chunk("one", "c")
    assert await add(notifier, first) == [first]
    second = a_chunk("two", "d")
    assert await add(notifier, changed, second) == [second]
    assert await notifier.queries.chunk("one") == first
    assert await notifier.queries.chunk("three") is None


async def test_planner_stores_again(notifier: Notifier) -> None:
    """Storing a plan again, also one that grew, keeps the first chunks and adds the rest."""
    first, second = a_chunk("one", "a"), a_chunk("two", "b")
    await notifier.audience.store([first])
    await notifier.audience.store([a_chunk("one", "x"), second])
    loaded = await notifier.units.run(lambda unit: unit.chunks.load(["one", "two"]))
    assert loaded == {"one": first, "two": second}


async def test_totals_are_of_planned_chunks(notifier: Notifier) -> None:
    """Delivered and pending are summed over the cause's chunks; doing it again adds nothing."""
    one_person = a_chunk("single", "z", partition=None)
    await add(notifier, a_chunk("one", "a", "b"), a_chunk("two", "c"), one_person)
    for _ in range(2):
        await notifier.units.run(lambda unit: unit.chunks.done(["one"], NOW))
        inside = await notifier.units.run(lambda unit: unit.chunks.totals(TOLD.cause))
        assert inside == Totals(delivered=2, pending=1)
    assert await notifier.queries.totals(TOLD.cause) == Totals(delivered=2, pending=1)
    assert await notifier.queries.totals("other") == Totals(delivered=0, pending=0)
    chunk = await notifier.queries.chunk("one")
    assert chunk is not None and chunk.state is ChunkState.DONE


def a_plans_chunk(name: str, *recipients: str, minutes: int = 0) -> Chunk:
    """A chunk as a plan cuts it: its people are in order, and of the partition of the first."""
    partition = partition_of(recipients[0].encode(), PARTITIONS)
    return a_chunk(name, *sorted(recipients), minutes=minutes, partition=partition)


async def test_inbox_pages_meet(notifier: Notifier) -> None:
    """Pages of any size give each entry once, newest first, also where instants are equal.

    Of plans and beside them alike.
    """
    await notifier.units.run(lambda unit: unit.memberships.add([membership(1, "me")]))
    chunks = [
        a_plans_chunk(f"chunk-{n}", "me", f"other-{n}", minutes=n // 3)
        if n % 2
        else a_chunk(f"chunk-{n}", "me", f"other-{n}", minutes=n // 3, partition=None)
        for n in range(10)
    ]
    await add(notifier, *chunks, a_chunk("not-mine", "other"))
    for limit in (1, 2, 3, 10):
        seen: list[str] = []
        place = None
        while page := await notifier.queries.inbox("me", place, limit):
            assert len(page) <= limit
            assert all(entry.chunk.recipients == ("me",) for entry in page)
            seen += [entry.chunk.chunk_id for entry in page]
            place = page[-1].place
        assert seen == [f"chunk-{n}" for n in reversed(range(10))]


async def test_who_is_hushed_is_not_told(notifier: Notifier) -> None:
    """By a plan's chunk, and by one beside it; of another cause nobody is asked."""
    first, second, late, other = of_one_partition(4)
    planned = replace(a_plans_chunk("plan", first, second), suppressed={second: "refunded"})
    supplement = Chunk("late", TOLD, (late,), 0, supplement=True, suppressed={late: "refunded"})
    beside = a_chunk("beside", other, partition=None)
    await add(notifier, planned, supplement, beside)
    people, elsewhere = [first, second, late, other], replace(TOLD, subject="another")

    async def found(unit: NotifierUnit) -> list[set[str]]:
        return [
            await unit.chunks.hushed_among(TOLD, people),
            await unit.chunks.told_beside(TOLD, people),
            await unit.chunks.hushed_among(TOLD, [first]),
            await unit.chunks.hushed_among(elsewhere, people),
        ]

    assert await notifier.units.run(found) == [{second, late}, {other}, set(), set()]


async def test_where_nobody_is_hushed_no_chunk_is_read_for_it(database: Database) -> None:
    """The sums' index says so, of a plan of any size."""
    rows = [chunk_document(a_plans_chunk(f"plan-{one}", one)) for one in of_one_partition(50)]
    await database.collection("chunks").insert_many(rows)
    run = mongo_notifier(database).units.run
    people = of_one_partition(50)
    cost = await cost_of(
        database, lambda: run(lambda unit: unit.chunks.hushed_among(TOLD, people)), "chunks"
    )
    assert (cost.documents, cost.returned, cost.scanned) == (0, 0, False)


async def test_whoever_stands_between_two_others_stands_in_their_chunk_or_in_none(
    notifier: Notifier,
) -> None:
    """A plan's chunk is found by each of its people, the first and the last, and by nobody else.

    So is a supplement by its own person, where another chunk begins before them and ends behind.
    """
    first, inside, late, last, behind = people = of_one_partition(5)
    joined = [membership(number, who) for number, who in enumerate(people, 1)]
    await notifier.units.run(lambda unit: unit.memberships.add(joined))
    supplement = Chunk("supplement", TOLD, (late,), 0, supplement=True)
    next_one = a_plans_chunk("next", last, behind, minutes=1)
    await add(notifier, a_plans_chunk("plan", first, inside, last), supplement, next_one)

    async def found(who: str) -> list[str]:
        entries = await notifier.queries.inbox(who, None, 9)
        assert await notifier.queries.unread(who, None, 9) == len(entries)
        at = [one.chunk_id for one in await notifier.queries.told_at(who, NOW)]
        names = [one.chunk.chunk_id for one in entries]
        assert at == [one for one in names if one != "next"]
        return names

    expected = [["plan"], ["plan"], ["supplement"], ["next", "plan"], ["next"]]
    assert [await found(who) for who in people] == expected


async def test_whatever_people_are_called_a_plan_tells_each_and_each_finds_it(
    notifier: Notifier,
) -> None:
    """Chunks of two, found by an order that is ours, Python's and MongoDB's at once.

    Ids that are equal but for case or accents, begin alike, or are beyond what UTF-16 has in one
    unit, which orders them otherwise.
    """
    marks = ["", "\0", "\t", "A", "a", "é", "e\u0301", "ﬀ", "日", "\ue000", "\uffff", "😀"]
    people = [f"{first}{second}" for first in marks for second in marks[1:]]
    notifier.recipients_max = 2
    await notifier.hear(*pledges(people), update(len(people), len(people)))
    await settle(notifier)
    [cause] = await notifier.queries.causes(CAMPAIGN)
    assert (cause.state, cause.audience) == (CauseState.COMPLETED, len(set(people)))
    for who in people:
        assert len(await notifier.queries.inbox(who, None, 9)) == 1, ascii(who)
    for stranger in ("b", "AAA", "é\0\0", "\U0010ffff"):
        assert await notifier.queries.inbox(stranger, None, 9) == []


async def test_chunks_of_a_release_before_are_found_by_each_of_their_people(
    database: Database,
) -> None:
    """That one stored a plan's without whom it begins and ends with."""
    old = chunk_document(a_plans_chunk("old", "me", "you"))
    del old["first"], old["last"]
    await database.collection("chunks").insert_one(old)
    notifier = mongo_notifier(database)
    assert [one.chunk.chunk_id for one in await notifier.queries.inbox("you", None, 9)] == ["old"]
    since = await notifier.units.run(lambda unit: unit.chunks.told_since(CAMPAIGN, ["me"], NOW, 9))
    assert since == ["old"]


async def test_watermark_never_goes_back(notifier: Notifier) -> None:
    """Reading moves forward only, each person for themselves."""
    assert await notifier.queries.read_until("me") is None
    assert await notifier.queries.mark_read("me", NOW) == NOW
    assert await notifier.queries.mark_read("me", NOW - timedelta(days=1)) == NOW
    assert await notifier.queries.read_until("me") == NOW
    assert await notifier.queries.read_until("you") is None


async def test_the_creator_of_a_campaign_is_who_was_told_first(notifier: Notifier) -> None:
    """The same fact again, or a later one, changes nothing; an unknown campaign is nobody's."""
    for creators in ({CAMPAIGN: "anna", "campaign-2": "ben"}, {CAMPAIGN: "mallory"}, {}):
        await notifier.units.run(lambda unit, told=creators: unit.creators.add(told))
    assert await notifier.queries.creator(CAMPAIGN) == "anna"
    assert await notifier.queries.creator("campaign-2") == "ben"
    assert await notifier.queries.creator("campaign-3") is None
    teams = {CAMPAIGN: ["carol", "dora"], "campaign-3": ["emil"]}
    await notifier.units.run(lambda unit: unit.creators.set_teams(teams))
    assert await notifier.queries.team(CAMPAIGN) == ["anna", "carol", "dora"]
    assert await notifier.queries.team("campaign-2") == ["ben"]
    assert await notifier.queries.team("campaign-3") is None


async def test_a_page_of_a_long_inbox_reads_a_page(database: Database) -> None:
    """Of ten thousand notifications, anywhere: and one more, which says if an instant goes on."""
    told = [
        replace(TOLD, subject=f"c{number:04}", caused_at=NOW + timedelta(seconds=number))
        for number in range(10_000)
    ]
    chunks = [Chunk(one.cause, one, ("reader",), None) for one in told]
    chunks += [Chunk(f"other-{one.cause}", one, ("other",), None) for one in told[:1_000]]
    await database.collection("chunks").insert_many([chunk_document(one) for one in chunks])
    queries = mongo_notifier(database).queries
    # What the page before ended with is looked at once more.
    for place, read in ((None, 51), ((told[60].caused_at, told[60].cause), 52)):
        cost = await cost_of(database, lambda place=place: queries.inbox("reader", place, 50))
        assert cost == Cost(documents=read, keys=read, returned=51)


async def test_a_page_of_a_long_inbox_reads_a_page_of_plans(database: Database) -> None:
    """Of ten thousand causes of 250 campaigns, cut into chunks before the reader's and behind.

    A page of each handful of campaigns; beside it keys, of each campaign and of the chunks before.
    """
    campaigns = [f"{CAMPAIGN}-{number}" for number in range(250)]
    before, reader, behind = of_one_partition(3)
    rows = []
    for number in range(10_000):
        told = replace(
            TOLD,
            subject=f"c{number:04}",
            campaign_id=campaigns[number % 250],
            caused_at=NOW + timedelta(seconds=number),
        )
        rows += [
            chunk_document(replace(a_plans_chunk(f"{told.cause}|{who}", who), told=told))
            for who in (before, reader, behind)
        ]
    await database.collection("chunks").insert_many(rows)
    notifier = mongo_notifier(database)
    joined = [membership(number, reader, one) for number, one in enumerate(campaigns)]
    await notifier.units.run(lambda unit: unit.memberships.add(joined))
    queries = notifier.queries
    (*_, last) = await queries.inbox(reader, None, 50)
    for place in (None, last.place):
        cost = await cost_of(
            database, lambda place=place: queries.inbox(reader, place, 50), "chunks"
        )
        assert (cost.sorted, cost.scanned) == (False, False)
        assert cost.documents <= 3 * 53 and cost.keys <= 4 * (3 * 53 + 250), cost
    cost = await cost_of(database, lambda: queries.unread(reader, NOW, 100), "chunks")
    assert cost.documents == 100 and cost.keys <= 4 * (100 + 250), cost


async def test_words_go_with_the_last_of_those_who_heard_them(notifier: Notifier) -> None:
    """Erased at once, or one after the other and again; nobody else loses theirs, nor a plan's."""
    several = a_chunk("several", "a", "b", "$c", partition=None)
    await add(notifier, several, a_chunk("alone", "a", partition=None), a_chunk("planned", "a"))

    async def left(*people: str) -> list[str]:
        """Forget these; return which chunks still have words."""
        names = ["several", "alone", "planned"]
        await notifier.units.run(lambda unit: unit.chunks.forget(people))
        found = await notifier.units.run(lambda unit: unit.chunks.load(names))
        assert [found[name].counts.people for name in names] == [3, 1, 1]
        return [name for name in names if found[name].told.content]

    assert await left("d", "$e") == ["several", "alone", "planned"]
    for _ in range(2):
        assert await left("a") == ["several", "planned"]
    assert await left("b") == ["several", "planned"]
    assert await left("$c", "d") == ["planned"]


async def test_an_erasure_reads_what_was_told_to_its_person(database: Database) -> None:
    """By the index of inboxes; of two thousand other people's chunks none."""
    chunks = [a_chunk(f"other-{number}", "b", partition=None) for number in range(2_000)]
    chunks += [a_chunk(f"mine-{number}", "a", "b", partition=None) for number in range(20)]
    await database.collection("chunks").insert_many([chunk_document(one) for one in chunks])
    run = mongo_notifier(database).units.run
    cost = await cost_of(database, lambda: run(lambda unit: unit.chunks.forget(["a"])), "chunks")
    # The key behind theirs ends it.
    assert cost == Cost(documents=20, keys=21, returned=0)
