"""Where measurements take place: one stack, and on it one suite after the other."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from pymongo import MongoClient
from pymongo.database import Database

from infra.bench.memory import PeakMemory
from infra.bench.processor_time import ProcessorTime
from infra.bench.raw import Raw, partitions_of
from infra.demo.tidying import forget
from infra.kafka import ensure_topics, read_topics
from infra.native import NativeStack
from infra.suite import Suite
from infra.suite.readings import NeverHappened
from servicekit.kafka import KafkaConnection
from servicekit.publish import KafkaPublisher
from sosst_contracts.codec import Record

Document = dict[str, Any]
Records = list["ConsumerRecord[bytes, bytes]"]
Offsets = Mapping[TopicPartition, int]

# Each look takes of the processors that what is measured needs, and raw is not looked at.
POLL_SECONDS = 0.05
# A million facts are heard in some minutes, beside no other work.
PATIENCE_SECONDS = 1_200.0
FEED_PAGE = 10_000
Settings = Mapping[str, Mapping[str, str]]


@dataclass(slots=True)
class Scene:
    """A running suite with somebody who feeds it, and what there is to see of it."""

    suite: Suite
    stack: NativeStack
    client: MongoClient[Document]
    publisher: KafkaPublisher
    consumer: AIOKafkaConsumer
    raw: Raw

    def database(self, service: str) -> Database[Document]:
        """Look into a service's own database."""
        return self.client[self.suite.database(service)]

    def processor_time(self, *services: str) -> ProcessorTime:
        """Begin to count what the services, mongod and the broker use."""
        parts = {name: self.suite.services[name] for name in services}
        servers = {**parts, "mongod": self.stack.mongodb, "broker": self.stack.kafka}
        running = {name: server.process for name, server in servers.items()}
        return ProcessorTime({name: p.process_id for name, p in running.items() if p is not None})

    def peak_memory(self, service: str) -> PeakMemory:
        """Begin to watch how far a service's memory rises."""
        process = self.suite.services[service].process
        assert process is not None, f"{service} runs"
        return PeakMemory(process.process_id)

    async def feed(self, records: Sequence[Record]) -> None:
        """Publish the records in order; return when the broker has all of them."""
        for first in range(0, len(records), FEED_PAGE):
            waiting = list(records[first : first + FEED_PAGE])
            while waiting:
                acknowledged = await self.publisher.publish(waiting)
                pairs = zip(waiting, acknowledged, strict=True)
                waiting = [record for record, done in pairs if not done]

    async def ends(self, topic: str) -> dict[TopicPartition, int]:
        """Return the end of each partition of a topic."""
        partitions = partitions_of(self.suite.prefix, topic)
        ends: dict[TopicPartition, int] = await self.consumer.end_offsets(partitions)
        return ends

    async def count_after(self, topic: str, before: Offsets) -> int:
        """Return how many records came to a topic since."""
        return sum((await self.ends(topic)).values()) - sum(before.values())

    async def read(self, topic: str, after: Offsets) -> Records:
        """Return the records that came to a topic since."""
        ends = await self.ends(topic)
        missing = {p: end for p, end in ends.items() if end > after[p]}
        self.consumer.assign(list(missing))
        for partition in missing:
            self.consumer.seek(partition, after[partition])
        records: Records = []
        while missing:
            for partition, some in (await self.consumer.getmany(timeout_ms=500)).items():
                records += some
                if some and some[-1].offset + 1 >= missing[partition]:
                    del missing[partition]
        return records


@dataclass(frozen=True, slots=True)
class Ground:
    """A stack with the settings of measurements, and a folder for what runs on it."""

    stack: NativeStack
    folder: Path

    @asynccontextmanager
    async def scene(
        self, name: str, *services: str, settings: Settings, mail: bool = False
    ) -> AsyncIterator[Scene]:
        """Start these services with their own defaults but for `settings`; leave nothing behind.

        With `mail` there is a sink that they write to.
        """
        suite = Suite(self.folder / name, self.stack.addresses, settings=settings, mail=mail)
        servers = suite.addresses.kafka_bootstrap_servers
        raw_prefix = f"raw-{suite.prefix}"
        consumer = AIOKafkaConsumer(bootstrap_servers=servers, max_partition_fetch_bytes=8_388_608)
        publisher = KafkaPublisher(KafkaConnection(servers, "bench", suite.prefix))
        client: MongoClient[Document] = MongoClient(suite.addresses.mongodb_uri, tz_aware=True)
        raw = Raw(servers, raw_prefix, client[f"{raw_prefix}raw"])
        await consumer.start()
        try:
            # The raw topics first: they have their leaders by the time that the services run.
            await ensure_topics(servers, read_topics(), raw_prefix)
            await _start(suite, services)
            yield Scene(suite, self.stack, client, publisher, consumer, raw)
        finally:
            await suite.stop()
            await publisher.close()
            await consumer.stop()
            await forget(suite)
            client.drop_database(f"{raw_prefix}raw")
            client.close()
            await suite.provider.http.aclose()


async def _start(suite: Suite, services: Sequence[str]) -> None:
    """Start the services and only what they need: a provider is nobody's need but payouts'."""
    if "payouts" in services:
        await suite.start_surroundings()
    else:
        await asyncio.to_thread(suite.issuer.start)
        if suite.mail is not None:
            await asyncio.to_thread(suite.mail.start)
        await suite.make_topics()
        await asyncio.gather(*(asyncio.to_thread(suite.migrate, name) for name in services))
    started = (asyncio.to_thread(suite.services[name].start) for name in services)
    await asyncio.gather(*started)


async def until(what: str, look: Callable[[], Awaitable[bool]]) -> None:
    """Return as soon as it is so; raise `NeverHappened` after minutes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await look():
        if time.monotonic() > deadline:
            raise NeverHappened(what)
        await asyncio.sleep(POLL_SECONDS)
