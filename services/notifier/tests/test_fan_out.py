"""The fan-out on real MongoDB and real Kafka: the ids on the topic are the set of backers."""

import asyncio
from collections import Counter

import pytest

from infra.kafka import ensure_topics, read_topics
from notifier.domain.notification import notification_id
from servicekit.kafka import KafkaConnection
from servicekit.mongo import Database
from servicekit.publish import KafkaPublisher
from services.notifier.tests.builders import (
    CAMPAIGN,
    FIRE,
    NOW,
    Notifier,
    collected,
    emergency,
    pledges,
    records_of,
    refunded,
    update,
    verdict,
)
from services.notifier.tests.conftest import mongo_notifier
from services.notifier.tests.held import HeldAudience
from services.notifier.tests.kafka_topic import TOPIC, read_partitions
from sosst_contracts.notifier import BackerNotified

BACKERS = [f"backer-{number:05}" for number in range(3_000)]
PAGE = 500


async def read_back(connection: KafkaConnection, partitions: int) -> list[BackerNotified]:
    """Read the whole topic up to its present end."""
    found = await read_partitions(connection, partitions)
    return [event for events in found.values() for event in events]


async def finish(*processes: Notifier) -> None:
    """Let the processes work at the same time until nothing is incomplete."""
    async with asyncio.timeout(60):
        while True:
            worked = await asyncio.gather(*(process.publish() for process in processes))
            await processes[0].sweep()
            if not any(worked) and not await processes[0].queries.incomplete(1):
                return


@pytest.fixture
async def connection(kafka_bootstrap_servers: str, topic_prefix: str) -> KafkaConnection:
    wanted = [topic for topic in read_topics() if topic.name == TOPIC]
    await ensure_topics(kafka_bootstrap_servers, wanted, topic_prefix)
    return KafkaConnection(kafka_bootstrap_servers, "notifier-tests", topic_prefix)


@pytest.mark.row("S4")
async def test_ids_on_the_topic_are_the_backers(
    database: Database, connection: KafkaConnection
) -> None:
    """Two processes and a send that nobody noted: each backer has one id per cause, none lacks."""
    [topic] = [topic for topic in read_topics() if topic.name == TOPIC]
    processes = [mongo_notifier(database) for _ in range(2)]
    publishers = [KafkaPublisher(connection, compression="gzip") for _ in processes]
    for process, publisher in zip(processes, publishers, strict=True):
        process.publisher, process.partitions = publisher, topic.partitions
    facts = pledges(BACKERS)
    for begin in range(0, len(facts), PAGE):
        await processes[0].hear(*facts[begin : begin + PAGE])
    # The last one joins after N, the first one has two pledges.
    late = [collected(3_001, "backer-late"), collected(3_002, BACKERS[0])]
    await processes[0].hear(*late, verdict(3_000), update(3_000, 3_000), refunded(BACKERS[7], 1))
    await asyncio.gather(*(process.plan() for process in processes))
    await send_without_noting(processes[0])
    await finish(*processes)
    for publisher in publishers:
        await publisher.close()

    events = await read_back(connection, topic.partitions)
    assert len(events) > 2 * len(BACKERS) + 1, "nothing was sent twice, so nothing was tried"
    causes = (f"verdict-reached/{CAMPAIGN}", f"update-published/{CAMPAIGN}:update-1")
    for cause in causes:
        mine = [event for event in events if event.cause == cause]
        wanted = {notification_id(cause, NOW, backer) for backer in BACKERS}
        assert {event.notification_id for event in mine} == wanted
        assert {event.recipient_id for event in mine} == set(BACKERS)
        totals = await processes[0].queries.totals(cause)
        assert (totals.delivered, totals.pending) == (3_000, 0)
    assert Counter(event.cause for event in events)["refund-succeeded/refund-1"] == 1


async def send_without_noting(process: Notifier) -> None:
    """Do what a process does that is killed between sending a chunk and noting it."""
    [claim] = await process.queue.claim("publish-chunk", NOW, 1, 0)
    chunk = await process.queries.chunk(claim.item.payload["chunk_id"])
    assert chunk is not None
    assert all(await process.publisher.publish(records_of(chunk)))


@pytest.mark.row("S7")
async def test_an_emergency_overtakes_a_huge_update_on_the_topic(
    database: Database, connection: KafkaConnection
) -> None:
    """Heard while the other is cut and told: in each partition it comes before the rest of it."""
    [topic] = [topic for topic in read_topics() if topic.name == TOPIC]
    process = mongo_notifier(database)
    publisher = KafkaPublisher(connection, compression="gzip")
    process.publisher, process.partitions, process.recipients_max = publisher, topic.partitions, 5
    held = HeldAudience(process.audience, holds=1)
    process.audience = held
    backers = BACKERS[:600]
    await process.hear(*pledges(backers), update(600, 600))
    planning = asyncio.create_task(process.plan())
    async with asyncio.timeout(60):
        while not held.held:
            await asyncio.sleep(0.01)
        assert await process.publish()
        already = sum(map(len, (await read_partitions(connection, topic.partitions)).values()))
        await process.hear(emergency(600, 2))
        await process.plan()
        while await process.publish():
            pass
        held.go_on.set()
        await planning
    await finish(process)
    await publisher.close()

    partitions = await read_partitions(connection, topic.partitions)
    before = 0
    for events in partitions.values():
        causes = [event.cause for event in events]
        first, last = causes.index(FIRE), len(causes) - causes[::-1].index(FIRE)
        assert set(causes[first:last]) == {FIRE}
        before += first
    assert 0 < before == already < 600 / 4
    told = Counter(event.cause for events in partitions.values() for event in events)
    assert told == {FIRE: 600, f"update-published/{CAMPAIGN}:update-1": 600}
