"""The feed over a real broker, and the one in memory, by one suite: order, places, instants."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from contracts.tools.topic_files import read_topic_files
from infra.kafka.rights import read_rights
from infra.kafka.topics import FOLDER
from notifier.adapters.kafka_feed import KafkaFeed
from notifier.ports.webhooks import Feed
from notifier.wire.webhooks import FEED_TOPICS, FEED_TYPES, feed_fact
from servicekit.kafka import KafkaConnection
from servicekit.ordering import Incoming
from servicekit.publish import KafkaPublisher
from servicekit.topic_pages import TopicPages
from services.notifier.tests.builders import collected, verdict
from services.notifier.tests.fakes_webhooks import MemoryFeed
from sosst_contracts.codec import Record

TOPICS = FEED_TOPICS[:2]
Write = Callable[[list[Record]], Awaitable[None]]


@pytest.fixture(params=["memory", "kafka"])
async def feed(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Feed, Write]]:
    """A feed of two topics of two partitions, and how facts come into it."""
    if request.param == "memory":
        memory = MemoryFeed(TOPICS)

        async def remember(records: list[Record]) -> None:
            memory.write(datetime.now(UTC), *records)

        yield memory, remember
        return
    servers = request.getfixturevalue("kafka_bootstrap_servers")
    prefix = request.getfixturevalue("topic_prefix")
    connection = KafkaConnection(servers, "test", prefix)
    admin = AIOKafkaAdminClient(**connection.client_options())
    await admin.start()
    await admin.create_topics([NewTopic(connection.physical(topic), 2, 1) for topic in TOPICS])
    await admin.close()
    publisher = KafkaPublisher(connection)

    async def publish(records: list[Record]) -> None:
        assert all(await publisher.publish(records))

    # A topic that is not there yet keeps nobody from the others.
    pages = TopicPages(connection, [*TOPICS, "funding.later"])
    yield KafkaFeed(pages), publish
    await pages.close()
    await publisher.close()


async def everything(feed: Feed, cursor: dict[tuple[str, int], int], limit: int) -> list[str]:
    """Read pages until there are no more; return the ids."""
    found = []
    while page := await feed.page(cursor, limit):
        for fact in page:
            found.append(fact.fact_id)
            cursor[fact.topic, fact.partition] = fact.offset + 1
    return found


async def test_pages_bring_every_fact_once_in_order(feed: tuple[Feed, Write]) -> None:
    """From the beginning by small pages: all of them, each partition in its order, and an end."""
    readable, write = feed
    campaigns = [f"campaign-{number}" for number in range(4)]
    records = [collected(n, f"b{n}", one) for n in range(1, 30) for one in campaigns]
    records += [verdict(29, campaign=one) for one in campaigns]
    await write(records)
    found = await everything(readable, dict(await readable.beginning()), 17)
    assert sorted(found) == sorted(text(record, "ce_id") for record in records)
    for one in campaigns:
        mine = [name for name in found if f"pledges:{one}:" in name]
        assert mine == [f"funding.pledges:{one}:{number}" for number in range(1, 30)]
    assert await readable.page(await readable.end(), 17) == []


async def test_the_end_stays_where_it_was(feed: tuple[Feed, Write]) -> None:
    """A cursor at the end brings what comes afterwards, and an unknown partition all it has."""
    readable, write = feed
    await write([collected(1, "before")])
    end = dict(await readable.end())
    await write([collected(2, "after"), verdict(2)])
    names = ["funding.campaigns:campaign-1:1", "funding.pledges:campaign-1:2"]
    assert sorted(await everything(readable, end, 10)) == names
    assert len(await everything(readable, {}, 10)) == 3


async def test_an_instant_is_a_place(feed: tuple[Feed, Write]) -> None:
    """From an instant between two facts the second one comes; from the future none."""
    readable, write = feed
    await write([collected(1, "before")])
    await asyncio.sleep(0.02)
    between = datetime.now(UTC)
    await asyncio.sleep(0.02)
    await write([collected(2, "after")])
    names = await everything(readable, dict(await readable.at(between)), 10)
    assert names == ["funding.pledges:campaign-1:2"]
    later = await readable.at(datetime.now(UTC) + timedelta(hours=1))
    assert await readable.page(later, 10) == []


def text(record: Record, name: str) -> str:
    return (dict(record.headers)[name] or b"").decode()


def test_a_fact_goes_out_as_it_stands_on_its_topic() -> None:
    """One CloudEvents document whose data are the value's own bytes; no event has no body."""
    record = collected(1, "b")
    fact = feed_fact(Incoming(record, 0, 0))
    assert record.value is not None and fact.body is not None
    assert fact.body.endswith(b', "data": ' + record.value + b"}")
    assert fact.type_name in FEED_TYPES and fact.campaign_id == "campaign-1"
    for value in (None, b"no json", b""):
        odd = Record(record.topic, record.key, value, record.headers)
        assert feed_fact(Incoming(odd, 0, 0)).body is None
    bare = Record(record.topic, record.key, record.value, ())
    assert feed_fact(Incoming(bare, 0, 0)).body is None


def test_the_feed_is_what_the_whole_company_may_read() -> None:
    """Every such topic about campaigns that is ours to read or our own; no restricted one."""
    files = {file.name: file.fields for file in read_topic_files(FOLDER)}
    readable = {r.name for r in read_rights(service="notifier") if r.operation == "read"}
    company = {name for name, fields in files.items() if fields["audience"] == "company"}
    campaigns = {name for name, fields in files.items() if fields["key"] == "campaign_id"}
    assert set(FEED_TOPICS) == company & readable & campaigns
    assert company & readable - campaigns == {"notifier.erasures"}
    assert all(files[topic]["retention_ms"] == -1 for topic in FEED_TOPICS)
    assert files["notifier.notifications"]["audience"] == "restricted"
