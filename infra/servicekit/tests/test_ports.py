"""Each port's promise, held by the one in memory and by the one in MongoDB."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from infra.servicekit.tests.conftest import NOW, Plumbed
from servicekit.errors import Conflict, LeaseLost
from servicekit.set_aside import SetAsideFact
from servicekit.streams import Move, StreamRow
from servicekit.units import Unit
from servicekit.work import Claim, GivesWay, WorkItem
from sosst_contracts.codec import Draft, Record
from sosst_contracts.funding import PledgePlaced
from sosst_contracts.testing import sample

TOPIC, GROUP = "funding.pledges", "readers"
MINUTE = timedelta(minutes=1)


def draft(campaign_id: str) -> Draft:
    return Draft(sample(PledgePlaced, campaign_id=campaign_id), NOW)


async def advance(plumbed: Plumbed, *moves: Move) -> None:
    await plumbed.units.run(lambda unit: unit.plumbing.streams.advance(GROUP, TOPIC, moves))


async def rows(plumbed: Plumbed, *keys: str) -> dict[str, StreamRow]:
    return await plumbed.units.run(lambda unit: unit.plumbing.streams.load(GROUP, TOPIC, keys))


async def offer(plumbed: Plumbed, *items: WorkItem) -> None:
    await plumbed.units.run(lambda unit: unit.plumbing.work.offer(items))


async def claim(plumbed: Plumbed, limit: int = 10, lease_seconds: float = 30) -> list[Claim]:
    return await plumbed.work.claim("refund", plumbed.clock.now(), limit, lease_seconds)


async def confirm(plumbed: Plumbed, claims: Sequence[Claim]) -> None:
    await plumbed.units.run(lambda unit: unit.plumbing.work.confirm(claims))


def item(name: str, priority: int = 100, seconds: int = 0) -> WorkItem:
    return WorkItem(name, "refund", NOW + timedelta(seconds=seconds), priority, {"n": name})


async def test_streams_move_only_from_where_they_were_read(plumbed: Plumbed) -> None:
    """Who lost the partition meets a row that is elsewhere, and saves nothing at all."""
    await advance(plumbed, Move("a", StreamRow(), StreamRow(3)))
    zombie = [Move("b", StreamRow(), StreamRow(1)), Move("a", StreamRow(2), StreamRow(4))]
    with pytest.raises(Conflict):
        await advance(plumbed, *zombie)
    with pytest.raises(Conflict):
        await advance(plumbed, Move("a", StreamRow(), StreamRow(9)))
    await advance(plumbed, Move("a", StreamRow(3), StreamRow(3, waiting=True)))
    assert await rows(plumbed, "a", "b") == {"a": StreamRow(3, True), "b": StreamRow()}


async def test_a_unit_that_raises_leaves_nothing(plumbed: Plumbed) -> None:
    """State, outbox and work are saved together or not at all."""

    async def work(unit: Unit) -> None:
        await unit.plumbing.outbox.add([draft("c1")])
        await unit.plumbing.work.offer([item("one")])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await plumbed.units.run(work)
    assert await plumbed.outbox.page(10) == [] and await claim(plumbed) == []


async def test_sequences_are_gap_free_per_key_whoever_adds(plumbed: Plumbed) -> None:
    """Many writers on two keys: each key counts 1, 2, 3 …, and the page keeps its order."""

    async def add(number: int) -> list[int]:
        drafts = [draft("c1"), draft("c2"), draft("c1")]
        while True:
            try:
                return await plumbed.units.run(lambda unit: unit.plumbing.outbox.add(drafts))
            except Conflict:
                await asyncio.sleep(0)

    given = await asyncio.gather(*(add(number) for number in range(8)))
    assert sorted(s for one in given for s in (one[0], one[2])) == list(range(1, 17))
    page = [row.record for row in await plumbed.outbox.page(100)]
    for key, count in ((b"c1", 16), (b"c2", 8)):
        numbers = [int(dict(r.headers)["ce_sequence"] or b"") for r in page if r.key == key]
        assert numbers == list(range(1, count + 1))
    last = await plumbed.units.run(lambda unit: unit.plumbing.outbox.last_sequence(TOPIC, "c1"))
    assert last == 16


async def test_rows_leave_the_outbox_when_they_are_removed(plumbed: Plumbed) -> None:
    """Removing again is harmless, and a topic that takes nothing can be left out of a page."""
    await plumbed.units.run(lambda unit: unit.plumbing.outbox.add([draft("c1"), draft("c2")]))
    first, second = await plumbed.outbox.page(10)
    await plumbed.outbox.remove([first])
    await plumbed.outbox.remove([first])
    assert [row.id for row in await plumbed.outbox.page(10)] == [second.id]
    assert await plumbed.outbox.page(10, [TOPIC]) == []
    assert (await plumbed.outbox.backlog())[0] == 1


async def test_two_claimers_never_hold_the_same_work(plumbed: Plumbed) -> None:
    """Claimed by many at the same moment, each item stays with the one that got it."""
    await offer(plumbed, *(item(f"i{number}") for number in range(60)))
    taken: list[str] = []
    for _ in range(5):
        claims = await asyncio.gather(*(claim(plumbed, 8) for _ in range(12)))
        for held in claims:
            await confirm(plumbed, held)  # Refused if somebody took one of them meanwhile.
        taken += [one.item.id for held in claims for one in held]
    assert len(taken) == len(set(taken)) > 0


async def test_who_is_beaten_to_work_takes_what_is_behind_it(plumbed: Plumbed) -> None:
    """Two look for the same four of eight at the same moment: neither finds that there is none."""
    await offer(plumbed, *(item(f"i{number}", number) for number in range(8)))
    assert all(await asyncio.gather(claim(plumbed, 4), claim(plumbed, 4)))


async def test_work_goes_by_priority_then_due_and_not_before_it_is_due(plumbed: Plumbed) -> None:
    """An emergency overtakes by order; what is not due is nobody's."""
    await offer(plumbed, item("late", 50, -1), item("later", 50), item("first", 1))
    await offer(plumbed, item("not due", 1, 9))
    assert [one.item.id for one in await claim(plumbed)] == ["first", "late", "later"]


