"""Handing records to the broker, in order per key, with an acknowledgement for each."""

import asyncio
import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from servicekit import light_compression, metrics, traces
from servicekit.kafka import KafkaConnection
from sosst_contracts.codec import Record

log = structlog.get_logger()

# Above the largest event (256 KiB, `events.md` rule 7), below the broker's limit of 1 MiB.
BATCH_BYTES_MAX = 768 * 1024
ACKNOWLEDGEMENT_DEADLINE_SECONDS = 15.0
CLOSING_DEADLINE_SECONDS = 3.0

_MURMUR_SEED = 0x9747B28C
_MURMUR_FACTOR = 0x5BD1E995
_32_BITS = 0xFFFFFFFF

light_compression.install()


@dataclass(frozen=True, slots=True)
class Lot:
    """Records of one topic that go out together.

    Whoever cut it by partition says which of how many all its keys belong to: hashing each key
    once more would be a seventh of what it costs to tell a person. None: nobody knows.
    """

    records: Sequence[Record]
    partition: int | None = None
    partitions: int = 0


class Publisher(Protocol):
    """The way out to the topics."""

    async def publish(self, records: Sequence[Record]) -> list[bool]:
        """Send the records; say for each whether all in-sync replicas have acknowledged it.

        Records of one key keep their order, and one is acknowledged only if all before it in its
        partition are. False means *unknown*: it may be on the topic, so send the same again later
        (consumers drop repeats). Never raises for an absent broker or topic, never blocks for ever.
        """
        ...

    async def publish_lots(self, lots: Sequence[Lot]) -> list[bool]:
        """Send lots as `publish` sends records; say for each whether all of it is acknowledged.

        A record stands where its key's hash puts it, also where the topic has another number of
        partitions than the lot was cut for.
        """
        ...

    def reached(self) -> Mapping[tuple[str, int], int]:
        """Return the last offset acknowledged to this publisher, by topic and partition."""
        ...

    async def close(self) -> None: ...


