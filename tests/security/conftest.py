"""A suite that asks everybody who he is; it ends with this folder's tests."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from infra.native import NativeStack
from infra.suite import Suite
from tests.world import World, opened


@pytest.fixture(scope="package")
def secured_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeStack]:
    """Kafka and MongoDB that ask everybody who he is."""
    with NativeStack(tmp_path_factory.mktemp("secured"), secured=True) as stack:
        yield stack


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def secured_world(
    secured_stack: NativeStack, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A running suite in which each service has a user with only its own."""
    folder = tmp_path_factory.mktemp("secured-suite")
    suite = Suite(folder, secured_stack.addresses, security=secured_stack.security)
    async with opened(suite) as world:
        yield world
