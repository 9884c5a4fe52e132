"""Suites for what breaks them: on servers of its own, or one for a single test."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from infra.native import Addresses, NativeStack
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


@pytest_asyncio.fixture(loop_scope="session")
async def own_world(
    native_stack: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A suite of the test's own: one of its databases is put back, its provider may forget."""
    async with opened(Suite(tmp_path_factory.mktemp("own"), native_stack)) as world:
        yield world
