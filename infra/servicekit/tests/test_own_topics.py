"""A database that is behind its own topics is found out; repeats and late notes are not."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from infra.servicekit.tests.conftest import NOW, Plumbed, on_mongodb
from infra.servicekit.tests.test_publish import on_topic, sequences
from servicekit.kafka import KafkaConnection
from servicekit.mongo import Database, Document
from servicekit.ordering import Incoming
from servicekit.outbox import row_id
from servicekit.own_topics import Comparison, OwnTopics, Unexplained, _gathered, own_topics
from servicekit.publish import KafkaPublisher
from servicekit.relay import Relay
from servicekit.units import MongoUnitsOfWork, Unit
from sosst_contracts.codec import Draft, Record
from sosst_contracts.funding import PledgePlaced
from sosst_contracts.testing import sample

TOPIC = PledgePlaced.topic


@dataclass
class Service:
    """One database, one topic of its own, and backups of the database."""

    plumbed: Plumbed
    database: Database
    connection: KafkaConnection
    publishers: list[KafkaPublisher] = field(default_factory=list)

    @property
    def topics(self) -> OwnTopics:
        return OwnTopics([TOPIC], self.connection, self.database)

    async def tell(self, count: int, key: str = "c1", title: str = "b1") -> None:
        facts = [sample(PledgePlaced, campaign_id=key, backer_id=title) for _ in range(count)]
        drafts = [Draft(fact, NOW) for fact in facts]
        await self.plumbed.units.run(lambda unit: unit.plumbing.outbox.add(drafts))

    async def relay(self, *, note: bool = True) -> None:
        publisher = KafkaPublisher(self.connection)
        self.publishers.append(publisher)
        relay = Relay(self.plumbed.outbox, publisher)
        while await relay.relay_page():
            pass
        if note:
            await relay.note_reached()

    async def back_up(self) -> dict[str, list[Document]]:
        names = await self.database.list_collection_names()
        return {n: await self.database.collection(n).find().to_list(None) for n in names}

    async def restore(self, backup: dict[str, list[Document]]) -> None:
        for name in await self.database.list_collection_names():
            await self.database.collection(name).delete_many({})
        for name, documents in backup.items():
            if documents:
                await self.database.collection(name).insert_many(documents)

    async def unexplained(self) -> list[tuple[str, int]]:
        comparison = await self.topics.compare()
        return [(one.key, one.sequence) for one in comparison.unexplained]


@pytest.fixture
async def service(database: Database, connection: KafkaConnection) -> AsyncIterator[Service]:
    service = Service(on_mongodb(database), database, connection)
    yield service
    for publisher in service.publishers:
        await publisher.close()


def test_a_service_owns_the_topics_that_carry_its_name() -> None:
    """Those with a sequence; one without has no number that could be used again."""
    assert {"payouts.ledger", "payouts.refunds", "payouts.stages"} <= set(own_topics("payouts"))
    assert "notifier.notices" in own_topics("notifier")
    assert "notifier.notifications" not in own_topics("notifier")
    assert own_topics("lamp") == []


async def test_what_the_relay_acknowledged_is_not_read_again(service: Service) -> None:
    """The last offset of each partition is noted, so that a start reads the tail only."""
    await service.tell(3)
    await service.relay()
    ((_, last),) = (await service.plumbed.outbox.reached()).items()
    assert last == 2
    await service.tell(2)
    await service.relay(note=False)
    comparison = await service.topics.compare()
    assert comparison.unexplained == [] and sum(comparison.ends.values()) == 5
    await service.topics.settle(comparison.ends)
    assert max((await service.plumbed.outbox.reached()).values()) == 4


async def test_repeats_and_lost_notes_are_explained(service: Service) -> None:
    """kill -9 between any two steps of the relay leaves a topic that the sequences cover."""
    await service.tell(3)
    backup = await service.back_up()
    await service.relay(note=False)
    with_rows = {name: backup[name] for name in ("outbox",)}
    await service.database.collection("outbox").insert_many(with_rows["outbox"])
    assert await service.unexplained() == []
    await service.relay()
    assert sequences(await on_topic(service.connection, TOPIC), "c1") == [1, 2, 3, 1, 2, 3]
    assert await service.unexplained() == []


async def test_a_restored_database_is_found_out(service: Service) -> None:
    """What was told after the backup is unexplained, per key, and nothing before it."""
    await service.tell(2, "c1")
    await service.tell(1, "c2")
    await service.relay()
    backup = await service.back_up()
    await service.tell(2, "c1")
    await service.tell(1, "c3")
    await service.relay()
    await service.restore(backup)
    assert sorted(await service.unexplained()) == [("c1", 3), ("c1", 4), ("c3", 1)]


async def test_a_lost_database_is_found_out(service: Service) -> None:
    """An empty one beside topics that are not is no first start."""
    await service.tell(2)
    await service.relay()
    await service.restore({})
    assert await service.unexplained() == [("c1", 1), ("c1", 2)]


async def test_another_fact_under_a_used_sequence_is_found_out(service: Service) -> None:
    """A restored database that gave out a number again holds other bytes than the topic."""
    backup = await service.back_up()
    await service.tell(1)
    await service.relay()
    await service.restore(backup)
    await service.tell(1, title="somebody else")
    assert await service.unexplained() == [("c1", 1)]


async def test_numbers_that_were_used_are_passed_over(service: Service) -> None:
    """After the command the next fact goes behind the topic's last, and the topic is explained."""
    await service.tell(1)
    await service.relay()
    backup = await service.back_up()
    await service.tell(2)
    await service.relay()
    await service.restore(backup)
    comparison = await service.topics.compare()
    for _ in range(2):
        await service.topics.pass_over(comparison, service.plumbed.clock)
    assert await service.unexplained() == []
    await service.tell(1)
    await service.relay()
    assert sequences(await on_topic(service.connection, TOPIC), "c1") == [1, 2, 3, 4]


