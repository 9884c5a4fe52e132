"""One suite for all journeys; another one, on servers of its own, for what breaks things."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from infra.native import Addresses, NativeStack
from infra.servicekit.tests.collector import Collector
from infra.suite import Suite
from infra.suite.suite import QUICK_SETTINGS
from tests.world import World, opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(
    native_stack: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A running suite that is traced; tests share it, each with campaigns of its own."""
    with Collector() as collector:
        traced = {"OTLP_ENDPOINT": collector.endpoint}
        settings = {name: own | traced for name, own in QUICK_SETTINGS.items()}
        suite = Suite(tmp_path_factory.mktemp("suite"), native_stack, settings=settings)
        async with opened(suite) as world:
            world.collector = collector
            yield world


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def fragile_world(
    _breakable_stack: NativeStack, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A running suite whose Kafka and MongoDB may be paused and killed."""
    folder = tmp_path_factory.mktemp("fragile")
    async with opened(Suite(folder, _breakable_stack.addresses)) as world:
        yield world


@pytest.fixture(scope="session")
def secured_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeStack]:
    """Kafka and MongoDB that ask everybody who he is."""
    with NativeStack(tmp_path_factory.mktemp("secured"), secured=True) as stack:
        yield stack


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def secured_world(
    secured_stack: NativeStack, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A running suite in which each service has a user with only its own."""
    folder = tmp_path_factory.mktemp("secured-suite")
    suite = Suite(folder, secured_stack.addresses, security=secured_stack.security)
    async with opened(suite) as world:
        yield world
