"""The README's first commands, run as a stranger runs them: `make demo`, `make up`, `make down`."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.demo.__main__ import EXAMPLES, EXIT_UNAVAILABLE, EXIT_USAGE
from infra.demo.standing import NOT_RUNNING
from infra.demo.tidying import forget
from infra.native import Addresses
from infra.native.folders import REPOSITORY
from infra.suite import Suite
from infra.suite.suite import SERVICES

PLEDGES = 24
NOBODY_LISTENS = Addresses("127.0.0.1:1", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=500")


def run(addresses: Addresses, state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the demo on given servers, with a state folder of its own."""
    surroundings = os.environ | {
        "SOSST_KAFKA_BOOTSTRAP_SERVERS": addresses.kafka_bootstrap_servers,
        "SOSST_MONGODB_URI": addresses.mongodb_uri,
        "SOSST_STATE": str(state),
    }
    command = [sys.executable, "-m", "infra.demo", *arguments]
    return subprocess.run(
        command, cwd=REPOSITORY, env=surroundings, capture_output=True, text=True, check=False
    )


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_small_campaign_is_played_and_every_figure_agrees(
    native_stack: Addresses, tmp_path: Path
) -> None:
    """Two dozen pledges tell the whole story, kills (-9) included; the last line is its summary."""
    rows = (EXAMPLES / "pledges.csv").read_text().splitlines(keepends=True)
    pledges = tmp_path / "pledges.csv"
    pledges.write_text("".join(rows[: PLEDGES + 1]))
    told = run(native_stack, tmp_path / "state", "demo", "--pledges", str(pledges))
    assert told.returncode == 0, told.stderr
    summary = json.loads(told.stdout.splitlines()[-1])
    assert summary["agree"] and summary["differ"] == []
    assert summary["figures"]["missed: refunds in full (CSV, provider)"] == [PLEDGES, PLEDGES]
    assert set(summary["killed"]) == {"payouts", "notifier", "notifier, again"}
    assert list((tmp_path / "state").glob("demo-*")) == []


@pytest.fixture
def state(native_stack: Addresses, tmp_path: Path) -> Iterator[Path]:
    """The state folder of a suite that stays until it is stopped, and is forgotten afterwards."""
    yield tmp_path
    run(native_stack, tmp_path, "down")
    asyncio.run(_forget(Suite(tmp_path / "suite", native_stack, detached=True, mail=True)))


async def _forget(suite: Suite) -> None:
    await suite.provider.http.aclose()
    await forget(suite)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_what_was_started_stays_until_it_is_stopped(native_stack: Addresses, state: Path) -> None:
    """Started twice it is one suite; its addresses stay, and stopped twice it is stopped."""
    before = run(native_stack, state, "status")
    assert (before.returncode, before.stdout) == (NOT_RUNNING, "nothing was started with make up\n")
    first, running, again = (run(native_stack, state, name) for name in ("up", "status", "up"))
    assert first.returncode == again.returncode == running.returncode == 0, first.stderr
    assert all(service in first.stdout for service in SERVICES)
    assert "not running" not in running.stdout
    assert addresses_in(first.stdout) == addresses_in(again.stdout)
    assert processes_in(run(native_stack, state, "status").stdout) == processes_in(running.stdout)
    assert [run(native_stack, state, "down").returncode for _ in range(2)] == [0, 0]
    stopped = run(native_stack, state, "status")
    assert stopped.returncode == NOT_RUNNING
    assert stopped.stdout.count("not running") == len(processes_in(running.stdout))


def addresses_in(told: str) -> list[str]:
    """Return the lines that say where a service is."""
    return [line for line in told.splitlines() if "/docs" in line]


def processes_in(told: str) -> list[str]:
    """Return the lines that name a process."""
    return [line for line in told.splitlines() if " process " in line]


def test_servers_that_do_not_answer_are_named_and_nothing_runs_on(tmp_path: Path) -> None:
    """What was started before they were asked is stopped again."""
    told = run(NOBODY_LISTENS, tmp_path, "up")
    assert told.returncode == EXIT_UNAVAILABLE
    assert "127.0.0.1" in told.stderr.splitlines()[-1] and "Traceback" not in told.stderr
    left = run(NOBODY_LISTENS, tmp_path, "status")
    assert left.returncode == NOT_RUNNING
    assert processes_in(left.stdout) == [] and left.stdout.count("not running") == 7


def test_a_campaign_that_cannot_be_played_is_refused_before_anything_starts(tmp_path: Path) -> None:
    """The line names the file; no folder is left."""
    missing = tmp_path / "none.csv"
    told = run(NOBODY_LISTENS, tmp_path / "state", "demo", "--pledges", str(missing))
    assert told.returncode == EXIT_USAGE
    assert str(missing) in told.stderr and len(told.stderr.splitlines()) == 1
    assert not (tmp_path / "state").exists()
