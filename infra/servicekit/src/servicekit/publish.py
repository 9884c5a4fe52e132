"""Handing records to the broker, in order per key, with an acknowledgement for each."""

import asyncio
import struct
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from servicekit import light_compression, metrics, traces
from servicekit.kafka import KafkaConnection
from servicekit.lots import BATCH_BYTES_MAX, Compression, Lot, LotBatch
from servicekit.stopping import stop_producer
from sosst_contracts.codec import Record

log = structlog.get_logger()

ACKNOWLEDGEMENT_DEADLINE_SECONDS = 15.0

_MURMUR_SEED = 0x9747B28C
_MURMUR_FACTOR = 0x5BD1E995
_32_BITS = 0xFFFFFFFF

light_compression.install()


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
    """One record batch on its way, and how many records it holds of which lots.

    Who publishes records and no lots has each of them counted as one.
    """

    batch: BatchBuilder
    taken: list[tuple[int, int]]


Target = tuple[str, int]
# Makes the batches of each partition, in their order, where the topics have so many partitions.
Pack = Callable[[AIOKafkaProducer, Mapping[str, int]], Mapping[Target, Sequence[_Sending]]]


class KafkaPublisher:
    """An idempotent producer with a deadline on every send, made anew after any failure.

    The idempotent producer of aiokafka never times out while brokers are away and its `stop()`
    hangs (`stack.md` 3.11): what is not acknowledged by the deadline is given up with it.
    """

    def __init__(self, connection: KafkaConnection, compression: Compression = None) -> None:
        self._connection = connection
        self._compression = compression
        self._producer: AIOKafkaProducer | None = None
        self._turn = asyncio.Lock()
        self._reached: dict[Target, int] = {}

    async def publish(self, records: Sequence[Record]) -> list[bool]:
        return await self._publish(records, [1] * len(records), partial(_pack_records, records))

    async def publish_lots(self, lots: Sequence[Lot]) -> list[bool]:
        samples = [lot.template for lot in lots if len(lot)]
        counts = [len(lot) for lot in lots]
        return await self._publish(samples, counts, partial(_pack_lots, lots, self._compression))

    async def _publish(
        self, samples: Sequence[Record], unknown: list[int], pack: Pack
    ) -> list[bool]:
        """Send what is packed; `unknown` counts what is not acknowledged, of each lot or record.

        The samples have all topics and all origins.
        """
        if samples:
            with traces.span("publish", "producer", links=map(_traceparent, samples)):
                await self._try(samples, unknown, pack)
        return [not left for left in unknown]

    async def _try(self, samples: Sequence[Record], unknown: list[int], pack: Pack) -> None:
        async with self._turn:
            try:
                async with asyncio.timeout(ACKNOWLEDGEMENT_DEADLINE_SECONDS):
                    await self._send(samples, unknown, pack)
            except (KafkaError, TimeoutError, OSError) as error:
                name = type(error).__name__
                metrics.OUTBOX_PUBLISH_FAILURES.labels(_listed(name)).inc()
                log.warning("not acknowledged", records=sum(unknown), error=repr(error))
                await self._drop_producer()

    def reached(self) -> Mapping[tuple[str, int], int]:
        return dict(self._reached)

    async def close(self) -> None:
        async with self._turn:
            await self._drop_producer()

    async def _send(self, samples: Sequence[Record], unknown: list[int], pack: Pack) -> None:
        producer = await self._ready_producer()
        topics = dict.fromkeys(record.topic for record in samples)
        counts = {topic: await self._partitions(producer, topic) for topic in topics}
        sends = [
            self._send_partition(producer, target, sendings, unknown)
            for target, sendings in pack(producer, counts).items()
        ]
        failures = [f for f in await asyncio.gather(*sends, return_exceptions=True) if f]
        if failures:
            raise failures[0]

    async def _send_partition(
        self,
        producer: AIOKafkaProducer,
        target: Target,
        sendings: Sequence[_Sending],
        unknown: list[int],
    ) -> None:
        topic, partition = target
        physical = self._connection.physical(topic)
        for sending in sendings:
            # One after the other: a later batch must never be acknowledged before an earlier one.
            sent = await producer.send_batch(sending.batch, physical, partition=partition)
            first = (await sent).offset
            for index, count in sending.taken:
                unknown[index] -= count
            if first >= 0:  # A batch that the broker had already is acknowledged without a place.
                self._reached[target] = first + sending.batch.record_count() - 1

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
                await stop_producer(producer)
                raise
            self._producer = producer
        return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_producer(producer)


def _traceparent(record: Record) -> str | None:
    value = dict(record.headers).get("traceparent")
    return value.decode() if value else None


def _pack_records(
    records: Sequence[Record], producer: AIOKafkaProducer, counts: Mapping[str, int]
) -> Mapping[Target, Sequence[_Sending]]:
    """Pack each record where its key belongs; topics without partitions are left out."""
    found: dict[Target, list[_Sending]] = defaultdict(list)
    for index, record in enumerate(records):
        if count := counts[record.topic]:
            sendings = found[record.topic, partition_of(record.key or b"", count)]
            if not sendings or not _append(sendings[-1].batch, record):
                sendings.append(_Sending(producer.create_batch(), []))
                _append(sendings[-1].batch, record)
            sendings[-1].taken.append((index, 1))
    return found


def _pack_lots(
    lots: Sequence[Lot],
    compression: Compression,
    producer: AIOKafkaProducer,
    counts: Mapping[str, int],
) -> Mapping[Target, Sequence[_Sending]]:
    """Pack each lot where its keys belong; topics without partitions are left out."""
    found: dict[Target, list[_Sending]] = defaultdict(list)
    for index, lot in enumerate(lots):
        for partition, part in _by_partition(lot, counts.get(lot.template.topic, 0)):
            sendings, begin = found[lot.template.topic, partition], 0
            while begin < len(part):
                if not sendings or not (taken := sendings[-1].batch.take(part, begin)):
                    sendings.append(_Sending(LotBatch(compression), []))
                    taken = sendings[-1].batch.take(part, begin)
                sendings[-1].taken.append((index, taken))
                begin += taken
    return found


def _by_partition(lot: Lot, count: int) -> Sequence[tuple[int, Lot]]:
    """Cut a lot for a topic of so many partitions, unless it is cut for it already."""
    if not count:
        return []
    if lot.partition is not None and lot.partitions == count:
        return [(lot.partition, lot)]
    places: dict[int, list[int]] = defaultdict(list)
    for place, record in enumerate(lot.records()):
        places[partition_of(record.key or b"", count)].append(place)
    return [(partition, _only(lot, some)) for partition, some in places.items()]


def _only(lot: Lot, places: Sequence[int]) -> Lot:
    return replace(lot, columns=[[column[place] for place in places] for column in lot.columns])


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
        acknowledged = [await self.publish(list(lot.records())) for lot in lots]
        return [all(records) for records in acknowledged]

    def reached(self) -> Mapping[tuple[str, int], int]:
        last: dict[tuple[str, int], int] = {}
        for record in self.records:
            place = (record.topic, partition_of(record.key or b"", self.partitions))
            last[place] = last.get(place, -1) + 1
        return last

    async def close(self) -> None:
        pass
