"""Whoever has only the contracts and their README reads every event, without our services."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.kafka import ensure_topics, read_topics
from servicekit.kafka import KafkaConnection
from servicekit.publish import KafkaPublisher
from sosst_contracts.codec import Draft, Record
from sosst_contracts.registry import REGISTRY
from sosst_contracts.testing import sample
from tests.strangers.readers import (
    Connection,
    Read,
    imports,
    read_with_java,
    read_with_kcat,
    read_with_wheel,
    run_readme,
)

TOPICS = REGISTRY.topics()


def one_of_each() -> list[Record]:
    """Return a sample of every event, numbered as its topic demands."""
    records: list[Record] = []
    for topic in TOPICS:
        for number, event_type in enumerate(REGISTRY.on_topic(topic), start=1):
            if event_type.sequenced:
                made = Draft(sample(event_type), datetime.now(UTC)).seal(number)
            else:
                identity = f"sandbox/ch_1/{number}"
                made = Draft(sample(event_type), datetime.now(UTC), identity=identity).seal()
            records.append(made)
    return records


@pytest.fixture
async def connection(kafka_bootstrap_servers: str, topic_prefix: str) -> Connection:
    """A cluster on which one of every event stands."""
    await ensure_topics(kafka_bootstrap_servers, read_topics(), topic_prefix)
    kafka = KafkaConnection(kafka_bootstrap_servers, "strangers", topic_prefix)
    publisher = KafkaPublisher(kafka)
    assert all(await publisher.publish(one_of_each()))
    await publisher.close()
    return Connection(kafka_bootstrap_servers, topic_prefix)


def assert_all_read(records: Sequence[Read]) -> None:
    expected = sorted(event_type.type_name() for event_type in REGISTRY.event_types)
    assert sorted(one.type for one in records) == expected
    assert all(one.value for one in records)


async def test_the_wheel_and_the_readme_are_enough(connection: Connection, python: Path) -> None:
    """The README's lines, in an environment with nothing else of ours, read and prove."""
    assert imports(python, "sosst_contracts") and not imports(python, "servicekit")
    count = len(REGISTRY.event_types)
    assert_all_read(await read_with_wheel(python, connection, TOPICS, count))
    assert await run_readme(python, 1, connection, [], 1) == ["campaign campaign-1: proven"]


@pytest.mark.needs_kcat
async def test_kcat_reads_the_same(connection: Connection) -> None:
    """The README's line for librdkafka, topic by topic."""
    assert_all_read(await read_with_kcat(connection, TOPICS))


async def test_kafkas_own_consumer_reads_the_same(connection: Connection) -> None:
    """The README's line for Java, all topics at once."""
    assert_all_read(await read_with_java(connection, TOPICS, len(REGISTRY.event_types)))
