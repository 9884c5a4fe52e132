"""The plumbing over memory and over real MongoDB, behind the same handles."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from infra.kafka import Topic, ensure_topics
from infra.servicekit.tests.lent import LentDatabases
from servicekit.clock import ManualClock
from servicekit.kafka import KafkaConnection
from servicekit.memory import MemoryDatabase
from servicekit.mongo import Database
from servicekit.outbox import MemoryOutbox, MongoOutboxQueue, OutboxQueue
from servicekit.schema import Schema, migrate
from servicekit.set_aside import SetAsideFact
from servicekit.set_aside import _fact as stored_fact
from servicekit.units import MemoryUnitsOfWork, MongoUnitsOfWork, Unit, UnitsOfWork
from servicekit.work import MemoryWorkQueue, MongoWorkQueue, WorkQueue

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


async def until(what: str, look: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """Return once `look` says True; fail with `what` if it does not within the deadline."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await look():
        assert asyncio.get_running_loop().time() < deadline, f"never: {what}"
        await asyncio.sleep(0.05)


@dataclass
class Plumbed:
    """Units of work and the sides of the ports that are not bound to one."""

    units: UnitsOfWork[Unit]
    outbox: OutboxQueue
    work: WorkQueue
    clock: ManualClock
    memory: MemoryDatabase = field(default_factory=MemoryDatabase)
    database: Database | None = None


async def connect(bootstrap_servers: str, topic_prefix: str) -> KafkaConnection:
    """Return a connection to a cluster that has a producer's and a consumer's topic."""
    topics = [Topic(name, "funding", 3, ()) for name in ("funding.pledges", "platform.payments")]
    await ensure_topics(bootstrap_servers, topics, topic_prefix)
    return KafkaConnection(bootstrap_servers, "servicekit-tests", topic_prefix)


@pytest.fixture
def addresses(
    mongodb_uri: str, kafka_bootstrap_servers: str, database_name: str, topic_prefix: str
) -> dict[str, str]:
    """What tells a lamp where everything is, apart from other tests."""
    return {
        "LAMP_MONGODB_URI": mongodb_uri,
        "LAMP_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap_servers,
        "LAMP_MONGODB_DATABASE": database_name,
        "LAMP_TOPIC_PREFIX": topic_prefix,
    }


@pytest.fixture
async def connection(kafka_bootstrap_servers: str, topic_prefix: str) -> KafkaConnection:
    """Kafka with two topics, apart from other tests."""
    return await connect(kafka_bootstrap_servers, topic_prefix)


@pytest.fixture
async def database(databases: LentDatabases) -> AsyncIterator[Database]:
    """A database with the plumbing only, empty and the test's own for as long as it runs."""
    async with databases.lent(Schema(1, ())) as database:
        yield database


@pytest.fixture
async def new_database(mongodb_uri: str, database_name: str) -> AsyncIterator[Database]:
    """The database at the test's own `addresses`; nobody has had it before."""
    connected = Database.connect(mongodb_uri, database_name, "servicekit-tests")
    await migrate(connected, Schema(1, ()))
    yield connected
    connected.close()


def on_memory() -> Plumbed:
    """The ports' working fakes on one database in memory."""
    clock, memory = ManualClock(NOW), MemoryDatabase()
    units: UnitsOfWork[Unit] = MemoryUnitsOfWork(memory, clock, lambda _, parts: Unit(parts))
    return Plumbed(units, MemoryOutbox(memory, clock), MemoryWorkQueue(memory), clock, memory)


def on_mongodb(database: Database) -> Plumbed:
    """The real ports on one database."""
    clock = ManualClock(NOW)
    units = MongoUnitsOfWork(database, clock, lambda _, parts: Unit(parts))
    queues = MongoOutboxQueue(database), MongoWorkQueue(database)
    return Plumbed(units, *queues, clock, database=database)


@pytest.fixture(params=["memory", "mongodb"])
def plumbed(request: pytest.FixtureRequest) -> Plumbed:
    """The same ports in memory and in MongoDB."""
    if request.param == "memory":
        return on_memory()
    return on_mongodb(request.getfixturevalue("database"))


Kept = Callable[[], Awaitable[list[SetAsideFact]]]


@pytest.fixture
def everything_kept(plumbed: Plumbed) -> Kept:
    """Whatever is set aside, also what belongs to no key."""

    async def everything() -> list[SetAsideFact]:
        if plumbed.database is not None:
            found = await plumbed.database.collection("set_aside").find().to_list(None)
            return [stored_fact(document) for document in found]
        return list(plumbed.memory.table("set_aside").values())

    return everything
