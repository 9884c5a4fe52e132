"""The plumbing over memory and over real MongoDB, behind the same handles."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from servicekit.clock import ManualClock
from servicekit.memory import MemoryDatabase
from servicekit.mongo import Database
from servicekit.outbox import MemoryOutbox, MongoOutboxQueue, OutboxQueue
from servicekit.schema import Schema, migrate
from servicekit.units import MemoryUnitsOfWork, MongoUnitsOfWork, Unit, UnitsOfWork
from servicekit.work import MemoryWorkQueue, MongoWorkQueue, WorkQueue

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass
class Plumbed:
    """Units of work and the sides of the ports that are not bound to one."""

    units: UnitsOfWork[Unit]
    outbox: OutboxQueue
    work: WorkQueue
    clock: ManualClock


@pytest.fixture
async def database(mongodb_uri: str, database_name: str) -> AsyncIterator[Database]:
    """A migrated database of the test's own."""
    connected = Database.connect(mongodb_uri, database_name, "servicekit-tests")
    await migrate(connected, Schema(1, ()))
    yield connected
    connected.close()


@pytest.fixture(params=["memory", "mongodb"])
def plumbed(request: pytest.FixtureRequest) -> Plumbed:
    """The same ports in memory and in MongoDB."""
    clock = ManualClock(NOW)
    if request.param == "memory":
        memory = MemoryDatabase()
        units: UnitsOfWork[Unit] = MemoryUnitsOfWork(memory, clock, lambda _, parts: Unit(parts))
        return Plumbed(units, MemoryOutbox(memory, clock), MemoryWorkQueue(memory), clock)
    database: Database = request.getfixturevalue("database")
    units = MongoUnitsOfWork(database, clock, lambda _, parts: Unit(parts))
    return Plumbed(units, MongoOutboxQueue(database), MongoWorkQueue(database), clock)