async def test_who_claim_at_the_same_moment_each_get_their_own_best(plumbed: Plumbed) -> None:
    """Kinds, groups and limits are kept apart, however many looks are answered together."""
    others = [replace(item(f"o{n}", 5, -n), id=f"o{n}", kind="stage") for n in range(3)]
    mine = [replace(item(f"g{n}", n, -n), id=f"g{n}", group="g") for n in range(3)]
    await offer(plumbed, item("late", 50, -1), item("first", 1), item("not due", 1, 9))
    await offer(plumbed, *others, *mine)
    now, look = plumbed.clock.now(), plumbed.work.claim
    found = await asyncio.gather(
        look("stage", now, 2, 30),
        look("refund", now, 2, 30, group="g"),
        look("dispute", now, 10, 30),
        look("refund", now, 10, 30, before=0),
    )
    assert [[one.item.id for one in claims] for claims in found] == [
        ["o2", "o1"],
        ["g2", "g1"],
        [],
        [],
    ]
    assert [one.item.id for one in await claim(plumbed)] == ["g0", "first", "late"]


async def test_who_gives_way_claims_only_what_is_urgent_too(plumbed: Plumbed) -> None:
    """From when something urgent of the other kind is due until it is over, also in hand."""
    plans = [WorkItem("usual plan", "plan", NOW, 20), WorkItem("plan", "plan", NOW + MINUTE, 5)]
    await offer(plumbed, *plans, item("not yet", 20))

    async def claimed() -> list[str]:
        way = GivesWay("plan", before=20)
        claims = await plumbed.work.claim("refund", plumbed.clock.now(), 9, 90, gives_way=way)
        return [one.item.id for one in claims]

    assert await claimed() == ["not yet"]
    plumbed.clock.advance(seconds=60)
    await offer(plumbed, item("usual", 20), item("urgent", 19))
    assert await claimed() == ["urgent"]
    in_hand = await plumbed.work.claim("plan", plumbed.clock.now(), 1, 30)
    assert await claimed() == []
    await plumbed.units.run(lambda unit: unit.plumbing.work.finish(in_hand))
    # What is left of the other kind is no more urgent.
    assert await claimed() == ["usual"]