async def test_a_fact_that_was_never_told_gets_a_number_of_its_own(service: Service) -> None:
    """What a restored database made under used numbers is told behind them, in its order."""
    backup = await service.back_up()
    await service.tell(2)
    await service.relay()
    await service.restore(backup)
    await service.tell(3, title="somebody else")
    comparison = await service.topics.compare()
    await service.topics.pass_over(comparison, service.plumbed.clock)
    assert await service.unexplained() == []
    await service.relay()
    told = await on_topic(service.connection, TOPIC)
    assert sequences(told, "c1") == [1, 2, 3, 4, 5]
    assert [b"somebody" in (record.value or b"") for record in told] == [False] * 2 + [True] * 3


async def test_a_fact_that_is_told_already_gets_no_second_number(database: Database) -> None:
    """Only what waits under a used number is told under another: the row before it is no other."""
    plumbed = on_mongodb(database)
    drafts = [Draft(sample(PledgePlaced, campaign_id="c1"), NOW) for _ in range(3)]
    await plumbed.units.run(lambda unit: unit.plumbing.outbox.add(drafts))
    first, *_ = [row.record for row in await plumbed.outbox.page(10)]
    taken = [Unexplained(first, "c1", number, "used", taken=True) for number in (2, 3)]
    above = Unexplained(first, "c1", 4, "above")
    comparison = Comparison([*taken, above], heads={(TOPIC, "c1"): 4})
    topics = OwnTopics([TOPIC], KafkaConnection("127.0.0.1:9", "nobody"), database)
    await topics.pass_over(comparison, plumbed.clock)
    assert sequences([row.record for row in await plumbed.outbox.page(10)], "c1") == [1, 5, 6]


async def test_a_page_keeps_what_other_keys_have_on_it(database: Database) -> None:
    """Facts that are told again under new numbers are taken out of their page, no others."""
    plumbed = on_mongodb(database)
    drafts = [Draft(sample(PledgePlaced, campaign_id=key), NOW) for key in ("c1", "c2", "c1")]
    await plumbed.units.run(lambda unit: unit.plumbing.outbox.add(drafts))
    first, *_ = [row.record for row in await plumbed.outbox.page(10)]
    comparison = Comparison(
        [Unexplained(first, "c1", 2, "used", taken=True)], heads={(TOPIC, "c1"): 2}
    )
    topics = OwnTopics([TOPIC], KafkaConnection("127.0.0.1:9", "nobody"), database)
    await topics.pass_over(comparison, plumbed.clock)
    records = [row.record for row in await plumbed.outbox.page(10)]
    assert (sequences(records, "c1"), sequences(records, "c2")) == ([1, 3], [1])


