"""One suite for all journeys."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from infra.native import Addresses
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
        folder = tmp_path_factory.mktemp("suite")
        suite = Suite(folder, native_stack, settings=settings, mail=True)
        async with opened(suite) as world:
            world.collector = collector
            yield world