async def test_way_is_given_to_what_was_looked_at_only_while_it_is_in_hand(
    plumbed: Plumbed,
) -> None:
    """It may wait for something, or fail, again and again: nobody stands still until its turn."""
    await offer(plumbed, WorkItem("plan", "plan", NOW, 5), item("first"))
    way = GivesWay("plan", before=20)

    async def claimed() -> list[str]:
        claims = await plumbed.work.claim("refund", plumbed.clock.now(), 9, 90, gives_way=way)
        return [one.item.id for one in claims]

    (looked,) = await plumbed.work.claim("plan", plumbed.clock.now(), 1, 30)
    assert await plumbed.work.postpone(looked, plumbed.clock.now() + MINUTE)
    plumbed.clock.advance(seconds=60)
    assert await claimed() == ["first"]
    await offer(plumbed, item("second"))
    await plumbed.work.claim("plan", plumbed.clock.now(), 1, 30)
    assert await claimed() == []
    # Whoever had it is dead: until somebody else claims it and lets go.
    plumbed.clock.advance(seconds=60)
    assert await claimed() == []
    (again,) = await plumbed.work.claim("plan", plumbed.clock.now(), 1, 30)
    assert await plumbed.work.postpone(again, plumbed.clock.now())
    assert await claimed() == ["second"]


async def test_who_gives_way_finds_what_is_urgent_of_a_group_too(plumbed: Plumbed) -> None:
    """Whose turn it is goes by due: what gives way does not stand before what does not."""
    ours = [replace(item(f"usual {n}", 20, -n), group="g") for n in range(1, 4)]
    await offer(plumbed, *ours, replace(item("urgent", 19), group="g"))
    await offer(plumbed, WorkItem("plan", "plan", NOW, 5))
    way = GivesWay("plan", before=20)
    found = await plumbed.work.claim("refund", NOW, 2, 30, group="g", gives_way=way)
    assert [one.item.id for one in found] == ["urgent"]


async def test_offering_again_leaves_what_is_there(plumbed: Plumbed) -> None:
    """The same id is the same work, also while it is claimed."""
    await offer(plumbed, item("one"))
    await claim(plumbed)
    await offer(plumbed, item("one"))
    assert await claim(plumbed) == []


@pytest.mark.trap(21)
async def test_whoever_lost_the_lease_saves_nothing(plumbed: Plumbed) -> None:
    """After the lease the item is somebody else's: finish, confirm and postpone are refused."""
    await offer(plumbed, item("one"))
    (lost,) = await claim(plumbed, lease_seconds=5)
    plumbed.clock.advance(seconds=6)
    (held,) = await claim(plumbed)
    assert held.attempt == 2 and held.token != lost.token
    with pytest.raises(LeaseLost):
        await plumbed.units.run(lambda unit: unit.plumbing.work.finish([lost]))
    with pytest.raises(LeaseLost):
        await plumbed.units.run(lambda unit: unit.plumbing.work.confirm([lost]))
    with pytest.raises(LeaseLost):
        await plumbed.units.run(lambda unit: unit.plumbing.work.postpone(lost, NOW))
    assert await plumbed.work.postpone(lost, NOW) is False
    assert await plumbed.work.extend([lost], NOW) == 0
    await plumbed.units.run(lambda unit: unit.plumbing.work.confirm([held]))
    await plumbed.units.run(lambda unit: unit.plumbing.work.finish([held]))
    assert (await plumbed.work.backlog("refund")).items == 0


