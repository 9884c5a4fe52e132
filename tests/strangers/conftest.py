"""Strangers' tools; one that cannot be had is said at the end of the run to have not run."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from infra.native.prerequisites import install
from tests.strangers.readers import make_environment

DEBIAN = Path("/etc/debian_version")
NOT_RUN = pytest.StashKey[str]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the tests that need kcat where it cannot be had, and remember why."""
    needing = [item for item in items if item.get_closest_marker("needs_kcat")]
    if not needing or config.option.collectonly:
        return
    if reason := why_no_kcat():
        config.stash[NOT_RUN] = f"{len(needing)} tests of tests/strangers: {reason}"
        config.hook.pytest_deselected(items=needing)
        items[:] = [item for item in items if item not in needing]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A part that did not run is printed as not run."""
    if reason := terminalreporter.config.stash.get(NOT_RUN, None):
        terminalreporter.section("NOT RUN", yellow=True, bold=True)
        terminalreporter.write_line(f"NOT RUN: {reason}")


def why_no_kcat() -> str | None:
    """Install kcat where we may; return why there is none, None if there is one."""
    if shutil.which("kcat") is None and os.geteuid() == 0 and DEBIAN.exists():
        try:
            install("kcat")
        except subprocess.CalledProcessError as error:
            return f"kcat could not be installed ({error})"
    if shutil.which("kcat") is None:
        return "there is no kcat; on Debian run: sudo apt-get install -y kcat"
    return None


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the contracts' wheel and what the README names."""
    return make_environment(tmp_path_factory.mktemp("stranger"))
