"""Reading a real topic into a real database: nothing lost, nothing twice, whatever is on it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from faststream.kafka import KafkaBroker

from infra.kafka import Topic, ensure_topics
from infra.servicekit.tests.conftest import NOW, on_memory, until
from infra.servicekit.tests.reader import fact, retyped, spoilt, with_header
from servicekit import metrics, subscribe
from servicekit.clock import ManualClock
from servicekit.consume import BatchConsumer, Refusal, Subscription
from servicekit.errors import Conflict, ConsumerStopped, DependencyAway
from servicekit.kafka import KafkaConnection
from servicekit.loops import Pulse
from servicekit.mongo import Database, Session
from servicekit.positions import TopicPositions
from servicekit.publish import KafkaPublisher
from servicekit.subscribe import TopicSubscriber
from servicekit.units import MongoUnitsOfWork, Plumbing, Unit
from sosst_contracts.codec import Decoded, Record

TOPIC, GROUP = "funding.pledges", "readers"


@dataclass(frozen=True, slots=True)
class SeenUnit(Unit):
    session: Session


@dataclass
class Desk:
    """One database and one topic for any number of instances; `handled` counts every hand-over."""

    database: Database
    connection: KafkaConnection
    handled: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    paused: bool = False

    async def handle(self, unit: SeenUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        """Insert a document a fact: what is handled twice makes itself known."""
        self.handled += [f"{one.key}|{one.envelope.sequence}" for one in facts]
        await self.gate.wait()
        documents = [{"_id": f"{one.key}|{one.envelope.sequence}"} for one in facts]
        await self.database.collection("seen").insert_many(documents, session=unit.session)
        return []

    def subscriber(self, instance_id: str) -> TopicSubscriber[SeenUnit]:
        def bind(session: Session, plumbing: Plumbing) -> SeenUnit:
            return SeenUnit(plumbing, session)

        clock = ManualClock(NOW)
        units = MongoUnitsOfWork(self.database, clock, bind)
        subscription = Subscription(TOPIC, GROUP, True, self.handle)
        consumer = BatchConsumer(subscription, units, clock, Pulse("consumer"))
        return TopicSubscriber(
            consumer,
            self.connection,
            instance_id,
            topic_retry_seconds=0.2,
            paused=lambda: self.paused,
        )

    @asynccontextmanager
    async def running(self, instance_id: str) -> AsyncIterator[TopicSubscriber[SeenUnit]]:
        subscriber, stopping = self.subscriber(instance_id), asyncio.Event()
        reading = asyncio.create_task(subscriber.run(Pulse(instance_id), stopping))
        try:
            yield subscriber
            assert not reading.done(), "the loop ended by itself"
        finally:
            stopping.set()
            await reading

    async def publish(self, *records: Record) -> None:
        publisher = KafkaPublisher(self.connection)
        assert await publisher.publish(records) == [True] * len(records)
        await publisher.close()

    async def seen(self) -> set[str]:
        found = await self.database.collection("seen").find().to_list(None)
        return {document["_id"] for document in found}

    async def until_seen(self, wanted: set[str]) -> None:
        async def all_there() -> bool:
            return wanted <= await self.seen()

        await until(f"{len(wanted)} facts are saved", all_there)

    async def set_aside(self) -> dict[str, str]:
        found = await self.database.collection("set_aside").find().to_list(None)
        return {document["_id"].split("|", 2)[2]: document["reason"] for document in found}

    async def committed(self) -> dict[int, int]:
        return await TopicPositions(self.connection, TOPIC, GROUP).committed()

    async def until_committed(self) -> None:
        ends = await TopicPositions(self.connection, TOPIC, GROUP).ends()

        async def at_the_end() -> bool:
            return await self.committed() == ends

        await until("the position is at the end", at_the_end)


@pytest.fixture
async def desk(database: Database, connection: KafkaConnection) -> Desk:
    """An open gate; a test may shut it before it begins."""
    found = Desk(database, connection)
    found.gate.set()
    return found


def names(key: str, *sequences: int) -> set[str]:
    return {f"{key}|{sequence}" for sequence in sequences}


async def test_a_position_is_committed_only_after_the_save(desk: Desk) -> None:
    """While the batch is in hand the group stands where it stood."""
    desk.gate.clear()
    await desk.publish(fact(1), fact(2))

    async def in_hand() -> bool:
        return bool(desk.handled)

    async with desk.running("one"):
        await until("the batch is in hand", in_hand)
        assert await desk.committed() == {} and await desk.seen() == set()
        desk.gate.set()
        await desk.until_seen(names("k", 1, 2))
        await desk.publish(fact(3))
        await desk.until_committed()


async def test_one_of_several_brokers_is_enough_to_begin(desk: Desk) -> None:
    """Addresses are separated by commas; the first of them answers nobody."""
    several = f"127.0.0.1:1, {desk.connection.bootstrap_servers}"
    desk.connection = replace(desk.connection, bootstrap_servers=several)
    await desk.publish(fact(1))
    async with desk.running("one"):
        await desk.until_seen(names("k", 1))
        await desk.until_committed()


async def test_a_broker_that_goes_before_the_first_reading_is_waited_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The topic was there a moment ago, the reader finds nobody: the loop begins anew."""
    make, misses = TopicSubscriber._subscriber, iter(range(2))

    def stumbling(subscriber: TopicSubscriber[SeenUnit], broker: KafkaBroker) -> Any:
        made = make(subscriber, broker)
        if next(misses, None) is not None:
            monkeypatch.setattr(made, "start", _nobody_there)
        return made

    monkeypatch.setattr(TopicSubscriber, "_subscriber", stumbling)
    await desk.publish(fact(1))
    async with desk.running("one"):
        await desk.until_seen(names("k", 1))
    assert next(misses, None) is None