async def test_work_may_be_let_go_of_hastened_and_held_longer(plumbed: Plumbed) -> None:
    """Postponed work waits, hastening wakes it, an extended lease stays ours."""
    await offer(plumbed, item("one"))
    (held,) = await claim(plumbed, lease_seconds=5)
    assert await plumbed.work.extend([held], NOW + timedelta(seconds=60)) == 1
    plumbed.clock.advance(seconds=6)
    assert await claim(plumbed) == []
    assert await plumbed.work.postpone(held, NOW + timedelta(hours=1)) is True

    async def hasten(names: Sequence[str]) -> None:
        due = plumbed.clock.now()
        await plumbed.units.run(lambda unit: unit.plumbing.work.hasten(names, due))

    await hasten(["one", "unknown"])
    (again,) = await claim(plumbed)
    await hasten(["one"])
    assert again.attempt == 2 and await claim(plumbed) == []


async def hasten(plumbed: Plumbed, seconds: float = 0) -> None:
    due = plumbed.clock.now() + timedelta(seconds=seconds)
    await plumbed.units.run(lambda unit: unit.plumbing.work.hasten(["one"], due))


async def postpone_saved(plumbed: Plumbed, held: Claim, due: datetime) -> None:
    await plumbed.units.run(lambda unit: unit.plumbing.work.postpone(held, due))


async def postpone_at_once(plumbed: Plumbed, held: Claim, due: datetime) -> None:
    assert await plumbed.work.postpone(held, due)


@pytest.mark.parametrize("postpone", [postpone_saved, postpone_at_once])
async def test_work_that_is_hastened_while_it_is_claimed_does_not_wait_for_its_pause(
    plumbed: Plumbed, postpone: Callable[[Plumbed, Claim, datetime], Awaitable[None]]
) -> None:
    """Whoever lets go of it for long did not see what it was hastened for; it counts once."""
    later = NOW + timedelta(hours=1)
    await offer(plumbed, item("one"))
    (held,) = await claim(plumbed)
    await hasten(plumbed, seconds=20)
    await hasten(plumbed, seconds=5)
    await hasten(plumbed, seconds=10)
    assert await plumbed.work.extend([held], NOW + timedelta(seconds=60)) == 1
    await postpone(plumbed, held, later)
    assert await claim(plumbed) == []
    plumbed.clock.advance(seconds=5)
    (again,) = await claim(plumbed)
    await postpone(plumbed, again, later)
    plumbed.clock.advance(seconds=30)
    assert again.attempt == 2 and await claim(plumbed) == []


async def test_a_pause_that_ends_before_the_wish_stays(plumbed: Plumbed) -> None:
    """Hastening brings forward, it never puts off."""
    await offer(plumbed, item("one"))
    (held,) = await claim(plumbed)
    await hasten(plumbed, seconds=20)
    await postpone_saved(plumbed, held, NOW + timedelta(seconds=1))
    plumbed.clock.advance(seconds=1)
    assert len(await claim(plumbed)) == 1


async def test_work_that_is_hastened_before_it_is_finished_is_done_again(
    plumbed: Plumbed,
) -> None:
    """It is not over for whoever wants it looked at once more; what nobody wants ends beside it."""
    await offer(plumbed, item("one"), item("other"))
    held = await claim(plumbed)
    await hasten(plumbed)
    await plumbed.units.run(lambda unit: unit.plumbing.work.finish(held))
    (again,) = await claim(plumbed)
    assert (again.item.id, again.attempt) == ("one", 2)
    with pytest.raises(LeaseLost):
        await plumbed.units.run(lambda unit: unit.plumbing.work.finish(held))
    await plumbed.units.run(lambda unit: unit.plumbing.work.finish([again]))
    assert (await plumbed.work.backlog("refund")).items == 0


