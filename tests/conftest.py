"""One suite for all journeys; another one, on servers of its own, for what breaks things."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from infra.native import Addresses, NativeStack
from infra.suite import Suite
from tests.world import World, opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(
    native_stack: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A running suite; tests share it, each with campaigns of its own."""
    async with opened(Suite(tmp_path_factory.mktemp("suite"), native_stack)) as world:
        yield world


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def fragile_world(
    _breakable_stack: NativeStack, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A running suite whose Kafka and MongoDB may be paused and killed."""
    folder = tmp_path_factory.mktemp("fragile")
    async with opened(Suite(folder, _breakable_stack.addresses)) as world:
        yield world
