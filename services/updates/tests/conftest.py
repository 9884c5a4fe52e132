"""The service over fakes and over the real stores, behind the same handles."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from infra.servicekit.tests.lent import LentDatabases
from servicekit.clock import ManualClock
from servicekit.consume import BatchConsumer
from servicekit.loops import Pulse
from servicekit.memory import MemoryDatabase
from servicekit.mongo import Database
from servicekit.ordering import Incoming
from servicekit.outbox import MemoryOutbox, MongoOutboxQueue, OutboxQueue
from servicekit.units import MongoUnitsOfWork, UnitsOfWork
from services.updates.tests.fakes import MemoryQueries, memory_units
from sosst_contracts.codec import Decoded, Draft, decode
from sosst_contracts.event import Event
from updates.adapters.queries import MongoQueries
from updates.adapters.schema import SCHEMA
from updates.app import bind
from updates.consumer import subscriptions
from updates.ports import Queries, UpdatesUnit

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass
class UpdatesService:
    """Everything a test needs to talk to the service and to see what came out."""

    units: UnitsOfWork[UpdatesUnit]
    queries: Queries
    outbox: OutboxQueue
    clock: ManualClock

    async def hear(self, *facts: tuple[Event, int]) -> None:
        """Let the consumers of their topics read the events with these sequences, in this order."""
        for event, sequence in facts:
            record = Draft(event, NOW).seal(sequence)
            await self._consumer(event.topic).process([Incoming(record, 0, sequence)])

    async def published(self) -> list[Event]:
        """Return the events that wait in the outbox."""
        read = [decode(row.record) for row in await self.outbox.page(1_000)]
        return [one.event for one in read if isinstance(one, Decoded)]

    def _consumer(self, topic: str) -> BatchConsumer[UpdatesUnit]:
        (subscription,) = [one for one in subscriptions() if one.topic == topic]
        return BatchConsumer(subscription, self.units, self.clock, Pulse(topic))


def memory_service() -> UpdatesService:
    database, clock = MemoryDatabase(), ManualClock(NOW)
    units = memory_units(database, clock)
    return UpdatesService(units, MemoryQueries(database), MemoryOutbox(database, clock), clock)


@pytest.fixture
async def database(databases: LentDatabases) -> AsyncIterator[Database]:
    """A migrated database, empty and the test's own for as long as it runs."""
    async with databases.lent(SCHEMA) as database:
        yield database


@pytest.fixture(params=["memory", "mongodb"])
def service(request: pytest.FixtureRequest) -> UpdatesService:
    """The same service over the fakes and over the real stores."""
    if request.param == "memory":
        return memory_service()
    database: Database = request.getfixturevalue("database")
    clock = ManualClock(NOW)
    units: MongoUnitsOfWork[UpdatesUnit] = MongoUnitsOfWork(
        database, clock, lambda session, plumbing: bind(database, session, plumbing)
    )
    return UpdatesService(units, MongoQueries(database), MongoOutboxQueue(database), clock)
