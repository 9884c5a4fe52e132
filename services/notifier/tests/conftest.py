"""A notifier over real stores, for the tests that need one."""

from collections.abc import AsyncIterator

import pytest

from infra.servicekit.tests.lent import LentDatabases
from notifier.adapters.mongo_email import MongoEmailQueries
from notifier.adapters.mongo_stores import MongoAudience
from notifier.adapters.mongo_webhooks import MongoEndpointQueries
from notifier.adapters.queries import MongoQueries
from notifier.adapters.schema import SCHEMA
from notifier.adapters.unit import bind
from notifier.ports.unit import NotifierUnit
from servicekit.clock import ManualClock
from servicekit.mongo import Database
from servicekit.outbox import MongoOutboxQueue
from servicekit.publish import MemoryLog
from servicekit.units import MongoUnitsOfWork
from servicekit.work import MongoWorkQueue
from services.notifier.tests.builders import NOW, PARTITIONS, Notifier, memory_notifier
from services.notifier.tests.post import Post, memory_post, post_over


@pytest.fixture
async def database(databases: LentDatabases) -> AsyncIterator[Database]:
    """A migrated database, empty and the test's own for as long as it runs."""
    async with databases.lent(SCHEMA) as database:
        yield database


def mongo_notifier(database: Database) -> Notifier:
    """A process over this database; call it twice for two processes."""
    clock = ManualClock(NOW)
    units: MongoUnitsOfWork[NotifierUnit] = MongoUnitsOfWork(
        database,
        clock,
        lambda session, plumbing: bind(database, session, plumbing, partitions=PARTITIONS),
    )
    return Notifier(
        units=units,
        queries=MongoQueries(database, PARTITIONS),
        audience=MongoAudience(database),
        queue=MongoWorkQueue(database),
        outbox=MongoOutboxQueue(database),
        publisher=MemoryLog(24),
        clock=clock,
        endpoints=MongoEndpointQueries(database),
    )


@pytest.fixture(params=["memory", pytest.param("mongodb", marks=pytest.mark.long)])
def notifier(request: pytest.FixtureRequest) -> Notifier:
    """The same notifier over the fakes and over the real stores."""
    if request.param == "memory":
        return memory_notifier()
    return mongo_notifier(request.getfixturevalue("database"))


@pytest.fixture(params=["memory", "mongodb"])
def post(request: pytest.FixtureRequest) -> Post:
    """The same over the fakes and over the real stores."""
    if request.param == "memory":
        return memory_post()
    database = request.getfixturevalue("database")
    return post_over(mongo_notifier(database), MongoEmailQueries(database))
