"""A topic that is read once: what a broker that falls silent means to whoever reads."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from infra.servicekit.tests.conftest import NOW
from servicekit.errors import DependencyAway
from servicekit.kafka import KafkaConnection
from servicekit.publish import KafkaPublisher
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
