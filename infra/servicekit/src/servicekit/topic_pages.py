"""Topics as pages, read outside any group from wherever is asked.

One consumer serves all readers of a process, one page at a time: for those who have more to do
with a page than to read it.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from servicekit.errors import DependencyAway
from servicekit.kafka import KafkaConnection
from servicekit.ordering import Incoming
from servicekit.stopping import stop_consumer
from sosst_contracts.codec import Record

READING_SECONDS = 10.0
FETCH_MILLISECONDS = 500
T = TypeVar("T")
Places = list[TopicPartition]
# Where each partition of each topic, by its logical name, is read next.
Cursor = Mapping[tuple[str, int], int]


class TopicPages:
    """Pages of these topics; one that is missing has no records yet.

    Everything here raises `DependencyAway` when no broker answers.
    """

    def __init__(self, connection: KafkaConnection, topics: Sequence[str]) -> None:
        self._connection = connection
        self._topics = {connection.physical(topic): topic for topic in topics}
        self._known: dict[str, Places] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._turn = asyncio.Lock()

    async def beginning(self) -> Cursor:
        """Return where the first records stand."""
        return await self._asked(lambda consumer, places: consumer.beginning_offsets(places))

    async def end(self) -> Cursor:
        """Return where the next records will stand."""
        return await self._asked(lambda consumer, places: consumer.end_offsets(places))

    async def at(self, instant: datetime) -> Cursor:
        """Return where the records of this instant and later ones stand."""
        milliseconds = int(instant.timestamp() * 1_000)

        async def places_of(
            consumer: AIOKafkaConsumer, places: Places
        ) -> Mapping[TopicPartition, int]:
            found = await consumer.offsets_for_times(dict.fromkeys(places, milliseconds))
            ends = await consumer.end_offsets(places)
            return {p: found[p].offset if found.get(p) else ends[p] for p in places}

        return await self._asked(places_of)

    async def page(self, cursor: Cursor, limit: int) -> list[Incoming]:
        """Return up to `limit` records from the cursor on, each partition in its order.

        Partitions stand among each other by the time of their records. One that the cursor does
        not name is read from its beginning.
        """

        async def read(consumer: AIOKafkaConsumer, places: Places) -> list[ConsumerRecord]:
            ends = await consumer.end_offsets(places)
            firsts = await consumer.beginning_offsets(places)
            begins = {p: max(cursor.get(self._place(p), 0), firsts[p]) for p in places}
            behind = {p: begin for p, begin in begins.items() if begin < ends[p]}
            return await _records(consumer, behind, ends, limit) if behind else []

        return [self._incoming(record) for record in await self._with_consumer(read)]

    async def close(self) -> None:
        async with self._turn:
            await self._drop()

    def _place(self, place: TopicPartition) -> tuple[str, int]:
        return self._topics[place.topic], place.partition

    def _incoming(self, raw: ConsumerRecord) -> Incoming:
        record = Record(self._topics[raw.topic], raw.key, raw.value, tuple(raw.headers))
        return Incoming(record, raw.partition, raw.offset)

    async def _asked(
        self,
        ask: Callable[[AIOKafkaConsumer, Places], Awaitable[Mapping[TopicPartition, int]]],
    ) -> Cursor:
        found = await self._with_consumer(ask)
        return {self._place(place): offset for place, offset in found.items()}

    async def _with_consumer(self, work: Callable[[AIOKafkaConsumer, Places], Awaitable[T]]) -> T:
        async with self._turn:
            try:
                async with asyncio.timeout(READING_SECONDS):
                    consumer = await self._ready()
                    return await work(consumer, await self._places(consumer))
            except (KafkaError, OSError, TimeoutError) as error:
                await self._drop()
                raise DependencyAway(f"Kafka: {error!r}") from error

    async def _places(self, consumer: AIOKafkaConsumer) -> Places:
        """Return every partition; one whose topic came meanwhile is there from then on."""
        for physical, topic in self._topics.items():
            if physical not in self._known:
                numbers = await self._connection.partitions(topic)
                if numbers:
                    self._known[physical] = [TopicPartition(physical, one) for one in numbers]
        places = [place for known in self._known.values() for place in known]
        if places and consumer.assignment() != set(places):
            consumer.assign(places)
            # Nothing is fetched until a page asks for it, from where it asks.
            consumer.pause(*places)
        return places

    async def _ready(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                **self._connection.client_options(),
                auto_offset_reset="earliest",
                request_timeout_ms=10_000,
            )
            try:
                await consumer.start()
            except BaseException:
                await stop_consumer(consumer)
                raise
            self._consumer = consumer
        return self._consumer

    async def _drop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_consumer(consumer)


async def _records(
    consumer: AIOKafkaConsumer,
    begins: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
    limit: int,
) -> list[ConsumerRecord]:
    """Read up to the limit, the partitions merged by when their records were written."""
    for place, begin in begins.items():
        consumer.seek(place, begin)
    consumer.resume(*begins)
    try:
        found = await _read(consumer, begins, ends, limit)
    finally:
        consumer.pause(*begins)
    return list(heapq.merge(*found.values(), key=lambda record: record.timestamp))


async def _read(
    consumer: AIOKafkaConsumer,
    begins: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
    limit: int,
) -> Mapping[TopicPartition, list[ConsumerRecord]]:
    found: dict[TopicPartition, list[ConsumerRecord]] = {place: [] for place in begins}
    left, room = set(begins), limit
    while left and room > 0:
        pages = await consumer.getmany(*left, timeout_ms=FETCH_MILLISECONDS, max_records=room)
        for place, records in pages.items():
            # Facts written since belong to the next page, or an endless topic never ends.
            found[place] += [record for record in records if record.offset < ends[place]]
            room -= len(records)
        left = {place for place in left if await consumer.position(place) < ends[place]}
    return found
