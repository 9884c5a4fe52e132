"""Fixtures for every test that needs real Kafka or MongoDB.

One stack per test process, started when a test first asks for it. Workers of pytest-xdist
share nothing, so none can take a running stack away from another.
"""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from pymongo import MongoClient

from infra.native import Addresses, NativeStack, given_addresses
from infra.servicekit.tests.lent import LentDatabases
from servicekit.garbage import look_seldom

# Thousands of tests are collected and live until the end: each look for rings passes over them all.
look_seldom()


def pytest_collection_finish() -> None:
    """Leave what was collected out of every look, as a service leaves out what its start made."""
    look_seldom()


# Beside rich, structlog draws each traceback as a table with every local variable: half a second
# of a processor for each of the many errors that tests make on purpose.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

# Tests assert no times: an example that took 272 ms beside two other groups is no failure. Where
# Hypothesis sees a CI (`CI` is set) its own profile draws the same examples each time: not here.
settings.register_profile(
    "explore",
    derandomize=False,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
# A new example that fails must not redden what somebody else lands: `make explore` draws those.
settings.register_profile("same examples", settings.get_profile("explore"), derandomize=True)
settings.load_profile("same examples")


@pytest.fixture(scope="session")
def native_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    """Addresses of Kafka and MongoDB: those of the environment, else of a stack of our own.

    Shared by all tests: a test that breaks servers takes `breakable_stack`.
    """
    given = given_addresses()
    if given is not None:
        yield given
        return
    with NativeStack(tmp_path_factory.mktemp("native")) as stack:
        yield stack.addresses


@pytest.fixture(scope="session")
def _breakable_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeStack]:
    with NativeStack(tmp_path_factory.mktemp("breakable"), proxied=True) as stack:
        yield stack


@pytest.fixture
def breakable_stack(_breakable_stack: NativeStack) -> Iterator[NativeStack]:
    """A stack to kill, pause and cut off, never one given by hand; whole again after each test."""
    yield _breakable_stack
    _breakable_stack.heal()


@pytest.fixture
def kafka_bootstrap_servers(native_stack: Addresses) -> str:
    """`host:port` of the shared broker."""
    return native_stack.kafka_bootstrap_servers


@pytest.fixture
def mongodb_uri(native_stack: Addresses) -> str:
    """The shared replica set's address."""
    return native_stack.mongodb_uri


@pytest.fixture
def topic_prefix() -> str:
    """Puts a test's topics and groups apart; no dot, since a topic's name has its one already."""
    return f"t-{secrets.token_hex(3)}-"


@pytest.fixture(scope="session")
def databases(native_stack: Addresses) -> Iterator[LentDatabases]:
    """Migrated databases that tests have one after the other, each of them empty."""
    with LentDatabases(native_stack.mongodb_uri) as databases:
        yield databases


@pytest.fixture
def database_name(mongodb_uri: str) -> Iterator[str]:
    """The name of a database of the test's own, not there yet and dropped afterwards."""
    name = f"t-{secrets.token_hex(6)}"
    yield name
    client: MongoClient[dict[str, Any]]
    with MongoClient(mongodb_uri) as client:
        client.drop_database(name)