@pytest.mark.parametrize("error", [Conflict("beside a migration"), DependencyAway("MongoDB")])
async def test_set_aside_facts_that_cannot_be_read_now_are_tried_a_second_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Reading goes on meanwhile, and so does the process."""
    monkeypatch.setattr(subscribe, "RETRY_SET_ASIDE_SECONDS", 0.0)
    retry, misses = BatchConsumer.retry_set_aside, iter(range(2))
    retried = asyncio.Event()

    async def stumbling(consumer: BatchConsumer[SeenUnit]) -> int:
        if next(misses, None) is not None:
            raise error
        retried.set()
        return await retry(consumer)

    monkeypatch.setattr(BatchConsumer, "retry_set_aside", stumbling)
    await desk.publish(fact(1))
    async with desk.running("one"):
        await desk.until_seen(names("k", 1))
        await asyncio.wait_for(retried.wait(), 60)


async def _nobody_there() -> None:
    raise KafkaConnectionError("nobody there")


async def test_what_was_saved_and_not_committed_is_dropped_when_it_comes_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An instance that ends between the two costs a second reading and nothing else."""
    commit = TopicSubscriber._commit

    async def never(subscriber: TopicSubscriber[SeenUnit], records: object) -> None: ...

    monkeypatch.setattr(TopicSubscriber, "_commit", never)
    await desk.publish(fact(1), fact(2))
    async with desk.running("one"):
        await desk.until_seen(names("k", 1, 2))
    assert await desk.committed() == {}
    monkeypatch.setattr(TopicSubscriber, "_commit", commit)
    await desk.publish(fact(3))
    async with desk.running("one"):
        await desk.until_seen(names("k", 1, 2, 3))
    assert sorted(desk.handled) == ["k|1", "k|2", "k|3"] and await desk.set_aside() == {}


class _AnyBytes(str):
    """A header's name that goes out as bytes that are not UTF-8."""

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe"


async def publish_raw(connection: KafkaConnection, record: Record) -> None:
    """Send what our own publisher and the fast encoder refuse, next to its key's neighbours."""
    producer = AIOKafkaProducer(**connection.client_options())
    await producer.start()
    batch = producer.create_batch()
    batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, 1 << 20)
    batch.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers))
    try:
        topic = connection.physical(record.topic)
        await (await producer.send_batch(batch, topic, partition=0))
    finally:
        await producer.stop()


async def test_no_record_takes_its_neighbours_with_it(desk: Desk) -> None:
    """Null values, headers without value, of any bytes and under any name are read past."""
    good = fact(3)
    named = Record(TOPIC, good.key, good.value, ((_AnyBytes("odd"), b"x"), *good.headers))
    await desk.publish(fact(1), with_header(fact(2), "note", None), fact(1, "other"))
    await publish_raw(desk.connection, named)
    await desk.publish(
        with_header(fact(4), "note", b"\xff"),
        spoilt(fact(2, "other"), None),
        with_header(fact(1, "third"), "ce_id", b"\xff"),
        Record(TOPIC, None, None, ()),
        Record(TOPIC, b"\xff", b"\xff", (("ce_type", None),)),
        fact(5),
        fact(1, "fourth"),
    )
    async with desk.running("one"):
        await desk.until_seen(names("k", 1, 2, 3, 4, 5) | names("other", 1) | names("fourth", 1))
        await desk.until_committed()
    kept = await desk.set_aside()
    assert kept.pop("other|2") == "null-value" and kept.pop("third|1") == "undecodable-header"
    assert sorted(kept.values()) == ["missing-key", "undecodable-key"]


