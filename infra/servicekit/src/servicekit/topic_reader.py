"""Reading a topic once, from given offsets to where it ends now, outside any group."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from servicekit import lenient_records
from servicekit.errors import DependencyAway
from servicekit.kafka import KafkaConnection
from servicekit.ordering import Incoming
from servicekit.stopping import stop_consumer
from sosst_contracts.codec import Record

PAGE_RECORDS = 500
# A consumer never says that its broker is away: it asks again, for ever.
STALLED_SECONDS = 30.0

lenient_records.install()


class TopicReader:
    """Reads the records of one topic from offsets up to the ends that it has at the beginning.

    `ends` says where each partition ended, known once the reading has begun.
    """

    def __init__(
        self, connection: KafkaConnection, topic: str, stalled_seconds: float = STALLED_SECONDS
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._stalled_seconds = stalled_seconds
        self.ends: dict[int, int] = {}

    async def read(self, begins: Mapping[int, int]) -> AsyncIterator[list[Incoming]]:
        """Yield pages, each partition in its order; a partition that is not named begins at 0.

        Nothing is yielded for a missing topic. Raises `DependencyAway` if no broker answers, or
        nothing comes for too long of what is known to be there.
        """
        numbers = await self._connection.partitions(self._topic)
        physical = self._connection.physical(self._topic)
        partitions = [TopicPartition(physical, number) for number in numbers]
        if not partitions:
            return
        consumer = AIOKafkaConsumer(
            **self._connection.client_options(),
            auto_offset_reset="earliest",
            request_timeout_ms=10_000,
        )
        try:
            await consumer.start()
            consumer.assign(partitions)
            firsts = await consumer.beginning_offsets(partitions)
            ends = await consumer.end_offsets(partitions)
            self.ends = {place.partition: end for place, end in ends.items()}
            left = set()
            for place in partitions:
                begin = min(max(begins.get(place.partition, 0), firsts[place]), ends[place])
                consumer.seek(place, begin)
                if begin < ends[place]:
                    left.add(place)
            async for page in self._pages(consumer, ends, left):
                yield page
        except (KafkaError, OSError, TimeoutError) as error:
            raise DependencyAway(f"Kafka: {error!r}") from error
        finally:
            await stop_consumer(consumer)

    async def _pages(
        self,
        consumer: AIOKafkaConsumer,
        ends: Mapping[TopicPartition, int],
        left: set[TopicPartition],
    ) -> AsyncIterator[list[Incoming]]:
        moved, nothing_comes = time.monotonic(), f"Kafka: nothing comes of {self._topic}"
        while left:
            found = await consumer.getmany(*left, timeout_ms=1_000, max_records=PAGE_RECORDS)
            page = []
            for place, records in found.items():
                for raw in records:
                    if raw.offset < ends[place]:
                        logical = Record(self._topic, raw.key, raw.value, tuple(raw.headers))
                        page.append(Incoming(logical, raw.partition, raw.offset))
            if page:
                yield page
            # A position passes what is no record: markers, and offsets that were cleaned away. One
            # that was lost with them is asked for again, for ever too.
            try:
                async with asyncio.timeout(self._stalled_seconds):
                    left -= {one for one in left if await consumer.position(one) >= ends[one]}
            except TimeoutError as error:
                raise DependencyAway(nothing_comes) from error
            if found:
                moved = time.monotonic()
            elif time.monotonic() - moved > self._stalled_seconds:
                raise DependencyAway(nothing_comes)
