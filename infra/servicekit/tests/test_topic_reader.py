"""A topic that is read once: what a broker that falls silent means to whoever reads."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.servicekit.tests.conftest import NOW
from servicekit import topic_reader
from servicekit.errors import DependencyAway
from servicekit.kafka import KafkaConnection
from servicekit.publish import KafkaPublisher
from servicekit.stopping import stop_consumer
from servicekit.topic_reader import TopicReader
from sosst_contracts.codec import Draft
from sosst_contracts.funding import PledgePlaced
from sosst_contracts.testing import sample


async def _silence(*partitions: Any, **options: Any) -> Mapping[Any, Any]:
    """Answer as a consumer does whose broker said how much there is, and then nothing more."""
    await asyncio.sleep(0.01)
    return {}


async def _read(reader: TopicReader) -> int:
    return sum([len(page) async for page in reader.read({})])


async def test_who_reads_a_broker_that_falls_silent_is_told(
    connection: KafkaConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A consumer asks again for ever, so a command would stand still without a word."""
    reader = TopicReader(connection, PledgePlaced.topic)
    assert await _read(reader) == 0
    publisher = KafkaPublisher(connection)
    await publisher.publish([Draft(sample(PledgePlaced, campaign_id="c1"), NOW).seal(1)])
    await publisher.close()
    assert await _read(reader) == 1
    monkeypatch.setattr(AIOKafkaConsumer, "getmany", _silence)
    with pytest.raises(DependencyAway, match=r"nothing comes of funding\.pledges"):
        await _read(TopicReader(connection, PledgePlaced.topic, stalled_seconds=0.05))


class _Lost:
    """A consumer whose place was cleaned away, of a broker that no longer says where to go on."""

    def __init__(self, **options: Any) -> None:
        self.stopped = False

    async def start(self) -> None: ...

    async def stop(self) -> None:
        self.stopped = True

    def assign(self, places: list[TopicPartition]) -> None: ...

    def seek(self, place: TopicPartition, offset: int) -> None: ...

    async def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 0)

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 1)

    async def getmany(self, *places: TopicPartition, **options: Any) -> Mapping[Any, Any]:
        return {}

    async def position(self, place: TopicPartition) -> int:
        await asyncio.Event().wait()
        raise AssertionError("nobody says where")


async def test_who_lost_its_place_at_a_broker_that_falls_silent_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """aiokafka asks for its place again for ever, as it does for records."""
    consumer = _Lost()
    monkeypatch.setattr(topic_reader, "AIOKafkaConsumer", lambda **options: consumer)
    monkeypatch.setattr(KafkaConnection, "partitions", _one_partition)
    reader = TopicReader(KafkaConnection("127.0.0.1:1", "one"), "any", stalled_seconds=0.05)
    with pytest.raises(DependencyAway, match="nothing comes of any"):
        await asyncio.wait_for(_read(reader), 30)
    assert consumer.stopped


async def _one_partition(connection: KafkaConnection, topic: str) -> list[int]:
    return [0]


async def test_a_consumer_whose_fetch_waits_for_its_next_try_is_stopped(
    connection: KafkaConnection,
) -> None:
    """aiokafka lets that fetch's cancellation out, and a loop or command would end by it."""
    consumer = await _waiting_for_its_next_try(connection)
    with pytest.raises(asyncio.CancelledError):
        await consumer.stop()
    before = asyncio.all_tasks()
    consumer = await _waiting_for_its_next_try(connection)
    await stop_consumer(consumer)
    # What stays connected goes on asking for metadata.
    left = asyncio.all_tasks() - before
    assert not left or not (await asyncio.wait(left, timeout=10))[1]


async def _waiting_for_its_next_try(connection: KafkaConnection) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(**connection.client_options())
    await consumer.start()
    places = [TopicPartition(connection.physical(PledgePlaced.topic), 0)]
    consumer.assign(places)
    await consumer.end_offsets(places)
    waiting = asyncio.create_task(asyncio.sleep(3_600))
    consumer._fetcher._pending_tasks.add(waiting)
    await asyncio.sleep(0)
    return consumer
