"""The servers really stop answering, and what was in hand waits for them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pymongo import MongoClient

from infra.native import NativeStack
from infra.native.server import Server
from infra.servicekit.tests.conftest import NOW, Plumbed, connect, on_mongodb, until
from infra.servicekit.tests.reader import Reader, fact
from infra.servicekit.tests.test_publish import on_topic, sequences
from servicekit import publish
from servicekit.errors import DependencyAway
from servicekit.mongo import Database
from servicekit.publish import KafkaPublisher
from servicekit.relay import Relay
from servicekit.schema import Schema, migrate
from sosst_contracts.codec import Draft
from sosst_contracts.funding import PledgePlaced
from sosst_contracts.testing import sample


@asynccontextmanager
async def paused(server: Server) -> AsyncIterator[None]:
    """Connections stay open and nothing answers."""
    await asyncio.to_thread(server.pause)
    try:
        yield
    finally:
        await asyncio.to_thread(server.resume)


@pytest.fixture
async def fragile(breakable_stack: NativeStack) -> AsyncIterator[Plumbed]:
    """A database on the stack that may be broken."""
    uri = breakable_stack.addresses.mongodb_uri
    database = Database.connect(uri, "fragile", "servicekit-tests")
    await migrate(database, Schema(1, ()))
    yield on_mongodb(database)
    database.close()
    client: MongoClient[dict[str, object]]
    with MongoClient(uri) as client:
        client.drop_database("fragile")


async def test_rows_stay_while_the_broker_does_not_answer(
    fragile: Plumbed,
    breakable_stack: NativeStack,
    topic_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither lost nor out of order: they leave once it answers again."""
    monkeypatch.setattr(publish, "ACKNOWLEDGEMENT_DEADLINE_SECONDS", 2.0)
    connection = await connect(breakable_stack.addresses.kafka_bootstrap_servers, topic_prefix)
    publisher = KafkaPublisher(connection)
    relay = Relay(fragile.outbox, publisher)

    async def add(count: int) -> None:
        drafts = [Draft(sample(PledgePlaced, campaign_id=f"c{n % 2}"), NOW) for n in range(count)]
        await fragile.units.run(lambda unit: unit.plumbing.outbox.add(drafts))

    await add(4)
    assert await relay.relay_page() is True
    async with paused(breakable_stack.kafka):
        await add(6)
        assert await relay.relay_page() is False
        assert (await fragile.outbox.backlog())[0] == 6

    async def drained() -> bool:
        await relay.relay_page()
        return (await fragile.outbox.backlog())[0] == 0

    await until("the outbox is empty", drained)
    await publisher.close()
    there = await on_topic(connection, "funding.pledges")
    for key in ("c0", "c1"):
        # What was sent without an answer may stand there twice; never out of order.
        assert list(dict.fromkeys(sequences(there, key))) == [1, 2, 3, 4, 5]


async def test_a_batch_waits_for_the_database_and_is_saved_once(
    fragile: Plumbed, breakable_stack: NativeStack
) -> None:
    """Retried in place while it is away: nothing is set aside, nothing is lost."""
    reader = Reader(fragile)
    await reader.read(fact(1))
    await asyncio.to_thread(breakable_stack.kill_mongodb)
    with pytest.raises(DependencyAway):
        await fragile.units.run(lambda unit: unit.plumbing.set_aside.count("k"))
    reading = asyncio.create_task(reader.read(fact(1), fact(2)))
    await asyncio.to_thread(breakable_stack.start_mongodb)
    await asyncio.wait_for(reading, 60)
    assert reader.saved == [("k", 1), ("k", 2)] and await reader.kept() == []
