"""Facts of a transaction share documents, and rows of the release before still leave in order."""

from collections.abc import Sequence

import pytest

from infra.servicekit.tests.conftest import NOW, Plumbed, on_mongodb
from servicekit import outbox
from servicekit.mongo import Database
from servicekit.outbox import OutboxRow
from servicekit.publish import MemoryLog
from servicekit.relay import Relay
from servicekit.units import MongoUnitsOfWork, Unit, UnitsOfWork
from sosst_contracts.codec import Draft
from sosst_contracts.funding import PledgePlaced
from sosst_contracts.payouts import RefundCreated
from sosst_contracts.testing import sample

TOPIC = PledgePlaced.topic


def placed(*keys: str) -> list[Draft]:
    return [Draft(sample(PledgePlaced, campaign_id=key), NOW) for key in keys]


def of_the_release_before(plumbed: Plumbed) -> UnitsOfWork[Unit]:
    """Write as it wrote, a document for each fact; its reader knows nothing else."""
    assert plumbed.database is not None
    clock, database = plumbed.clock, plumbed.database
    return MongoUnitsOfWork(database, clock, lambda _, parts: Unit(parts), outbox_pages=False)


async def add(units: UnitsOfWork[Unit], drafts: Sequence[Draft]) -> None:
    await units.run(lambda unit: unit.plumbing.outbox.add(drafts))


async def shapes(plumbed: Plumbed) -> list[tuple[str, int]]:
    """Return topic and number of facts of each document, in the relay's order; 0 for a row."""
    assert plumbed.database is not None
    found = await plumbed.database.collection("outbox").find().sort("position", 1).to_list(None)
    return [(document["topic"], len(document.get("facts", ()))) for document in found]


def places(rows: Sequence[OutboxRow]) -> list[tuple[str, int]]:
    return [((row.record.key or b"").decode(), row.sequence) for row in rows]


@pytest.fixture
def plumbed(database: Database) -> Plumbed:
    """The real ones: documents are what this is about."""
    return on_mongodb(database)


async def test_the_facts_of_a_transaction_share_a_document_per_topic(plumbed: Plumbed) -> None:
    """A topic that takes nothing must block no other, so a page holds one topic's only."""
    refund = Draft(sample(RefundCreated), NOW)
    await add(plumbed.units, [*placed("c1", "c2"), refund, *placed("c1")])
    assert sorted(await shapes(plumbed)) == [(TOPIC, 3), (refund.topic, 1)]
    rows = await plumbed.outbox.page(10, [refund.topic])
    assert places(rows) == [("c1", 1), ("c2", 1), ("c1", 2)]
    assert (await plumbed.outbox.backlog())[0] == 4


