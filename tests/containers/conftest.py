"""The suite on its images; where no engine can be had, the run says at its end what did not run."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from infra.docker import Engine, EngineUnavailable, build_images, engine_in_use
from infra.suite.checkout import Checkout
from infra.suite.readings import Readings
from tests.containers.suite import ContainerSuite
from tests.world import World

HERE = Path(__file__).parent
# With everything to be fetched; a warm cache needs a tenth.
TIMEOUT_SECONDS = 1500
ENGINE = pytest.StashKey[Engine]()
USE = pytest.StashKey[ExitStack]()
NOT_RUN = pytest.StashKey[str]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the tests of this folder where no engine can be had, and remember why."""
    ours = [item for item in items if HERE in item.path.parents]
    if not ours or config.option.collectonly:
        return
    use = config.stash[USE] = ExitStack()
    try:
        config.stash[ENGINE] = use.enter_context(engine_in_use())
    except EngineUnavailable as refusal:
        config.stash[NOT_RUN] = f"{len(ours)} tests of tests/containers: {refusal}"
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]
    for item in ours:
        item.add_marker(pytest.mark.timeout(TIMEOUT_SECONDS))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A part that did not run is printed as not run."""
    reason = terminalreporter.config.stash.get(NOT_RUN, None)
    if reason is not None:
        terminalreporter.section("NOT RUN", yellow=True, bold=True)
        terminalreporter.write_line(f"NOT RUN: {reason}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Give the engine back."""
    if (use := config.stash.get(USE, None)) is not None:
        use.close()


@pytest.fixture(scope="package")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine with all images built, known to testcontainers."""
    # Late, because it reads the environment when it is imported.
    from testcontainers.core.config import testcontainers_config

    engine = request.config.stash[ENGINE]
    build_images(engine)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine.address)
        # Its helper image, which removes what a killed run left, is a pull away; ours all end here.
        patch.setattr(testcontainers_config, "ryuk_disabled", True)
        yield engine


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def suite(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ContainerSuite]:
    """A running suite of containers."""
    async with ContainerSuite(tmp_path_factory.mktemp("containers")) as suite:
        yield suite


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def world(suite: ContainerSuite) -> AsyncIterator[World]:
    """The same suite with somebody who pays and somebody who looks."""
    world = World(suite, Checkout(suite), Readings(suite))
    yield world
    await world.checkout.close()
    await world.look.close()
