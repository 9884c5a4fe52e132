"""Looking at a suite from outside: its HTTP answers, its topics, the provider's own book."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from infra.sandbox.issuer.tokens import STAFF, Caller
from infra.suite.suite import Suite
from servicekit.stopping import CLOSING_SECONDS, ended, stop_consumer
from sosst_contracts.codec import Decoded, Erased, Record, decode

T = TypeVar("T")
POLL_SECONDS = 0.1


class NeverHappened(AssertionError):
    """What was waited for did not come true in time; the message says what was seen last."""


async def eventually(
    what: str, look: Callable[[], Awaitable[T | None]], timeout_seconds: float = 60
) -> T:
    """Return the first answer of `look` that is not None or False; raise `NeverHappened`."""
    deadline = time.monotonic() + timeout_seconds
    seen: object = None
    while time.monotonic() < deadline:
        try:
            answer = await look()
            if answer is not None and answer is not False:
                return answer
            seen = answer
        except httpx.HTTPError as error:
            seen = error
        await asyncio.sleep(POLL_SECONDS)
    raise NeverHappened(f"{what}: {seen!r}")


class Readings:
    """Reads what the suite says to everybody."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.http = httpx.AsyncClient(timeout=30, trust_env=False)

    async def close(self) -> None:
        await self.http.aclose()

    async def ask(
        self,
        method: str,
        service: str,
        path: str,
        *,
        caller: Caller | None,
        body: object = None,
        query: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Return a service's answer to this caller, None for nobody; no status is an error."""
        return await self.http.request(
            method,
            f"{self.suite.services[service].url}{path}",
            json=body,
            params=query,
            headers=await self.suite.tokens.headers(caller),
        )

    async def get(
        self, service: str, path: str, *, caller: Caller | None = STAFF
    ) -> dict[str, Any] | None:
        """Return what a service shows this caller, None for 404."""
        response = await self.ask("GET", service, path, caller=caller)
        if response.status_code == 404:
            return None
        response.raise_for_status()
        body: dict[str, Any] = response.json()
        return body

    async def pages(
        self, service: str, path: str, *, caller: Caller | None = STAFF
    ) -> list[dict[str, Any]]:
        """Return the items of all pages of a list."""
        items: list[dict[str, Any]] = []
        cursor: object = None
        while True:
            query = {"limit": "200"} | ({} if cursor is None else {"cursor": str(cursor)})
            response = await self.ask("GET", service, path, caller=caller, query=query)
            response.raise_for_status()
            items += response.json()["items"]
            cursor = response.json()["next_cursor"]
            if cursor is None:
                return items

    async def events(self, topic: str) -> list[Decoded]:
        """Return every event that stands on a topic now, in order per partition.

        That a person is forgotten is a tombstone and no event: it is left out.
        """
        facts = await self.records(topic)
        return [understood(fact) for fact in facts if not isinstance(decode(fact), Erased)]

    async def ends(self, topics: Sequence[str]) -> dict[str, dict[int, int]]:
        """Return where each partition of the topics ends, those without records left out.

        Raises `KafkaError`, `OSError` or `TimeoutError` if no broker answers.
        """
        connection = self.suite.connection("readings")
        names = {connection.physical(topic): topic for topic in topics}
        async with self._administrator() as admin:
            described = await admin.describe_topics(list(names))
        places = [
            TopicPartition(one["topic"], partition["partition"])
            for one in described
            for partition in one["partitions"]
        ]
        consumer = AIOKafkaConsumer(**connection.client_options(), request_timeout_ms=10_000)
        try:
            async with asyncio.timeout(20):
                await consumer.start()
                found = await consumer.end_offsets(places)
        finally:
            await stop_consumer(consumer)
        ends: dict[str, dict[int, int]] = {topic: {} for topic in topics}
        for place, end in found.items():
            if end:
                ends[names[place.topic]][place.partition] = end
        return ends

    async def committed(self, groups: Sequence[str]) -> dict[str, dict[TopicPartition, int]]:
        """Return the positions that each group has committed, by its place on the cluster.

        Raises as `ends` does.
        """
        connection = self.suite.connection("readings")
        async with self._administrator() as admin:
            found = {
                group: await admin.list_consumer_group_offsets(connection.physical(group))
                for group in groups
            }
        return {
            group: {place: position.offset for place, position in positions.items()}
            for group, positions in found.items()
        }

    @asynccontextmanager
    async def _administrator(self) -> AsyncIterator[AIOKafkaAdminClient]:
        options = self.suite.connection("readings").client_options()
        admin = AIOKafkaAdminClient(**options, request_timeout_ms=10_000)
        try:
            async with asyncio.timeout(20):
                await admin.start()
                yield admin
        finally:
            await ended(admin.close(), CLOSING_SECONDS)

    async def records(self, topic: str) -> list[Record]:
        """Return everything that stands on a topic now as it stands there."""
        connection = self.suite.connection("readings")
        numbers = await connection.partitions(topic)
        partitions = [TopicPartition(connection.physical(topic), number) for number in numbers]
        consumer = AIOKafkaConsumer(**connection.client_options(), auto_offset_reset="earliest")
        consumer.assign(partitions)
        await consumer.start()
        try:
            ends = await consumer.end_offsets(partitions)
            return await _read_until(consumer, topic, {p: e for p, e in ends.items() if e})
        finally:
            await consumer.stop()


def understood(record: Record) -> Decoded:
    """Return the event of a record; the suite publishes none that cannot be read."""
    read = decode(record)
    assert isinstance(read, Decoded), read
    return read


async def _read_until(
    consumer: AIOKafkaConsumer, topic: str, ends: dict[TopicPartition, int]
) -> list[Record]:
    records: list[Record] = []
    while ends:
        for partition, page in (await consumer.getmany(timeout_ms=500)).items():
            records += [Record(topic, raw.key, raw.value, tuple(raw.headers)) for raw in page]
            if page and page[-1].offset + 1 >= ends.get(partition, 0):
                ends.pop(partition, None)
    return records
