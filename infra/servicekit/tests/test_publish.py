"""The way out to the topics: one suite on memory and on real Kafka."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import murmur2

from infra.kafka import Topic, ensure_topics
from infra.servicekit.tests.conftest import NOW, connect
from infra.servicekit.tests.reader import fact, with_header
from servicekit import metrics, publish
from servicekit.kafka import KafkaConnection
from servicekit.lots import Compression, Lot
from servicekit.publish import KafkaPublisher, MemoryLog, Publisher, key_hash, partition_of
from sosst_contracts.codec import Draft, Record
from sosst_contracts.payouts import RefundCreated
from sosst_contracts.testing import sample


@dataclass
class Topics:
    """A publisher, what is on a topic of its, and how a missing topic comes to be."""

    publisher: Publisher
    read: Callable[[str], Awaitable[list[Record]]]
    make: Callable[[str], Awaitable[None]]


def on_memory() -> Topics:
    log = MemoryLog()
    log.missing = {"payouts.refunds"}

    async def read(topic: str) -> list[Record]:
        return [record for record in log.records if record.topic == topic]

    async def make(topic: str) -> None:
        log.missing.discard(topic)

    return Topics(log, read, make)


def on_kafka(connection: KafkaConnection) -> Topics:
    async def make(topic: str) -> None:
        wanted = [Topic(topic, "payouts", 3, ())]
        await ensure_topics(connection.bootstrap_servers, wanted, connection.topic_prefix)

    return Topics(KafkaPublisher(connection), lambda topic: on_topic(connection, topic), make)


async def on_topic(connection: KafkaConnection, topic: str) -> list[Record]:
    """Return every record of the topic, each partition in its order."""
    physical = connection.physical(topic)
    partitions = [TopicPartition(physical, n) for n in await connection.partitions(topic)]
    consumer = AIOKafkaConsumer(**connection.client_options(), auto_offset_reset="earliest")
    await consumer.start()
    records: list[Record] = []
    try:
        consumer.assign(partitions)
        missing = sum((await consumer.end_offsets(partitions)).values())
        while len(records) < missing:
            found = await consumer.getmany(timeout_ms=1_000)
            for one in (one for some in found.values() for one in some):
                records.append(Record(topic, one.key, one.value, tuple(one.headers)))
    finally:
        await consumer.stop()
    return records


@pytest.fixture(params=["memory", "kafka"])
async def topics(request: pytest.FixtureRequest) -> AsyncIterator[Topics]:
    """`funding.pledges` is there, `payouts.refunds` is not yet."""
    if request.param == "memory":
        found = on_memory()
    else:
        names = ("kafka_bootstrap_servers", "topic_prefix")
        found = on_kafka(await connect(*(request.getfixturevalue(name) for name in names)))
    yield found
    await found.publisher.close()


def sequences(records: list[Record], key: str) -> list[int]:
    return [int(dict(r.headers)["ce_sequence"] or b"") for r in records if r.key == key.encode()]


async def test_each_key_keeps_its_order(topics: Topics) -> None:
    """Sent in pages over several partitions, each key's facts stand there as they were given."""
    keys = [f"c{number}" for number in range(7)]
    facts = [fact(sequence, key) for sequence in range(1, 31) for key in keys]
    for page in (facts[:100], facts[100:]):
        assert await topics.publisher.publish(page) == [True] * len(page)
    there = await topics.read("funding.pledges")
    assert len(there) == len(facts)
    for key in keys:
        assert sequences(there, key) == list(range(1, 31))


async def test_the_largest_facts_go_out_in_order(topics: Topics) -> None:
    """What does not fit one batch goes in several, one acknowledged before the next."""
    large = [with_padding(fact(sequence)) for sequence in range(1, 9)]
    assert await topics.publisher.publish(large) == [True] * 8
    assert sequences(await topics.read("funding.pledges"), "k") == list(range(1, 9))


async def test_a_missing_topic_is_nobody_elses_trouble(topics: Topics) -> None:
    """Its records are not acknowledged, the others are; made meanwhile, it takes them."""
    refund = Draft(sample(RefundCreated), NOW).seal(1)
    batch = [fact(1), refund, fact(2)]
    assert await topics.publisher.publish(batch) == [True, False, True]
    assert sequences(await topics.read("funding.pledges"), "k") == [1, 2]
    await topics.make("payouts.refunds")
    assert await topics.publisher.publish([refund]) == [True]
    assert await topics.read("payouts.refunds") == [refund]


KEY, SEQUENCE = b"@key@", b"@sequence@"