async def test_who_claims_after_a_lost_lease_sees_what_it_was_hastened_for(
    plumbed: Plumbed,
) -> None:
    """The wish is met by any look that begins after it: the next pause is whole."""
    await offer(plumbed, item("one"))
    await claim(plumbed, lease_seconds=5)
    await hasten(plumbed)
    plumbed.clock.advance(seconds=6)
    (held,) = await claim(plumbed)
    await postpone_saved(plumbed, held, NOW + timedelta(hours=1))
    assert await claim(plumbed) == []


async def test_a_wish_that_is_saved_after_the_work_was_let_go_of_is_not_lost(
    plumbed: Plumbed,
) -> None:
    """Also where the work was claimed and let go of in between: whoever looked saw nothing yet."""
    await offer(plumbed, item("one"))
    (held,) = await claim(plumbed)
    await hasten(plumbed)
    asked, go_on = asyncio.Event(), asyncio.Event()
    move = Move("a", StreamRow(), StreamRow(1))

    async def wish(unit: Unit) -> None:
        await unit.plumbing.streams.load(GROUP, TOPIC, ["a"])
        asked.set()
        await go_on.wait()
        await unit.plumbing.streams.advance(GROUP, TOPIC, [move])
        await unit.plumbing.work.hasten(["one"], NOW)

    async def let_go_and_look_again() -> StreamRow:
        await postpone_saved(plumbed, held, NOW + timedelta(hours=1))
        (again,) = await claim(plumbed)
        seen = await rows(plumbed, "a")
        await postpone_saved(plumbed, again, NOW + timedelta(hours=1))
        return seen["a"]

    wishing = asyncio.create_task(plumbed.units.run(wish))
    await asked.wait()
    looking = asyncio.create_task(let_go_and_look_again())
    await asyncio.wait([looking], timeout=0.5)
    go_on.set()
    await wishing
    # In memory the look waits for the wish, and has seen what it is about.
    assert await looking == move.after or len(await claim(plumbed)) == 1


async def test_equal_priorities_go_by_due_whatever_the_order_of_offering(
    plumbed: Plumbed,
) -> None:
    """The order holds within one claim, too."""
    await offer(plumbed, item("third", 5, -1), item("second", 5, -2), item("first", 5, -3))
    assert [one.item.id for one in await claim(plumbed)] == ["first", "second", "third"]


async def test_a_row_that_stands_at_its_beginning_moves_on(plumbed: Plumbed) -> None:
    """Whether it was never written or came back to where it began makes no difference."""
    began = StreamRow()
    held = StreamRow(0, waiting=True)
    await advance(plumbed, Move("a", began, held))
    await advance(plumbed, Move("a", held, began))
    await advance(plumbed, Move("a", began, StreamRow(1)))
    assert await rows(plumbed, "a") == {"a": StreamRow(1)}


async def test_groups_and_topics_do_not_share_rows(plumbed: Plumbed) -> None:
    """The same key moves for each (group, topic) by itself."""
    await advance(plumbed, Move("a", StreamRow(), StreamRow(3)))

    async def others(unit: Unit) -> list[StreamRow]:
        streams = unit.plumbing.streams
        found = [await streams.load("others", TOPIC, ["a"])]
        found.append(await streams.load(GROUP, "payouts.refunds", ["a"]))
        return [one["a"] for one in found]

    assert await plumbed.units.run(others) == [StreamRow(), StreamRow()]


def aside(number: int, sequence: int | None = None, **changes: Any) -> SetAsideFact:
    record = Record(TOPIC, b"\xff", None, (("ce_id", None), ("x", b"\xfe")))
    values: dict[str, Any] = {
        "group": GROUP,
        "topic": TOPIC,
        "key": "a",
        "reason": "bad",
        "detail": "for a test",
        "retryable": sequence is None,
        "set_aside_at": NOW + timedelta(seconds=number),
    }
    return SetAsideFact(
        id=f"fact-{number}",
        sequence=sequence,
        record=record,
        partition=1,
        offset=number,
        **(values | changes),
    )


