"""The topic of notifications of a real Kafka, read from its beginning to its present end."""

import asyncio
from collections import defaultdict

from aiokafka import AIOKafkaConsumer, TopicPartition

from servicekit.kafka import KafkaConnection
from services.notifier.tests.builders import event_of
from sosst_contracts.codec import Record
from sosst_contracts.notifier import BackerNotified

TOPIC = "notifier.notifications"


async def read_partitions(
    connection: KafkaConnection, partitions: int
) -> dict[int, list[BackerNotified]]:
    """Read the whole topic up to its present end, each partition in its order."""
    physical = connection.physical(TOPIC)
    consumer = AIOKafkaConsumer(**connection.client_options())
    await consumer.start()
    try:
        places = [TopicPartition(physical, number) for number in range(partitions)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        records: defaultdict[int, list[Record]] = defaultdict(list)
        while sum(map(len, records.values())) < sum(ends.values()):
            got = await asyncio.wait_for(consumer.getmany(timeout_ms=1_000), 20)
            for place, some in got.items():
                records[place.partition] += [
                    Record(TOPIC, r.key, r.value, tuple(r.headers)) for r in some
                ]
    finally:
        await consumer.stop()
    return {
        partition: [e for one in some if isinstance(e := event_of(one), BackerNotified)]
        for partition, some in records.items()
    }
