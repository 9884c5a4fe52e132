"""Where people stand: an inbox finds what they were told, and reads little beside it."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.servicekit.tests.costs import cost_of
from notifier.adapters import places
from notifier.adapters.documents import chunk_document
from notifier.domain.cause import Cause, CauseState, Told
from notifier.domain.chunk import Chunk, stays_of, without
from notifier.handlers.cut import CutCauses
from notifier.ports.unit import Departure, Membership
from servicekit.mongo import Database, Document
from services.notifier.tests.builders import CAMPAIGN, NOW, PARTITIONS, Notifier
from services.notifier.tests.chunks import TOLD, of_one_partition
from services.notifier.tests.conftest import mongo_notifier

CAUSES = 3_000
SEQUENCES = st.lists(st.integers(0, 9), max_size=6)

# Who joined as of which sequence, and left as of which: a pledge each.
Pledges = list[tuple[str, int, int | None]]


async def join(notifier: Notifier, pledges: Pledges) -> None:
    joined = [
        Membership(CAMPAIGN, who, f"pledge-{number}", joined=begin, key_hash=0)
        for number, (who, begin, _) in enumerate(pledges)
    ]
    left = [
        Departure(CAMPAIGN, who, f"pledge-{number}", end)
        for number, (who, _, end) in enumerate(pledges)
        if end is not None
    ]
    await notifier.units.run(lambda unit: unit.memberships.add(joined))
    await notifier.units.run(lambda unit: unit.memberships.leave(left))


def told(number: int, minutes: int) -> Told:
    return replace(TOLD, subject=f"c{number:04}", caused_at=NOW + timedelta(minutes=minutes))


def a_cut(one: Told, as_of: int, *people: str) -> Document:
    chunk = Chunk(f"{one.cause}|000|000000", one, tuple(sorted(people)), 0, as_of=as_of)
    return chunk_document(chunk)


@given(SEQUENCES, SEQUENCES)
def test_somebody_stays_as_of_exactly_what_an_audience_has_them(
    joined: list[int], left: list[int]
) -> None:
    """In whichever order they pledged and withdrew, of however many pledges; stays do not touch."""
    stays = stays_of(joined, left)
    for as_of in range(11):
        members = [("me", 0) for at in joined if at <= as_of]
        kept = without(members, Counter(me=sum(at <= as_of for at in left)))
        inside = [one for one in stays if one.joined <= as_of < (one.left or 11)]
        assert len(inside) == bool(kept)
    ends = [end for one in stays for end in (one.joined, one.left) if end is not None]
    assert ends == sorted(set(ends))


async def test_an_inbox_finds_every_plan_in_which_somebody_stands(notifier: Notifier) -> None:
    """Of those who joined late, withdrew one of two pledges or all, and pledged again.

    The order of their causes in time says nothing of what each was told as of.
    """
    first, once, twice, back, last = people = of_one_partition(5)
    pledges: Pledges = [(first, 0, None), (last, 0, None), (once, 4, 7)]
    pledges += [(twice, 2, 5), (twice, 3, None), (back, 1, 3), (back, 6, 8), (back, 9, None)]
    await join(notifier, pledges)
    stands: dict[str, set[str]] = {one: set() for one in people}
    cut = CutCauses(notifier.audience, PARTITIONS, recipients_max=3)
    for as_of in range(11):
        cause = Cause(told(as_of, as_of * 7 % 11), as_of, None, CauseState.WAITING, NOW)
        async for chunks in cut.pages(cause, await cut.planner(cause)):
            await notifier.audience.store(chunks)
            for chunk in chunks:
                for one in chunk.recipients:
                    stands[one].add(chunk.chunk_id)
    assert [len(stands[one]) for one in people] == [11, 3, 9, 6, 11]
    for who in people:
        entries = await notifier.queries.inbox(who, None, 20)
        found = [entry.chunk.chunk_id for entry in entries]
        assert len(found) == len(stands[who]) and set(found) == stands[who]
        assert [entry.place for entry in entries] == sorted(
            (e.place for e in entries), reverse=True
        )
        assert await notifier.queries.unread(who, None, 20) == len(found)
        for entry in entries:
            at = entry.chunk.told.caused_at
            assert [one.chunk_id for one in await notifier.queries.told_at(who, at)] == [
                entry.chunk.chunk_id
            ]


async def test_a_page_reads_no_chunk_of_causes_that_somebody_does_not_belong_to(
    database: Database,
) -> None:
    """Of 3 000 causes of a campaign: of who joined late, who left early, and who came back.

    Each has a place in every chunk. A cause before they joined, or behind they left, is a
    key, for each of their stays.
    """
    first, late, early, back, last = of_one_partition(5)
    notifier = mongo_notifier(database)
    pledges: Pledges = [(late, 2_940, None), (early, 0, 60), (back, 30, 60), (back, 2_990, None)]
    await join(notifier, pledges)

    def audience(as_of: int) -> list[str]:
        stay = {
            late: as_of >= 2_940,
            early: as_of < 60,
            back: 30 <= as_of < 60 or as_of >= 2_990,
        }
        return [first, last, *(who for who, stays in stay.items() if stays)]

    rows = [a_cut(told(n, n), n, *audience(n)) for n in range(CAUSES)]
    await database.collection("chunks").insert_many(rows)
    queries = notifier.queries
    for who, of_all, stays in ((late, 60, 1), (early, 60, 1), (back, 40, 2)):
        entries = await queries.inbox(who, None, 99)
        assert len(entries) == of_all
        for place in (None, entries[9].place):
            cost = await cost_of(
                database, lambda who=who, place=place: queries.inbox(who, place, 50), "chunks"
            )
            assert (cost.sorted, cost.scanned) == (False, False)
            # What the page before ended with is looked at once more.
            assert cost.documents <= 52, cost
            assert cost.keys <= stays * CAUSES + 4 * 52, cost
        cost = await cost_of(database, lambda who=who: queries.unread(who, None, 99), "chunks")
        assert cost.documents == of_all, cost
    # Where the page is full before it comes to them they are not even keys.
    cost = await cost_of(database, lambda: queries.inbox(late, None, 50), "chunks")
    assert cost.keys <= 4 * 52, cost


async def test_a_plan_of_a_release_before_is_found_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That one did not say as of when: whoever stayed twice, or not at all by now, still has it.

    Also where it is asked for some stays after the others.
    """
    monkeypatch.setattr(places, "STAYS_AT_ONCE", 1)
    me, other, gone, last = of_one_partition(4)
    notifier = mongo_notifier(database)
    await join(notifier, [(me, 1, 3), (me, 6, 8), (other, 9, None), (gone, 0, 1)])
    old, new = a_cut(told(1, 1), 7, me, gone, last), a_cut(told(2, 2), 7, me, last)
    del old["as_of"]
    await database.collection("chunks").insert_many([old, new])
    for who, names in ((me, [new["_id"], old["_id"]]), (gone, [old["_id"]]), (other, [])):
        entries = await notifier.queries.inbox(who, None, 9)
        assert [one.chunk.chunk_id for one in entries] == names
        assert await notifier.queries.unread(who, None, 9) == len(names)


async def test_what_was_forgotten_has_left_the_indexes_of_inboxes(database: Database) -> None:
    """A plan's chunk and one beside plans alike: not even an empty key is left there."""
    me, other = of_one_partition(2)
    notifier = mongo_notifier(database)
    planned = Chunk("planned", TOLD, (me, other), 0, as_of=1)
    beside = Chunk("beside", TOLD, (me, other), None)
    await notifier.units.run(lambda unit: unit.chunks.add_new([planned, beside]))
    await notifier.units.run(lambda unit: unit.chunks.done(["planned", "beside"], NOW))
    assert await _keys(database) == {"campaign_id": 1, "recipients": 2, "caused_at": 2}
    await notifier.units.run(lambda unit: unit.chunks.shed(["planned", "beside"]))
    assert await _keys(database) == {"campaign_id": 0, "recipients": 0, "caused_at": 0}


async def _keys(database: Database) -> dict[str, int]:
    """Return how many keys each index has that begins so."""
    name = database.collection("chunks").name
    keys = (await database.command("validate", name))["keysPerIndex"]
    begins = ("campaign_id", "recipients", "caused_at")
    return {one: sum(n for index, n in keys.items() if index.startswith(one)) for one in begins}