async def test_a_topic_that_comes_later_is_picked_up(
    database: Database, kafka_bootstrap_servers: str, topic_prefix: str
) -> None:
    """Until then the metric says so and the loop is alive."""
    connection = KafkaConnection(kafka_bootstrap_servers, "servicekit-tests", topic_prefix)
    desk = Desk(database, connection)
    desk.gate.set()
    missing = metrics.TOPIC_MISSING.labels(TOPIC)
    missing.set(0)

    async def told() -> bool:
        return bool(missing._value.get() == 1)

    async with desk.running("one"):
        await until("the metric shows the missing topic", told)
        topics = [Topic(TOPIC, "funding", 3, ())]
        await ensure_topics(kafka_bootstrap_servers, topics, topic_prefix)
        await desk.publish(fact(1))
        await desk.until_seen(names("k", 1))
        assert missing._value.get() == 0


async def test_a_rebalance_of_two_members_loses_and_doubles_nothing(desk: Desk) -> None:
    """One reads, a second joins, the first leaves, with facts coming all the while."""
    keys = [f"c{number}" for number in range(12)]
    wanted: set[str] = set()

    async def tell(sequences: range) -> None:
        await desk.publish(*(fact(number, key) for number in sequences for key in keys))
        for key in keys:
            wanted.update(names(key, *sequences))

    def reads(subscriber: TopicSubscriber[SeenUnit]) -> Callable[[], object]:
        return lambda: subscriber._kafka and subscriber._kafka.assignment()

    async with desk.running("two") as second:
        async with desk.running("one") as first:
            await tell(range(1, 11))

            async def both_read() -> bool:
                return bool(reads(first)() and reads(second)())

            await until("both have partitions", both_read)
            await tell(range(11, 21))
            await desk.until_seen(wanted)
            await tell(range(21, 31))
        await tell(range(31, 41))
        await desk.until_seen(wanted)
    assert await desk.seen() == wanted and await desk.set_aside() == {}
    rows = await desk.database.collection("streams").find().to_list(None)
    assert {row["key"]: row["last_sequence"] for row in rows} == dict.fromkeys(keys, 40)


async def test_an_unknown_major_stops_reading_and_not_the_process(desk: Desk) -> None:
    """The metric says so, the loop stays alive, the position stays before the record."""
    newer = retyped(fact(2), "sosst.funding.pledge-placed.v2")
    await desk.publish(fact(1), newer, fact(3))
    stopped = metrics.CONSUMER_STOPPED.labels(GROUP, TOPIC, "unknown-major")

    async def told() -> bool:
        return bool(stopped._value.get() == 1)

    async with desk.running("one"):
        await until("the consumer has stopped", told)
    assert await desk.seen() == names("k", 1) and await desk.committed() == {}


class _Cancelling:
    """A subscriber whose fetch waits for its next try when it is stopped, as aiokafka ends it."""

    tasks = ()

    def __init__(self, begun: Callable[[], None]) -> None:
        self._begun = begun
        self.consumer, self._client = self, self
        self._fetcher = SimpleNamespace(_fetch_task=asyncio.Future())
        self._coordinator = SimpleNamespace(_coordination_task=asyncio.Future())
        self.closed = False

    async def start(self) -> None:
        self._begun()

    async def stop(self) -> None:
        raise asyncio.CancelledError

    async def close(self) -> None:
        self.closed = True