async def test_what_is_left_of_a_page_is_not_in_the_way(database: Database) -> None:
    """A page has the name of its first fact; once that has another number, somebody is given it."""
    plumbed = on_mongodb(database)

    async def tell(*keys: str) -> None:
        drafts = [Draft(sample(PledgePlaced, campaign_id=key), NOW) for key in keys]
        await plumbed.units.run(lambda unit: unit.plumbing.outbox.add(drafts))

    await tell(*["k"] * 6, "m", "m")
    await plumbed.outbox.remove(await plumbed.outbox.page(10))
    await tell("k", "m")
    await tell("k", "m")
    first, *_ = [row.record for row in await plumbed.outbox.page(10)]
    before = await _values(plumbed)
    used = Unexplained(first, "k", 7, "used", taken=True)
    topics = OwnTopics([TOPIC], KafkaConnection("127.0.0.1:9", "nobody"), database)
    await topics.pass_over(Comparison([used], heads={(TOPIC, "k"): 7}), plumbed.clock)
    after = await _values(plumbed)
    assert list(after) == [("m", 3), ("m", 4), ("k", 8), ("k", 9)]
    assert {place: after[place] for place in (("m", 3), ("m", 4))} == {
        place: before[place] for place in (("m", 3), ("m", 4))
    }
    documents = await database.collection("outbox").find().sort("position", 1).to_list(None)
    assert [document["_id"] for document in documents] == [
        *(row_id(TOPIC, "m", 3), row_id(TOPIC, "m", 4), row_id(TOPIC, "k", 8)),
    ]


async def _values(plumbed: Plumbed) -> dict[tuple[str, int], bytes | None]:
    rows = await plumbed.outbox.page(100)
    return {((r.record.key or b"").decode(), r.sequence): r.record.value for r in rows}


@pytest.mark.parametrize("pages", [True, False])
async def test_only_what_was_asked_for_is_kept_of_the_outbox(
    database: Database, pages: bool
) -> None:
    """An outbox of hours is read to compare a few records; nearly none of it is on the topic."""
    plumbed = on_mongodb(database)
    units = MongoUnitsOfWork(
        database, plumbed.clock, lambda _, parts: Unit(parts), outbox_pages=pages
    )
    drafts = [Draft(sample(PledgePlaced, campaign_id=key), NOW) for key in ("c1", "c2", "c1")]
    await units.run(lambda unit: unit.plumbing.outbox.add(drafts))
    values = await _values(plumbed)
    topics = OwnTopics([TOPIC], KafkaConnection("127.0.0.1:9", "nobody"), database)
    found = await topics._waiting(TOPIC, {("c1", 2), ("c2", 7)})
    assert found == {("c1", 2): values["c1", 2]}


@pytest.mark.parametrize(
    ("records", "size", "together"),
    [(20_000, 1 << 20, [5]), (3, 1 << 20, [4, 1]), (20_000, 4, [4, 1]), (1, 1, [2, 2, 1])],
)
async def test_many_records_are_compared_at_once(
    monkeypatch: pytest.MonkeyPatch, records: int, size: int, together: list[int]
) -> None:
    """The outbox is read once for many pages of a topic, and for no more than fit."""
    monkeypatch.setattr("servicekit.own_topics.COMPARED_RECORDS", records)
    monkeypatch.setattr("servicekit.own_topics.COMPARED_BYTES", size)

    async def pages() -> AsyncIterator[list[Incoming]]:
        for offsets in ([0, 1], [2, 3], [4]):
            yield [Incoming(Record(TOPIC, b"c1", b"v", ()), 0, offset) for offset in offsets]

    gathered = [page async for page in _gathered(pages())]
    assert [len(page) for page in gathered] == together
    assert [one.offset for page in gathered for one in page] == [0, 1, 2, 3, 4]
