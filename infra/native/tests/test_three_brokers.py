"""Three brokers: one lost stops nobody, two lost stop everybody until one is back."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import UnknownTopicOrPartitionError

from infra.kafka import Topic, ensure_topics
from infra.native import NativeStack

DEADLINE_SECONDS = 60
PARTITIONS = 3


async def topic_of_three(servers: str, name: str) -> None:
    """A topic whose partitions are led by all three brokers; copies as the brokers choose."""
    await ensure_topics(servers, [Topic(name, "tests", PARTITIONS, ())])


async def send(producer: AIOKafkaProducer, topic: str, number: int) -> None:
    """One acknowledged record; the numbers go round the partitions."""
    value, partition = str(number).encode(), number % PARTITIONS
    sending = producer.send_and_wait(topic, value, partition=partition)
    await asyncio.wait_for(sending, DEADLINE_SECONDS)


async def read_all(servers: str, topic: str) -> set[int]:
    """The numbers that stand on the topic now."""
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    async with AIOKafkaConsumer(bootstrap_servers=servers) as consumer:
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        missing = sum((await consumer.end_offsets(partitions)).values())
        values: list[bytes] = []
        while len(values) < missing:
            batches = await consumer.getmany(timeout_ms=500)
            values += [record.value for batch in batches.values() for record in batch]
    return {int(value) for value in values}


async def in_sync(servers: str, topic: str) -> list[list[int]]:
    """The brokers in sync for each partition, from the first broker asked that knows the topic.

    Whoever made it waited for one broker; another one may hear of it a moment later.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    try:
        await admin.start()
        async with asyncio.timeout(DEADLINE_SECONDS):
            (described,) = await admin.describe_topics([topic])
            while described["error_code"] == UnknownTopicOrPartitionError.errno:
                await asyncio.sleep(0.05)
                (described,) = await admin.describe_topics([topic])
    finally:
        await admin.close()
    return [sorted(partition["isr"]) for partition in described["partitions"]]


async def test_every_record_has_three_copies(three_nodes: NativeStack, topic_prefix: str) -> None:
    """A topic made without a word about copies stands on all three brokers."""
    servers, name = three_nodes.addresses.kafka_bootstrap_servers, f"{topic_prefix}three.copies"
    await topic_of_three(servers, name)
    assert await in_sync(servers, name) == [[1, 2, 3]] * PARTITIONS


async def test_one_broker_lost_stops_no_producer(
    three_nodes: NativeStack, topic_prefix: str
) -> None:
    """kill -9 of a broker in the middle: acks=all goes on, and nothing acknowledged is lost."""
    servers, name = three_nodes.addresses.kafka_bootstrap_servers, f"{topic_prefix}one.lost"
    await topic_of_three(servers, name)
    async with AIOKafkaProducer(
        bootstrap_servers=servers, acks="all", enable_idempotence=True
    ) as producer:
        for number in range(30):
            await send(producer, name, number)
        three_nodes.brokers[1].kill()
        for number in range(30, 60):
            await send(producer, name, number)
    assert await read_all(servers, name) == set(range(60))


async def test_below_the_minimum_nothing_is_acknowledged(
    three_nodes: NativeStack, topic_prefix: str
) -> None:
    """With two brokers dead a record waits; with one of them back it is acknowledged by itself."""
    servers, name = three_nodes.addresses.kafka_bootstrap_servers, f"{topic_prefix}two.lost"
    await topic_of_three(servers, name)
    async with AIOKafkaProducer(
        bootstrap_servers=servers, acks="all", enable_idempotence=True
    ) as producer:
        for number in range(3):
            await send(producer, name, number)
        for broker in three_nodes.brokers[:2]:
            broker.kill()
        waiting = asyncio.gather(*(send(producer, name, number) for number in range(3, 6)))
        acknowledged, _ = await asyncio.wait({waiting}, timeout=3)
        assert not acknowledged
        await asyncio.to_thread(three_nodes.brokers[0].start)
        await waiting
    assert await read_all(servers, name) == set(range(6))