async def test_what_stops_reading_ends_no_process_whatever_its_fetch_waits_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loop stays alive until it is told to end, and no connection stays open."""
    stopping, pulse = asyncio.Event(), Pulse("one")
    subscription = Subscription(TOPIC, GROUP, True, _nothing)
    plumbed = on_memory()
    consumer = BatchConsumer(subscription, plumbed.units, plumbed.clock, pulse)
    reader = TopicSubscriber(consumer, KafkaConnection("127.0.0.1:1", "one"), "one")
    made = _Cancelling(lambda: reader._stop(ConsumerStopped("unknown-major", "v2")))
    monkeypatch.setattr(reader, "_wait_for_topic", _there)
    monkeypatch.setattr(reader, "_subscriber", lambda broker: made)
    monkeypatch.setattr(pulse, "beat", stopping.set)
    reading = asyncio.create_task(reader.run(pulse, stopping))
    await asyncio.wait({reading})
    assert not reading.cancelled() and reading.exception() is None
    assert stopping.is_set() and made.closed


class _Waiting(_Cancelling):
    """A subscriber whose group has no coordinator: aiokafka asks for one, for ever."""

    def __init__(self, begun: Callable[[], None], waits: asyncio.Event) -> None:
        super().__init__(begun)
        self._waits = waits

    async def start(self) -> None:
        await super().start()
        await self._waits.wait()


def a_waiting_reader(
    monkeypatch: pytest.MonkeyPatch, begun: Callable[[], None]
) -> TopicSubscriber[Unit]:
    """Return a reader whose consumers never have their places."""
    subscription = Subscription(TOPIC, GROUP, True, _nothing)
    plumbed = on_memory()
    consumer = BatchConsumer(subscription, plumbed.units, plumbed.clock, Pulse("handler"))
    reader = TopicSubscriber(consumer, KafkaConnection("127.0.0.1:1", "one"), "one", 0.01)
    monkeypatch.setattr(subscribe, "WATCH_SECONDS", 0.02)
    monkeypatch.setattr(reader, "_wait_for_topic", _there)
    monkeypatch.setattr(reader, "_subscriber", lambda broker: _Waiting(begun, asyncio.Event()))
    return reader


async def test_a_reader_that_waits_for_its_group_is_alive_and_ends_when_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its process serves others meanwhile, and is not ended because Kafka's group is away."""
    reader = a_waiting_reader(monkeypatch, lambda: None)
    stopping, pulse, beats = asyncio.Event(), Pulse("one"), count()

    def beat() -> None:
        if next(beats) == 3:
            stopping.set()

    monkeypatch.setattr(pulse, "beat", beat)
    async with asyncio.timeout(30):
        await reader.run(pulse, stopping)
    assert stopping.is_set()


async def test_a_reader_that_waits_too_long_for_its_group_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a client of its own again: of one that hangs nobody would ever hear."""
    monkeypatch.setattr(subscribe, "STARTING_SECONDS", 0.05)
    stopping, begun = asyncio.Event(), count(1)

    def begin() -> None:
        if next(begun) == 3:
            stopping.set()

    async with asyncio.timeout(30):
        await a_waiting_reader(monkeypatch, begin).run(Pulse("one"), stopping)
    assert stopping.is_set()


@pytest.mark.parametrize("ends", ["_fetch_task", "_coordination_task"])
async def test_reading_begins_anew_where_the_consumer_does_nothing_any_more(
    desk: Desk, ends: str
) -> None:
    """It would be asked for records for ever, and nobody would be told that none come."""
    async with desk.running("one") as subscriber:
        await desk.publish(fact(1))
        await desk.until_seen(names("k", 1))
        kafka = subscriber._kafka
        assert kafka is not None
        part = kafka._fetcher if ends == "_fetch_task" else kafka._coordinator
        getattr(part, ends).cancel()
        await desk.publish(fact(2))
        await desk.until_seen(names("k", 1, 2))


async def _nothing(unit: Unit, facts: Sequence[Decoded]) -> list[Refusal]:
    return []


async def _there(broker: KafkaBroker, pulse: Pulse, stopping: asyncio.Event) -> bool:
    return True


async def test_a_paused_topic_keeps_its_partitions_and_its_place(desk: Desk) -> None:
    """While it is paused nothing is handed over; afterwards what waited comes, each fact once."""
    async with desk.running("one") as subscriber:
        await desk.publish(fact(1))
        await desk.until_seen({"k|1"})
        desk.paused = True

        async def all_paused() -> bool:
            kafka = subscriber._kafka
            return kafka is not None and kafka.paused() == kafka.assignment() != set()

        await until("every partition is paused", all_paused)
        await desk.publish(fact(2), fact(3))
        assert desk.handled == ["k|1"] and await all_paused()
        desk.paused = False
        await desk.until_seen({"k|1", "k|2", "k|3"})
    assert desk.handled == ["k|1", "k|2", "k|3"]


async def test_partitions_that_come_while_a_topic_is_paused_wait_as_well(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are paused as they come: the loop that follows the switch looks twice a second only."""
    monkeypatch.setattr(subscribe, "WATCH_SECONDS", 3_600.0)
    desk.paused = True
    await desk.publish(*(fact(1, f"c{number}") for number in range(30)))
    async with desk.running("one") as one, desk.running("two") as two:

        async def all_is_shared_and_paused() -> bool:
            readers = [reader._kafka for reader in (one, two)]
            shares = [kafka.assignment() for kafka in readers if kafka is not None]
            paused = [kafka.paused() for kafka in readers if kafka is not None]
            return len(shares) == 2 and all(shares) and paused == shares

        await until("each has some partitions, all paused", all_is_shared_and_paused)
    assert desk.handled == []