def lot(*facts: tuple[int, str], partition: int | None = None, partitions: int = 0) -> Lot:
    """Return facts of these sequences and keys, cut for so many partitions."""
    template = with_header(fact(1, KEY.decode()), "ce_sequence", SEQUENCE)
    columns = [key.encode() for _, key in facts], [b"%d" % sequence for sequence, _ in facts]
    return Lot(template, (KEY, SEQUENCE), columns, partition, partitions)


async def test_lots_stand_where_their_keys_belong(topics: Topics) -> None:
    """Cut for as many partitions as there are, for another number, or for none."""
    count = 3 if isinstance(topics.publisher, KafkaPublisher) else 12
    sent: Counter[int] = Counter()
    for partitions in (count, count + 1):
        mine = [f"c{n}" for n in range(99) if partition_of(f"c{n}".encode(), partitions) == 1]
        cut = lot(*((1, key) for key in mine), partition=1, partitions=partitions)
        lots = [cut, lot(), lot((2, "loose"))]
        assert await topics.publisher.publish_lots(lots) == [True] * 3
        sent.update(partition_of(key.encode(), count) for key in (*mine, "loose"))
    last = {("funding.pledges", partition): sent[partition] - 1 for partition in sent}
    assert topics.publisher.reached() == last


async def test_a_lot_is_acknowledged_whole_or_not(topics: Topics) -> None:
    """One on a missing topic is not; those before and behind it are."""
    refunds = Lot(Draft(sample(RefundCreated), NOW).seal(1), (KEY,), [[b"k"]], 0, 3)
    lots = [lot((1, "k")), refunds, lot((2, "k"), (3, "k"))]
    assert await topics.publisher.publish_lots(lots) == [True, False, True]
    assert sequences(await topics.read("funding.pledges"), "k") == [1, 2, 3]


@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_what_is_read_of_lots_is_what_was_sent(
    kafka_bootstrap_servers: str, topic_prefix: str, compression: Compression
) -> None:
    """More than one batch holds, in order, each record as if it had been sent alone."""
    connection = await connect(kafka_bootstrap_servers, topic_prefix)
    publisher = KafkaPublisher(connection, compression)
    large = with_padding(fact(1, KEY.decode()))
    lots = [
        Lot(with_header(large, "ce_sequence", SEQUENCE), (KEY, SEQUENCE), columns)
        for columns in (
            [[b"k"] * 5, [b"%d" % n for n in range(1, 6)]],
            [[b"k", "é".encode()], [b"6", b"7"]],
        )
    ]
    assert await publisher.publish_lots(lots) == [True, True]
    assert await publisher.publish([fact(8)]) == [True]
    await publisher.close()
    found = await on_topic(connection, "funding.pledges")
    assert sequences(found, "k") == [1, 2, 3, 4, 5, 6, 8]
    sent = [record for lot in lots for record in lot.records()]
    assert all(record in found for record in sent) and len(found) == len(sent) + 1


async def test_nothing_to_send_is_nothing_sent(topics: Topics) -> None:
    """No records, no answers."""
    assert await topics.publisher.publish([]) == []


async def test_without_a_broker_nothing_is_acknowledged_and_nothing_raises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody listens there: each record is unknown, within the deadline, under a listed error."""
    monkeypatch.setattr(publish, "ACKNOWLEDGEMENT_DEADLINE_SECONDS", 0.5)
    listed = {*metrics.PUBLISH_ERRORS, "other"}
    publisher = KafkaPublisher(KafkaConnection("127.0.0.1:9", "servicekit-tests"))
    assert await publisher.publish([fact(1), fact(2)]) == [False, False]
    await publisher.close()
    (failures,) = metrics.OUTBOX_PUBLISH_FAILURES.collect()
    assert {sample.labels["error"] for sample in failures.samples} == listed


def with_padding(record: Record) -> Record:
    padding = b" " * (250_000 - len(record.value or b""))
    return Record(record.topic, record.key, (record.value or b"") + padding, record.headers)


def test_keys_go_where_every_kafka_client_puts_them() -> None:
    """The hash is the murmur2 of Kafka's own test vectors (org.apache.kafka.common.utils)."""
    vectors = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    for key, known in vectors.items():
        assert partition_of(key, 12) == (known & 0x7FFFFFFF) % 12


def test_keys_of_any_length_and_content_are_hashed_alike() -> None:
    """Taken by words, the hash is what aiokafka's own takes by bytes, whatever rest is left."""
    draw = random.Random(17)
    for length in [*range(40), 1_000]:
        for _ in range(20):
            key = draw.randbytes(length)
            assert key_hash(key) == murmur2(key) & 0x7FFFFFFF, key
