"""Everything that stands on the ledger's topic, read once, outside any group."""

from collections.abc import AsyncIterator

from servicekit.errors import DependencyAway
from servicekit.kafka import KafkaConnection
from servicekit.topic_reader import TopicReader
from sosst_contracts.codec import Record


class KafkaLedgerTopic:
    """`ports.LedgerTopic` over the brokers."""

    def __init__(self, connection: KafkaConnection, topic: str) -> None:
        self._connection = connection
        self._topic = topic

    async def records(self) -> AsyncIterator[Record]:
        if not await self._connection.partitions(self._topic):
            raise DependencyAway(f"Kafka: the topic {self._topic} is missing or forbidden")
        async for page in TopicReader(self._connection, self._topic).read({}):
            for one in page:
                yield one.record
