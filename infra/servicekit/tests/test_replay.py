"""Trying set-aside facts again, and giving them up: order per key and the waiting flag hold."""

import asyncio

import pytest

from infra.servicekit.tests.conftest import NOW, Plumbed
from infra.servicekit.tests.reader import Reader, fact, payment, spoilt
from infra.servicekit.tests.test_ports import rows
from servicekit.audit import AuditEntry
from servicekit.set_aside import Search, SetAsideFact
from servicekit.streams import StreamRow

ROW = "k"


async def search(plumbed: Plumbed, wanted: Search, after: str = "", limit: int = 10) -> list[str]:
    found = await plumbed.units.run(
        lambda unit: unit.plumbing.set_aside.search(wanted, after, limit)
    )
    return [one.id for one in found]


async def whole(reader: Reader, sequence: int) -> SetAsideFact:
    fact_id = f"readers|{reader.topic}|k|{sequence}"
    found = await reader.plumbed.units.run(lambda unit: unit.plumbing.set_aside.load(fact_id))
    assert found is not None
    return found


async def row(reader: Reader) -> StreamRow:
    return (await rows(reader.plumbed, ROW))[ROW]


async def test_facts_are_found_by_topic_key_and_reason_in_pages(plumbed: Plumbed) -> None:
    """In order of id, a page behind the other; the reason by how it begins."""
    reader = Reader(plumbed)
    await reader.read(spoilt(fact(1), b"{"), fact(2), fact(2, "other"))
    ids = [f"readers|{reader.topic}|{place}" for place in ("k|1", "k|2", "other|2")]
    assert await search(plumbed, Search()) == ids
    assert await search(plumbed, Search(), ids[0], 1) == [ids[1]]
    assert await search(plumbed, Search(key="other")) == [ids[2]]
    assert await search(plumbed, Search(topic="another")) == []
    assert await search(plumbed, Search(reason="undecodable")) == [ids[0]]
    assert await search(plumbed, Search(reason="g.p")) == [], "no pattern, but a beginning"


async def test_a_healed_fact_takes_its_key_on(plumbed: Plumbed) -> None:
    """Refused, replayed in vain, replayed when the reason is gone: the rest follows in order."""
    reader = Reader(plumbed, refuse=lambda event: "no" if event.backer_id == "bad" else None)
    await reader.read(fact(1), fact(2, backer_id="bad"), fact(3), fact(4))
    await reader.consumer.replay([await whole(reader, 2)])
    assert reader.saved == [("k", 1)] and await row(reader) == StreamRow(1, waiting=True)
    reader.refuse = lambda event: None
    await reader.consumer.replay([await whole(reader, 2)])
    assert reader.saved == [("k", n) for n in (1, 2, 3, 4)]
    assert await row(reader) == StreamRow(4) and await reader.count("k") == 0


async def test_a_fact_whose_save_failed_is_tried_again_only_here(plumbed: Plumbed) -> None:
    """A later fact of its key does not try it; a person's replay does."""
    reader = Reader(plumbed)
    reader.fail = lambda event: ZeroDivisionError() if event.backer_id == "bad" else None
    await reader.read(fact(1, backer_id="bad"))
    reader.fail = lambda event: None
    await reader.read(fact(2))
    assert reader.saved == [] and await row(reader) == StreamRow(0, waiting=True)
    await reader.consumer.replay([await whole(reader, 1)])
    assert reader.saved == [("k", 1), ("k", 2)] and await row(reader) == StreamRow(2)


async def test_a_loose_fact_is_tried_again_alone(plumbed: Plumbed) -> None:
    """One without a sequence, also where no other fact would heal it."""
    reader = Reader(plumbed, sequenced=False, refuse=lambda event: "no")
    await reader.read(payment(1))
    (kept,) = await plumbed.units.run(lambda unit: unit.plumbing.set_aside.search(Search(), "", 10))
    await reader.consumer.replay([kept])
    assert reader.saved == []
    reader.refuse = lambda event: None
    await reader.consumer.replay([kept])
    assert reader.saved == [("k", None)] and await reader.count("k") == 0


@pytest.mark.parametrize("bad", ["undecodable", "refused", "accepted by now", "never came"])
async def test_a_fact_that_is_given_up_lets_the_later_ones_go_on(
    plumbed: Plumbed, bad: str
) -> None:
    """Its handler never sees it, not even where it would accept it now; its number is passed."""
    reader = Reader(plumbed, refuse=lambda event: "no" if event.backer_id == "bad" else None)
    second = fact(2, backer_id="bad")
    given = [] if bad == "never came" else [spoilt(second, b"{") if bad[0] == "u" else second]
    await reader.read(fact(1), *given, fact(3), fact(5))
    if bad == "accepted by now":
        reader.refuse = lambda event: None
    await reader.consumer.give_up("k", 2)
    assert reader.saved == [("k", 1), ("k", 3)]
    assert await row(reader) == StreamRow(3, waiting=True)
    await reader.consumer.give_up("k", 4)
    assert reader.saved[-1] == ("k", 5) and await row(reader) == StreamRow(5)
    assert await reader.count("k") == 0


async def test_a_number_is_given_up_though_a_fact_behind_it_cannot_be_saved(
    plumbed: Plumbed,
) -> None:
    """The number is passed, what can be saved is, and the one that cannot is set aside."""
    reader = Reader(plumbed)
    reader.fail = lambda event: KeyError("bug") if event.backer_id == "bad" else None
    await reader.read(fact(1), fact(3), fact(4, backer_id="bad"), fact(5))
    await asyncio.wait_for(reader.consumer.give_up("k", 2), 10)
    assert reader.saved == [("k", 1), ("k", 3)]
    assert await row(reader) == StreamRow(3, waiting=True)
    assert (await whole(reader, 4)).reason == "unsaveable:KeyError"
    assert (await whole(reader, 5)).reason == "gap"


async def test_an_audit_record_stands_and_falls_with_its_transaction(plumbed: Plumbed) -> None:
    """What was undone was not done by anybody."""
    entry = AuditEntry(NOW, "sre-1", "switch on", {"switch": "x"}, "looks odd", "on")

    async def act(undo: bool) -> None:
        async def work(unit: object) -> None:
            await unit.plumbing.audit.add(entry)  # type: ignore[attr-defined]
            if undo:
                raise ZeroDivisionError

        await plumbed.units.run(work)

    with pytest.raises(ZeroDivisionError):
        await act(undo=True)
    await act(undo=False)
    if plumbed.database is not None:
        (kept,) = await plumbed.database.collection("audit").find().to_list(None)
        assert (kept["by"], kept["command"], kept["outcome"]) == ("sre-1", "switch on", "on")
    else:
        assert list(plumbed.memory.table("audit").values()) == [entry]


async def test_the_last_acknowledged_offsets_never_fall(plumbed: Plumbed) -> None:
    """Noted by several relays in any order, each partition keeps its largest."""
    await plumbed.outbox.note_reached({("funding.pledges", 1): 7, ("funding.pledges", 2): 1})
    await plumbed.outbox.note_reached({("funding.pledges", 1): 5})
    await plumbed.outbox.note_reached({})
    assert await plumbed.outbox.reached() == {("funding.pledges", 1): 7, ("funding.pledges", 2): 1}
