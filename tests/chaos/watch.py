"""Reads all topics of a suite as they grow, past every outage, into one history."""

import asyncio
from typing import Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from infra.kafka import read_topics
from infra.suite import Suite
from servicekit.errors import DependencyAway
from sosst_contracts.codec import Decoded, Record, decode
from tests.chaos.findings import Finding
from tests.chaos.history import History

READ_SECONDS_MAX = 8.0


class TopicWatch:
    """A reader without a group, which forgets nothing and commits nothing."""

    def __init__(self, suite: Suite) -> None:
        self.history = History()
        self.findings: list[Finding] = []
        self._servers = suite.addresses.kafka_bootstrap_servers
        self._topics = {
            TopicPartition(suite.topic(topic.name), partition): topic.name
            for topic in read_topics()
            if not topic.name.startswith("platform.")
            for partition in range(topic.partitions)
        }
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._servers, auto_offset_reset="earliest", fetch_max_wait_ms=100
        )

    async def __aenter__(self) -> Self:
        self._consumer.assign(list(self._topics))
        await self._consumer.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        try:
            await self._consumer.stop()
        except asyncio.CancelledError:
            pass  # aiokafka's stop hands on that of its own reading.

    async def read(self) -> None:
        """Read everything that stands there now; raise `DependencyAway` if it cannot be read."""
        try:
            async with asyncio.timeout(READ_SECONDS_MAX):
                ends = await self._consumer.end_offsets(list(self._topics))
                await self._read_until(ends)
        except (KafkaError, TimeoutError, OSError) as error:
            raise DependencyAway(f"Kafka: {error!r}") from error

    async def _read_until(self, ends: dict[TopicPartition, int]) -> None:
        for partition, end in ends.items():
            while await self._consumer.position(partition) < end:
                await self._read_some()

    async def _read_some(self) -> None:
        for partition, records in (await self._consumer.getmany(timeout_ms=200)).items():
            for record in records:
                self._take(self._topics[partition], record)

    def _take(self, topic: str, record: "ConsumerRecord[bytes, bytes]") -> None:
        read = decode(Record(topic, record.key, record.value, tuple(record.headers)))
        if isinstance(read, Decoded):
            self.findings += self.history.take(topic, read)
        else:
            where = f"{topic}-{record.partition}@{record.offset}"
            self.findings.append(Finding("unreadable", f"{where}: {read}"))