def key_hash(key: bytes) -> int:
    """Return the hash from which every Kafka client chooses a key's partition.

    It is Kafka's murmur2, taken by words of four bytes: the one that aiokafka has takes single
    bytes, in twice the time.
    """
    length = len(key)
    whole = length // 4
    hashed = _MURMUR_SEED ^ length
    for word in struct.unpack_from(f"<{whole}I", key):
        word = word * _MURMUR_FACTOR & _32_BITS
        word = (word ^ word >> 24) * _MURMUR_FACTOR & _32_BITS
        hashed = hashed * _MURMUR_FACTOR & _32_BITS ^ word
    if length % 4:
        rest = int.from_bytes(key[4 * whole :], "little")
        hashed = (hashed ^ rest) * _MURMUR_FACTOR & _32_BITS
    hashed = (hashed ^ hashed >> 13) * _MURMUR_FACTOR & _32_BITS
    return (hashed ^ hashed >> 15) & 0x7FFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition every Kafka client chooses for this key."""
    return key_hash(key) % partitions


@dataclass(slots=True)
class _Sending:
    """One record batch on its way, and which records it holds."""

    indexes: list[int]
    batch: BatchBuilder


class KafkaPublisher:
    """An idempotent producer with a deadline on every send, made anew after any failure.

    The idempotent producer of aiokafka never times out while brokers are away and its `stop()`
    hangs (`stack.md` 3.11), so both are bounded here.
    """

    def __init__(self, connection: KafkaConnection, compression: str | None = None) -> None:
        self._connection = connection
        self._compression = compression
        self._producer: AIOKafkaProducer | None = None
        self._turn = asyncio.Lock()
        self._reached: dict[tuple[str, int], int] = {}

    async def publish(self, records: Sequence[Record]) -> list[bool]:
        return await self._publish([Lot(records)])

    async def publish_lots(self, lots: Sequence[Lot]) -> list[bool]:
        return _of_lots(lots, await self._publish(lots))

    async def _publish(self, lots: Sequence[Lot]) -> list[bool]:
        records = [record for lot in lots for record in lot.records]
        acknowledged = [False] * len(records)
        if records:
            with traces.span("publish", "producer", links=map(_traceparent, records)):
                await self._try(lots, records, acknowledged)
        return acknowledged

    async def _try(
        self, lots: Sequence[Lot], records: Sequence[Record], acknowledged: list[bool]
    ) -> None:
        async with self._turn:
            try:
                async with asyncio.timeout(ACKNOWLEDGEMENT_DEADLINE_SECONDS):
                    await self._send(lots, records, acknowledged)
            except (KafkaError, TimeoutError, OSError) as error:
                name = type(error).__name__
                metrics.OUTBOX_PUBLISH_FAILURES.labels(_listed(name)).inc()
                log.warning("not acknowledged", records=len(records), error=repr(error))
                await self._drop_producer()

    def reached(self) -> Mapping[tuple[str, int], int]:
        return dict(self._reached)

    async def close(self) -> None:
        async with self._turn:
            await self._drop_producer()

    async def _send(
        self, lots: Sequence[Lot], records: Sequence[Record], acknowledged: list[bool]
    ) -> None:
        producer = await self._ready_producer()
        counts = {topic: await self._partitions(producer, topic) for topic in _topics(records)}
        sends = [
            self._send_partition(producer, records, indexes, target, acknowledged)
            for target, indexes in _by_partition(lots, counts).items()
        ]
        failures = [f for f in await asyncio.gather(*sends, return_exceptions=True) if f]
        if failures:
            raise failures[0]

    async def _send_partition(
        self,
        producer: AIOKafkaProducer,
        records: Sequence[Record],
        indexes: list[int],
        target: tuple[str, int],
        acknowledged: list[bool],
    ) -> None:
        topic, partition = target
        for sending in _batches(producer, records, indexes):
            physical = self._connection.physical(topic)
            # One after the other: a later batch must never be acknowledged before an earlier one.
            sent = await producer.send_batch(sending.batch, physical, partition=partition)
            first = (await sent).offset
            for index in sending.indexes:
                acknowledged[index] = True
            if first >= 0:  # A batch that the broker had already is acknowledged without a place.
                self._reached[target] = first + len(sending.indexes) - 1

    async def _partitions(self, producer: AIOKafkaProducer, topic: str) -> int:
        """Return how many partitions the topic has, 0 where it is missing or forbidden."""
        try:
            async with asyncio.timeout(3):
                found = await producer.partitions_for(self._connection.physical(topic))
        except (KafkaError, TimeoutError) as error:
            log.warning("topic cannot be written", topic=topic, error=repr(error))
            found = None
        metrics.TOPIC_MISSING.labels(topic).set(0 if found else 1)
        return len(found or ())

    async def _ready_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                **self._connection.client_options(),
                acks="all",
                enable_idempotence=True,
                compression_type=self._compression,
                max_batch_size=BATCH_BYTES_MAX,
                request_timeout_ms=10_000,
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                await asyncio.wait_for(producer.stop(), CLOSING_DEADLINE_SECONDS)
            except (KafkaError, TimeoutError) as error:
                log.warning("producer did not close", error=repr(error))


def _traceparent(record: Record) -> str | None:
    value = dict(record.headers).get("traceparent")
    return value.decode() if value else None


def _by_partition(
    lots: Sequence[Lot], counts: Mapping[str, int]
) -> dict[tuple[str, int], list[int]]:
    """Return the places of the records among all of the lots, by topic and partition.

    Topics without partitions are left out.
    """
    found: dict[tuple[str, int], list[int]] = defaultdict(list)
    begin = 0
    for lot in lots:
        end = begin + len(lot.records)
        topic = lot.records[0].topic if lot.records else ""
        if lot.partition is not None and lot.partitions == counts.get(topic):
            found[topic, lot.partition].extend(range(begin, end))
        else:
            for index, record in enumerate(lot.records, begin):
                if count := counts[record.topic]:
                    found[record.topic, partition_of(record.key or b"", count)].append(index)
        begin = end
    return found


def _of_lots(lots: Sequence[Lot], acknowledged: Iterable[bool]) -> list[bool]:
    answers = iter(acknowledged)
    # Every lot takes its own answers off the iterator, also after a False.
    return [all(list(islice(answers, len(lot.records)))) for lot in lots]


def _topics(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(record.topic for record in records))


def _batches(
    producer: AIOKafkaProducer, records: Sequence[Record], indexes: list[int]
) -> list[_Sending]:
    sendings: list[_Sending] = []
    for index in indexes:
        record = records[index]
        if sendings and _append(sendings[-1].batch, record):
            sendings[-1].indexes.append(index)
            continue
        sendings.append(_Sending([index], producer.create_batch()))
        if not _append(sendings[-1].batch, record):
            raise ValueError(f"a record on {record.topic} does not fit an empty batch")
    return sendings


def _append(batch: BatchBuilder, record: Record) -> bool:
    appended = batch.append(
        key=record.key, value=record.value, timestamp=None, headers=list(record.headers)
    )
    return appended is not None


def _listed(name: str) -> str:
    """Keep the label within a fixed list, whatever error comes."""
    return name if name in metrics.PUBLISH_ERRORS else "other"


class MemoryLog:
    """A topic log in memory: what `KafkaPublisher` promises, for handler tests.

    `away` and `missing` (names of topics) are what a test takes from it.
    """

    def __init__(self, partitions: int = 12) -> None:
        self.records: list[Record] = []
        self.partitions = partitions
        self.away = False
        self.missing: set[str] = set()

    async def publish(self, records: Sequence[Record]) -> list[bool]:
        acknowledged = [not self.away and r.topic not in self.missing for r in records]
        self.records += [r for r, good in zip(records, acknowledged, strict=True) if good]
        return acknowledged

    async def publish_lots(self, lots: Sequence[Lot]) -> list[bool]:
        return _of_lots(lots, await self.publish([one for lot in lots for one in lot.records]))

    def reached(self) -> Mapping[tuple[str, int], int]:
        last: dict[tuple[str, int], int] = {}
        for record in self.records:
            place = (record.topic, partition_of(record.key or b"", self.partitions))
            last[place] = last.get(place, -1) + 1
        return last

    async def close(self) -> None:
        pass