async def test_a_page_is_bounded_in_facts_and_bytes(
    plumbed: Plumbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit begins the next page, behind the one before."""
    monkeypatch.setattr(outbox, "PAGE_FACTS_MAX", 3)
    await add(plumbed.units, placed(*["c1"] * 7))
    assert await shapes(plumbed) == [(TOPIC, 3), (TOPIC, 3), (TOPIC, 1)]
    monkeypatch.setattr(outbox, "PAGE_BYTES_MAX", 1)
    await add(plumbed.units, placed("c1", "c1"))
    assert (await shapes(plumbed))[3:] == [(TOPIC, 1), (TOPIC, 1)]
    assert places(await plumbed.outbox.page(100)) == [("c1", number) for number in range(1, 10)]


@pytest.mark.parametrize("wanted", [1, 8, 9, 40])
async def test_a_backlog_of_small_pages_is_read_as_one_of_large_ones(
    plumbed: Plumbed, wanted: int
) -> None:
    """As many documents are read as hold what was asked for, in their order."""
    for _ in range(20):
        await add(plumbed.units, placed("c1"))
    await add(plumbed.units, placed(*["c1"] * 15))
    rows = await plumbed.outbox.page(wanted)
    assert len(rows) >= min(wanted, 35)
    assert places(rows) == [("c1", number) for number in range(1, len(rows) + 1)]


async def test_full_pages_behind_small_ones_are_not_read_all_at_once(plumbed: Plumbed) -> None:
    """What lies behind is not like what came before: a thousand full pages end a process."""
    for _ in range(outbox.FIRST_DOCUMENTS):
        await add(plumbed.units, placed("c1"))
    full = 50
    for _ in range(40):
        await add(plumbed.units, placed(*["c1"] * full))
    rows = await plumbed.outbox.page(1_000)
    assert 1_000 <= len(rows) < 1_000 + full
    assert places(rows) == [("c1", number) for number in range(1, len(rows) + 1)]


async def test_of_many_documents_the_facts_are_estimated(
    plumbed: Plumbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the oldest documents are read to count; those behind are taken to be like them."""
    await add(plumbed.units, placed("c1", "c1", "c1"))
    plumbed.clock.advance(seconds=1)
    await add(plumbed.units, placed("c1"))
    await add(of_the_release_before(plumbed), placed("c1", "c1"))
    assert await plumbed.outbox.backlog() == (6, NOW)
    monkeypatch.setattr(outbox, "COUNTED_DOCUMENTS", 2)
    assert await plumbed.outbox.backlog() == (4 * (3 + 1) / 2, NOW)
    monkeypatch.setattr(outbox, "COUNTED_DOCUMENTS", 4)
    assert await plumbed.outbox.backlog() == (6, NOW)


async def test_of_a_page_only_what_was_acknowledged_goes(plumbed: Plumbed) -> None:
    """One key's partition may be away while another's answers; two relays may share a page."""
    await add(plumbed.units, placed("c1", "c2", "c1", "c2"))
    rows = await plumbed.outbox.page(10)
    await plumbed.outbox.remove([row for row in rows if row.record.key == b"c1"])
    left = await plumbed.outbox.page(10)
    assert places(left) == [("c2", 1), ("c2", 2)]
    assert (await plumbed.outbox.backlog())[0] == 2
    await plumbed.outbox.remove(left[:1])
    # This one had read the page before; together they have taken out everything.
    await plumbed.outbox.remove(rows[3:])
    assert await shapes(plumbed) == [] and await plumbed.outbox.backlog() == (0, None)


async def test_rows_of_the_release_before_leave_in_order_with_pages(plumbed: Plumbed) -> None:
    """Both releases write into one database: each key is told once, in its order, in both ways."""
    before = of_the_release_before(plumbed)
    await add(before, placed("c1", "c2", "c1"))
    await add(plumbed.units, placed("c1", "c2"))
    await add(before, placed("c2", "c1"))
    assert [facts for _, facts in await shapes(plumbed)] == [0, 0, 0, 2, 0, 0]
    assert (await plumbed.outbox.backlog())[0] == 7
    log = MemoryLog()
    assert await Relay(plumbed.outbox, log).relay_page() is True
    for key, count in ((b"c1", 4), (b"c2", 3)):
        mine = [dict(record.headers) for record in log.records if record.key == key]
        assert [int(headers["ce_sequence"] or 0) for headers in mine] == list(range(1, count + 1))
    assert await shapes(plumbed) == []


async def test_without_pages_the_release_before_can_read_everything(plumbed: Plumbed) -> None:
    """Its fields, its names, its place: what its relay takes from a document."""
    await add(of_the_release_before(plumbed), placed("c1"))
    assert plumbed.database is not None
    (row,) = await plumbed.database.collection("outbox").find().to_list(None)
    assert row.keys() == {
        *("_id", "position", "topic", "key", "value", "headers", "saved_at"),
    }
    assert row["_id"] == f"{TOPIC}|c1|{1:020}"
    (read,) = await plumbed.outbox.page(10)
    assert [tuple(header) for header in row["headers"]] == list(read.record.headers)


async def test_a_page_gives_back_the_records_as_they_were_sealed(plumbed: Plumbed) -> None:
    """Bytes and the order of headers are the contract's, whichever document they wait in."""
    drafts = [
        Draft(sample(PledgePlaced, campaign_id="c1"), NOW, None, "story", "cause", "00-ab-cd-00"),
        *placed("c2"),
    ]
    await add(plumbed.units, drafts[:1])
    (row,) = await plumbed.outbox.page(10)
    assert row.record == drafts[0].seal(1)
    assert (row.saved_at, row.id) == (NOW, f"{TOPIC}|c1|{1:020}")
