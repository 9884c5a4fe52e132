"""`make test` leaves to `make test-all` what decision 0044 says, and nothing else."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.groups import AT_ONCE, GROUPS, NOT_LONG, WHILE_ONE_WAITS
from tests.structure.repository import ROOT

PLANTED = '''
import os, signal

def test_waits():
    """Says who it is, and ends only by a signal."""
    print(f"waits as {os.getpid()}", flush=True)
    signal.pause()
'''
RUNS = "from tests.groups import run_groups; run_groups({groups!r}, lambda group: {options!r})"


def collected(*arguments: str) -> set[str]:
    """Return what pytest would run."""
    command = [sys.executable, "-m", "pytest", "--collect-only", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {line for line in done.stdout.splitlines() if "::" in line}


def outside(short: Sequence[str], whole: Sequence[str]) -> list[str]:
    """Return the paths of a short group that are not in the whole one."""
    return [one for one in short if not any(Path(one).is_relative_to(other) for other in whole)]


def test_what_one_waits_for_is_part_of_everything() -> None:
    """Each path of a short group is in the same group of all; one planted elsewhere is found."""
    for group, short in WHILE_ONE_WAITS.items():
        assert outside(short, GROUPS[group]) == [], group
        assert all((ROOT / path).exists() for path in short)
    assert outside(["tests/chaos"], GROUPS["payouts"]) == ["tests/chaos"]


def idles_beside_others(paths: Sequence[str]) -> bool:
    """Whether files that do not use the suite of their package come behind one that does."""
    use = ["fragile_world" in (ROOT / path).read_text() for path in paths]
    return use != sorted(use)


def test_no_suite_idles_beside_tests_that_start_their_own() -> None:
    """It takes a third of a processor until its package ends; the other order is found."""
    for groups in (GROUPS, WHILE_ONE_WAITS):
        paths = groups["delivery"]
        assert not idles_beside_others(paths)
        assert idles_beside_others(paths[::-1])


def test_handlers_are_left_on_mongodb_and_ports_are_not() -> None:
    """Of a file of handlers the half on MongoDB is left, of a suite of stores nothing."""
    handlers = (
        "services/funding/tests/test_handlers.py",
        "services/notifier/tests/test_audience.py",
        "services/payouts/tests/test_approvals.py",
        "services/updates/tests/test_scheduling.py",
    )
    stores = [str(Path(one).with_name("test_stores.py")) for one in handlers]
    everything, short = collected(*handlers, *stores), collected(*NOT_LONG, *handlers, *stores)
    halves = {one for one in everything if one.startswith(handlers) and "[mongodb" in one}
    assert {one.split("::")[0] for one in halves} == set(handlers)
    assert everything - short == halves


def test_sigterm_ends_every_group_that_runs_and_begins_no_other(tmp_path: Path) -> None:
    """Whoever stops the command has the machine back: nothing runs on behind it."""
    planted = tmp_path / "test_planted.py"
    planted.write_text(PLANTED)
    groups = {f"group-{number}": (str(planted),) for number in range(AT_ONCE + 1)}
    options = ["-s", f"--rootdir={tmp_path}"]
    command = [sys.executable, "-c", RUNS.format(groups=groups, options=options)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        waiting: list[int] = []
        while len(waiting) < AT_ONCE:
            line = run.stdout.readline()
            assert line, "it ended before its groups ran"
            if "waits as" in line:
                waiting.append(int(line.split()[-1]))
        run.send_signal(signal.SIGTERM)
        rest = run.stdout.read()
    assert run.returncode == 128 + signal.SIGTERM
    assert "waits as" not in rest
    for process_id in waiting:
        with pytest.raises(ProcessLookupError):
            os.kill(process_id, 0)
