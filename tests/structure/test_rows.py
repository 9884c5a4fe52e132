"""`make rows` says what is covered, and cannot say it of what is not."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.rows import (
    CHANGED,
    CODES,
    INTO,
    ROWS,
    TRAPS,
    Kept,
    Results,
    commit_of,
    keep,
    last,
    last_of,
)
from tests.structure.repository import ROOT, tracked_files

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


def run(folder: Path, source: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a Python module over one planted file."""
    planted = folder / "test_planted.py"
    planted.write_text(source)
    command = [sys.executable, "-m", *words, f"--rootdir={folder}", str(planted)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def by_code(text: str) -> dict[str, str]:
    return {line[:8].strip(): line[9:] for line in text.splitlines() if line[9:]}


def assert_each_with_its_result(lines: dict[str, str]) -> None:
    assert set(CODES) <= set(lines) and len(CODES) == 20 + 25
    assert lines["row S1"].startswith("passed: 1 test")
    assert lines["row S2"].startswith("FAILED: 1 test")
    assert lines["row S3"].startswith("NOT RUN: 1 test")
    assert lines["row S4"] == f"not yet covered: {ROWS['S4']}"


def test_it_prints_every_row_and_trap_with_its_result(tmp_path: Path) -> None:
    """Passed, failed, not run and not yet covered are four different words."""
    done = run(tmp_path, PLANTED, "tests.rows")
    assert_each_with_its_result(by_code(done.stdout))
    assert "test_planted.py::test_passes" in done.stdout
    assert done.returncode == 1


def test_a_run_of_everything_keeps_the_same_results(tmp_path: Path) -> None:
    """Beside tests that cover nothing, each result is what `make rows` itself would find."""
    kept = tmp_path / "kept"
    done = run(tmp_path, PLANTED, "pytest", "-p", "tests.rows", INTO, str(kept))
    assert "2 failed, 1 passed, 1 skipped" in done.stdout
    results = Results(**json.loads(kept.read_text()))
    assert_each_with_its_result(by_code("\n".join(results.lines())))


def test_of_several_cases_and_groups_the_worst_is_told() -> None:
    """One case that failed, or did not run, is not covered by those that passed."""
    results = Results({"row S1": ["a[1]", "a[2]"]}, {"a[1]": "passed", "a[2]": "passed"})
    assert by_code("\n".join(results.lines()))["row S1"].startswith("passed: 2 tests")
    results.add(Results({"row S1": ["b"]}, {}))
    assert by_code("\n".join(results.lines()))["row S1"].startswith("NOT RUN: 3 tests")
    results.add(Results({"row S1": ["c"]}, {"c": "FAILED"}))
    assert by_code("\n".join(results.lines()))["row S1"].startswith("FAILED: 4 tests")


def test_results_of_other_files_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of this very commit are, with run, commit and time; of a later one or changes not."""
    monkeypatch.setenv("SOSST_STATE", str(tmp_path))
    assert last() is last_of("c1") is None
    keep(Kept("make test-all", "c1", "2026-03-01 12:00:00+00:00", Results({"row S1": ["a"]}, {})))
    found = last_of("c1")
    assert found is not None and found == last()
    found.show()
    printed = capsys.readouterr().out
    assert "Results of `make test-all`, which ended 2026-03-01 12:00:00+00:00, at c1" in printed
    assert "row S1   NOT RUN: 1 test" in printed
    assert last_of("c2") is None
    keep(Kept("make test-all", "c1" + CHANGED, "2026-03-01 12:00:00+00:00", Results()))
    assert last_of("c1") is last_of("c1" + CHANGED) is None


def marked(kind: str, files: Iterable[Path]) -> set[str]:
    """Return what the marks of this kind in these files name."""
    mark = re.compile(rf'^@pytest\.mark\.{kind}\("?(\w+)"?\)$', re.MULTILINE)
    return {name for path in files for name in mark.findall(path.read_text())}


def test_every_row_has_a_journey_and_every_trap_a_test() -> None:
    """Through all four processes, by its name; but for the one that is web pages."""
    # What is planted above covers nothing.
    others = [path for path in tracked_files() if path != Path(__file__)]
    tests = [path for path in others if re.fullmatch(r"test_\w+\.py", path.name)]
    journeys = [path for path in tests if path.parent == ROOT / "tests" / "journeys"]
    assert set(ROWS) - marked("row", journeys) == {"S8"}
    assert {str(number) for number in TRAPS} == marked("trap", tests)
    without_problems = [path for path in journeys if path.name != "test_problems.py"]
    assert "S14" not in marked("row", without_problems), "a row that loses its journey is found"


def test_a_commit_is_told_from_changes_on_top(tmp_path: Path) -> None:
    """A file that is changed or new makes another state of it."""
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    for words in (["init", "-q"], [*identity, "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    clean = commit_of(tmp_path)
    assert len(clean) == 40
    (tmp_path / "new").touch()
    assert commit_of(tmp_path) == clean + CHANGED


@pytest.mark.parametrize("mark", ['row("S21")', 'row("s9")', "row(9)", "trap(26)", 'trap("7")'])
def test_a_mark_that_names_nothing_is_refused(tmp_path: Path, mark: str) -> None:
    """A misspelt row would silently cover nothing."""
    source = f"import pytest\n\n@pytest.mark.{mark}\ndef test_x():\n    pass\n"
    done = run(tmp_path, source, "tests.rows")
    assert done.returncode == 4
    assert f"test_x: no such mark: {mark}" in done.stdout + done.stderr
