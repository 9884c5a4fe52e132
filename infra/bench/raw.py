"""The raw limits: the same bytes, read, inserted and sent by nobody's rules.

Inserts are majority and journalled as the suite's are, in pages of a thousand, on two
connections; sends are acknowledged by all, idempotent, in batches of the suite's size. Indexes
beside `_id`, transactions and checks are left out: raw promises nothing.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from infra.kafka import read_topics
from servicekit.lots import BATCH_BYTES_MAX

Document = dict[str, Any]
Records = Sequence["ConsumerRecord[bytes, bytes]"]

PARTITIONS = {topic.name: topic.partitions for topic in read_topics()}
PAGE = 1_000
CONNECTIONS = 2
SAFELY = WriteConcern("majority", j=True)


@dataclass(slots=True)
class Took:
    """How long something took; 0 until it is over."""

    seconds: float = 0.0


@contextmanager
def stopwatch() -> Iterator[Took]:
    """Measure what happens inside."""
    took, began = Took(), time.perf_counter()
    yield took
    took.seconds = time.perf_counter() - began


def partitions_of(prefix: str, topic: str) -> list[TopicPartition]:
    """Return the partitions of a topic, as the contracts say how many."""
    return [TopicPartition(prefix + topic, number) for number in range(PARTITIONS[topic])]


@dataclass(frozen=True, slots=True)
class Raw:
    """Raw work on topics and a database of its own, on the servers that the suite uses."""

    bootstrap_servers: str
    prefix: str
    database: Database[Document]

    async def insert(self, collections: Mapping[str, Sequence[Document]]) -> float:
        """Insert the documents of some collections; return the seconds."""
        seconds = 0.0
        for name, documents in collections.items():
            seconds += await asyncio.to_thread(self._insert, self.empty(name), documents)
        return seconds

    async def insert_in_transactions(
        self, name: str, documents: Sequence[Document], per_transaction: int
    ) -> float:
        """Insert so many documents per transaction, each of which moves one counting document."""
        return await asyncio.to_thread(
            self._insert_in_transactions, self.empty(name), documents, per_transaction
        )

    async def send(self, topic: str, records: Records, compression: str | None = None) -> float:
        """Send the records to the raw topic of the same name; return the seconds."""
        by_partition: dict[int, list[ConsumerRecord[bytes, bytes]]] = defaultdict(list)
        for record in records:
            by_partition[record.partition].append(record)
        async with self.producer(compression) as producer:
            await producer.partitions_for(self.prefix + topic)
            with stopwatch() as took:
                sends = [
                    _send(producer, self.prefix + topic, partition, some)
                    for partition, some in by_partition.items()
                ]
                await asyncio.gather(*sends)
        return took.seconds

    async def read_and_insert(
        self, starts: Mapping[TopicPartition, int], documents: Sequence[Document]
    ) -> float:
        """Read a record for each document, insert what was read page by page; return the seconds.

        The documents stand ready: nothing is decoded.
        """
        collection = self.empty("read")
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap_servers, auto_offset_reset="earliest"
        )
        consumer.assign(list(starts))
        await consumer.start()
        try:
            for partition, offset in starts.items():
                consumer.seek(partition, offset)
            with stopwatch() as took:
                done = 0
                while done < len(documents):
                    read = sum(map(len, (await consumer.getmany(timeout_ms=500)).values()))
                    if read:
                        page = documents[done : done + read]
                        await asyncio.to_thread(collection.insert_many, page, ordered=False)
                    done += read
        finally:
            await consumer.stop()
        return took.seconds

    @asynccontextmanager
    async def consumer(self, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
        """Give a reader of what comes to the raw topic from now on."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap_servers)
        consumer.assign(partitions_of(self.prefix, topic))
        await consumer.start()
        try:
            await consumer.seek_to_end()
            yield consumer
        finally:
            await consumer.stop()

    def producer(self, compression: str | None = None) -> AIOKafkaProducer:
        """Return a producer with the suite's own promises, not started."""
        return AIOKafkaProducer(
            bootstrap_servers=self.bootstrap_servers,
            acks="all",
            enable_idempotence=True,
            compression_type=compression,
            max_batch_size=BATCH_BYTES_MAX,
        )

    def empty(self, name: str) -> Collection[Document]:
        """Return a collection without documents."""
        self.database.drop_collection(name)
        self.database.create_collection(name)
        return self.database.get_collection(name, write_concern=SAFELY)

    def _insert(self, collection: Collection[Document], documents: Sequence[Document]) -> float:
        shares = [documents[share::CONNECTIONS] for share in range(CONNECTIONS)]
        with ThreadPoolExecutor(CONNECTIONS) as threads, stopwatch() as took:
            list(threads.map(lambda share: _insert_pages(collection, share), shares))
        return took.seconds

    def _insert_in_transactions(
        self, collection: Collection[Document], documents: Sequence[Document], size: int
    ) -> float:
        counters = self.empty("counters")
        counters.insert_one({"_id": "hot", "version": 0, "sum": 0})
        with stopwatch() as took, self.database.client.start_session() as session:
            for version, first in enumerate(range(0, len(documents), size)):
                page = documents[first : first + size]
                with session.start_transaction(ReadConcern("snapshot"), SAFELY):
                    hot = {"_id": "hot", "version": version}
                    move = {"$inc": {"version": 1, "sum": len(page)}}
                    assert counters.update_one(hot, move, session=session).matched_count
                    collection.insert_many(page, ordered=False, session=session)
        return took.seconds


def _insert_pages(collection: Collection[Document], documents: Sequence[Document]) -> None:
    for first in range(0, len(documents), PAGE):
        collection.insert_many(documents[first : first + PAGE], ordered=False)


async def _send(producer: AIOKafkaProducer, topic: str, partition: int, records: Records) -> None:
    waiting = [
        await producer.send_batch(batch, topic, partition=partition)
        for batch in _batches(producer, records)
    ]
    await asyncio.gather(*waiting)


def _batches(producer: AIOKafkaProducer, records: Records) -> Iterator[BatchBuilder]:
    batch = producer.create_batch()
    for record in records:
        if not _appended(batch, record):
            yield batch
            batch = producer.create_batch()
            _appended(batch, record)
    yield batch


def _appended(batch: BatchBuilder, record: "ConsumerRecord[bytes, bytes]") -> bool:
    headers = list(record.headers)
    kept = batch.append(key=record.key, value=record.value, timestamp=None, headers=headers)
    return kept is not None
