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
        # The reader takes a missing topic for an empty one, and an empty one proves nothing.
        if missing := await self._connection.missing_topics([self._topic]):
            raise DependencyAway(f"Kafka: the topic {self._topic} is {missing[self._topic]}")
        async for page in TopicReader(self._connection, self._topic).read({}):
            for incoming in page:
                yield incoming.record