async def test_set_aside_facts_come_back_whole_and_in_order(plumbed: Plumbed) -> None:
    """Bytes, headers and place as they were; a key's by sequence, loose ones by age."""
    sequenced = [aside(1, 9), aside(2, 8), aside(3, 7, key="b"), aside(4, 6, group="others")]
    loose = [aside(6), aside(5), aside(7, topic="payouts.refunds"), aside(8, retryable=False)]

    async def work(unit: Unit) -> None:
        kept = unit.plumbing.set_aside
        await kept.add([*sequenced, *loose])
        await kept.add([])
        assert await kept.waiting(GROUP, TOPIC, ["a", "c"]) == {
            "a": [sequenced[1], sequenced[0]],
            "c": [],
        }
        first = await kept.retryable(GROUP, TOPIC, 1)
        assert first == [loose[1]]
        assert await kept.retryable(GROUP, TOPIC, 5, first[0]) == [loose[0]]

    await plumbed.units.run(work)


async def test_a_fact_set_aside_again_is_replaced_and_forgotten_once(plumbed: Plumbed) -> None:
    """The same id is the same fact; forgetting what is not there is harmless."""

    async def work(unit: Unit) -> None:
        kept = unit.plumbing.set_aside
        await kept.add([aside(1, 1)])
        await kept.add([aside(1, 1, reason="worse"), aside(2, 2)])
        assert [one.reason for one in (await kept.waiting(GROUP, TOPIC, ["a"]))["a"]] == [
            "worse",
            "bad",
        ]
        assert await kept.count("a") == 2
        await kept.remove(["fact-1", "fact-1", "unknown"])
        await kept.remove([])
        assert await kept.count("a") == 1

    await plumbed.units.run(work)


async def test_transactions_on_one_key_commit_in_the_order_of_their_sequences(
    plumbed: Plumbed,
) -> None:
    """Whenever a page is read in between, it never shows a sequence without those before it."""
    pages: list[list[int]] = []
    adding = True

    async def add() -> None:
        while True:
            try:
                await plumbed.units.run(lambda unit: unit.plumbing.outbox.add([draft("c1")]))
                return
            except Conflict:
                await asyncio.sleep(0)

    async def read() -> None:
        while adding:
            page = await plumbed.outbox.page(100)
            pages.append([int(dict(r.record.headers)["ce_sequence"] or b"") for r in page])
            await asyncio.sleep(0)

    reading = asyncio.create_task(read())
    await asyncio.gather(*(add() for _ in range(20)))
    adding = False
    await reading
    pages.append([row.sequence for row in await plumbed.outbox.page(100)])
    assert all(page == list(range(1, len(page) + 1)) for page in pages)
    assert len(pages[-1]) == 20


async def test_a_page_shows_only_what_was_committed(plumbed: Plumbed) -> None:
    """What a transaction added and then undid was never there for the relay."""
    added, go_on = asyncio.Event(), asyncio.Event()

    async def work(unit: Unit) -> None:
        await unit.plumbing.outbox.add([draft("c1")])
        added.set()
        await go_on.wait()
        raise ZeroDivisionError

    unit = asyncio.create_task(plumbed.units.run(work))
    await added.wait()
    page = asyncio.create_task(plumbed.outbox.page(10))
    await asyncio.wait([page], timeout=0.2)
    go_on.set()
    assert await page == []
    with pytest.raises(ZeroDivisionError):
        await unit


async def test_a_claim_outlives_somebody_elses_undone_transaction(plumbed: Plumbed) -> None:
    """A claim is no part of any unit of work: undoing one does not give the item away again."""
    await offer(plumbed, item("one"))
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(unit: Unit) -> None:
        await unit.plumbing.outbox.add([draft("c1")])
        begun.set()
        await go_on.wait()
        raise ZeroDivisionError

    unit = asyncio.create_task(plumbed.units.run(work))
    await begun.wait()
    claiming = asyncio.create_task(claim(plumbed))
    await asyncio.wait([claiming], timeout=0.2)
    go_on.set()
    with pytest.raises(ZeroDivisionError):
        await unit
    assert len(await claiming) == 1 and await claim(plumbed) == []
