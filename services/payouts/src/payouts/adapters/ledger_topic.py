"""Everything that stands on the ledger's topic, read once, outside any group."""

from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from servicekit.errors import DependencyAway
from servicekit.kafka import KafkaConnection
from sosst_contracts.codec import Record


class KafkaLedgerTopic:
    """`ports.LedgerTopic` over the brokers."""

    def __init__(self, connection: KafkaConnection, topic: str) -> None:
        self._connection = connection
        self._topic = topic

    async def records(self) -> AsyncIterator[Record]:
        numbers = await self._connection.partitions(self._topic)
        if not numbers:
            raise DependencyAway(f"Kafka: the topic {self._topic} is missing or forbidden")
        physical = self._connection.physical(self._topic)
        partitions = [TopicPartition(physical, number) for number in numbers]
        consumer = AIOKafkaConsumer(
            **self._connection.client_options(), auto_offset_reset="earliest"
        )
        try:
            await consumer.start()
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            async for record in self._until(consumer, ends):
                yield record
        except (KafkaError, OSError, TimeoutError) as error:
            raise DependencyAway(f"Kafka: {error!r}") from error
        finally:
            await consumer.stop()

    async def _until(
        self, consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]
    ) -> AsyncIterator[Record]:
        left = {place for place, end in ends.items() if await consumer.position(place) < end}
        while left:
            for place, found in (await consumer.getmany(*left, timeout_ms=1_000)).items():
                for raw in found:
                    if raw.offset < ends[place]:
                        yield Record(self._topic, raw.key, raw.value, tuple(raw.headers))
            left -= {place for place in left if await consumer.position(place) >= ends[place]}
