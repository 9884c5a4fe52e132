"""A suite on servers of its own, for what breaks them; it ends with this folder's tests."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from infra.native import NativeStack
from infra.suite import Suite
from tests.world import World, opened


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def fragile_world(
    _breakable_stack: NativeStack, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A running suite whose Kafka and MongoDB may be paused and killed."""
    folder = tmp_path_factory.mktemp("fragile")
    async with opened(Suite(folder, _breakable_stack.addresses)) as world:
        yield world
