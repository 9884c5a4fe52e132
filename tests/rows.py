"""`make rows`: the product's rows and traps, the tests that cover them, and their results.

`make test-all` keeps its results. They are shown if they are those of this very commit; otherwise
the marked tests are run now, in the same groups.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.native.folders import REPOSITORY, state_folder
from tests.groups import GROUPS, run_groups

# What the product must do (`domain.md`).
ROWS = {
    "S1": "a creator publishes an update",
    "S2": "a progress report",
    "S3": "a thank-you letter",
    "S4": "every backer is notified, and the project page shows it",
    "S5": "a delay notice",
    "S6": "a flexible schedule",
    "S7": "an emergency",
    "S8": "the creator's page of own projects",
    "S9": "the creator is paid in stages",
    "S10": "a calendar of deliveries",
    "S11": "a delivery notice",
    "S12": "problems with rewards",
    "S13": "a full refund",
    "S14": "a failure letter",
    "S15": "a relaunch",
    "S16": "the community after a failure",
    "S17": "questionnaires",
    "S18": "the plan is adjusted by what they say",
    "S19": "interaction after the delivery",
    "S20": "comments",
}
# What comparable platforms did wrong (`domain.md` 9).
TRAPS = {
    1: "two equal partial refunds are merged by a key made of the amount",
    2: "a list of refunds is cut at so many rows a run",
    3: "a refund after a chargeback, a chargeback after a refund",
    4: "the last stage is negative after refunds",
    5: "percentages do not sum; currencies of no and of three decimals",
    6: "one 403 leaves a whole batch in processing",
    7: "a payout is marked paid and comes back days later",
    8: "bank details change between approval and transfer",
    9: "mail is sent by the request after its commit, and lost in a crash",
    10: "unpublished and published again, everybody is mailed twice",
    11: "a reminder to those who have answered",
    12: "one reward that was sent silences the lateness of all",
    13: "a unique index with a typing error guards nothing",
    14: "the webhook comes before the local write",
    15: "the webhook is lost, and nobody looks",
    16: "the deadline's work runs again",
    17: "a change of many tells those whose state did not change",
    18: "uploaded tracking numbers replace instead of adding",
    19: "a late payment is kept after the failure",
    20: "the public total of a failed campaign falls to zero as refunds run",
    21: "an abandoned attempt wakes up and pays a second time",
    22: "a verdict is summed while a pledge is being counted",
    23: "a restored backup uses sequence numbers again",
    24: "a fan-out that is planned again loses the backer between two chunks",
    25: "a failure letter reaches nobody, because all were refunded",
}
KNOWN: dict[str, Mapping[str, str] | Mapping[int, str]] = {"row": ROWS, "trap": TRAPS}
CODES = {f"{kind} {code}": what for kind, codes in KNOWN.items() for code, what in codes.items()}
CHANGED = " with changes on top"
INTO, ONLY = "--keep-rows", "--marked-only"


@dataclass
class Results:
    """Which marked tests cover what, and how those ended that ran."""

    covers: dict[str, list[str]] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)

    def add(self, other: "Results") -> None:
        """Take over those of another group."""
        for code, tests in other.covers.items():
            self.covers.setdefault(code, []).extend(tests)
        self.ended |= other.ended

    def lines(self) -> Iterator[str]:
        """Return a line per row and trap, result and meaning; below it one per test function."""
        for code, what in CODES.items():
            tests = self.covers.get(code, [])
            yield f"{code:8} {self._result(tests)}: {what}"
            # Cases of one test are one line.
            yield from (f"           {name}" for name in sorted({t.split("[")[0] for t in tests}))

    def _result(self, tests: Sequence[str]) -> str:
        if not tests:
            return "not yet covered"
        ends = {self.ended.get(test, "NOT RUN") for test in tests}
        state = next(end for end in ("FAILED", "NOT RUN", "passed") if end in ends)
        return f"{state}: {len(tests)} {'test' if len(tests) == 1 else 'tests'}"


class Observer:
    """Looks on while pytest runs."""

    def __init__(self, *, marked_only: bool) -> None:
        self.results = Results()
        self._marked_only = marked_only

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        marked = [item for item in items if self._note(item)]
        if self._marked_only:
            config.hook.pytest_deselected(items=[item for item in items if item not in marked])
            items[:] = marked

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.results.ended[report.nodeid] = "FAILED"
        elif report.when == "call" and report.passed:
            self.results.ended[report.nodeid] = "passed"

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._marked_only and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = pytest.ExitCode.OK  # A group may have no marked test.

    def _note(self, item: pytest.Item) -> bool:
        codes = [code for kind in KNOWN for code in _codes(item, kind)]
        for code in codes:
            self.results.covers.setdefault(code, []).append(item.nodeid)
        return bool(codes)


def _codes(item: pytest.Item, kind: str) -> Iterator[str]:
    for mark in item.iter_markers(kind):
        (code,) = mark.args
        if code not in KNOWN[kind]:
            written = f'"{code}"' if isinstance(code, str) else code
            raise pytest.UsageError(f"{item.nodeid}: no such mark: {kind}({written})")
        yield f"{kind} {code}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """This module is also the plugin (`-p tests.rows`) with which groups keep their results."""
    parser.addoption(INTO, type=Path, help="file for the results of tests that cover rows")
    parser.addoption(ONLY, action="store_true", help="run no test that covers nothing")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Observer(marked_only=config.getoption(ONLY)), "rows")


def pytest_unconfigure(config: pytest.Config) -> None:
    into, observer = config.getoption(INTO), config.pluginmanager.get_plugin("rows")
    if into is not None and observer is not None:
        into.write_text(json.dumps(asdict(observer.results)))


@dataclass(frozen=True, slots=True)
class Kept:
    """What all groups together showed: in which run, of which commit, and when it ended."""

    run: str
    commit: str
    ended_at: str
    results: Results

    def show(self) -> None:
        """Print every row and trap."""
        print(f"\nResults of `{self.run}`, which ended {self.ended_at}, at {self.commit}\n")
        print("\n".join(self.results.lines()))


def run_and_keep(run: str, *options: str) -> int:
    """Run all groups and keep what they show of rows and traps; return pytest's exit code."""
    commit = commit_of(REPOSITORY)
    _file().unlink(missing_ok=True)
    results = Results()
    with tempfile.TemporaryDirectory() as folder:
        files = {group: Path(folder, group) for group in GROUPS}
        code = run_groups(
            GROUPS, lambda group: ["-p", "tests.rows", INTO, str(files[group]), *options]
        )
        if not all(file.exists() for file in files.values()):
            return code  # A group broke down: what it covers is not known.
        for file in files.values():
            results.add(Results(**json.loads(file.read_text())))
    if commit_of(REPOSITORY) != commit:
        commit += CHANGED
    keep(Kept(run, commit, datetime.now(UTC).isoformat(" ", "seconds"), results))
    return code


def keep(new: Kept) -> None:
    """Put it in the place of what was kept before."""
    _file().parent.mkdir(parents=True, exist_ok=True)
    _file().write_text(json.dumps(asdict(new)))


def last() -> Kept | None:
    """Return what was kept last."""
    if not _file().exists():
        return None
    found = json.loads(_file().read_text())
    return Kept(**found | {"results": Results(**found["results"])})


def last_of(commit: str) -> Kept | None:
    """Return what was kept last if it was of exactly the files of this commit."""
    found = last()
    return found if found and found.commit == commit and CHANGED not in commit else None


def _file() -> Path:
    return state_folder() / "rows.json"


def commit_of(folder: Path) -> str:
    """Return the commit whose files lie in a folder, and whether something was changed there."""
    return _git(folder, "rev-parse", "HEAD") + (CHANGED if _git(folder, "status", "-s") else "")


def _git(folder: Path, *words: str) -> str:
    command = ["git", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main(arguments: Sequence[str]) -> int:
    """Print every row and trap, of the tests that pytest's `arguments` name or else of all."""
    if arguments:
        observer = Observer(marked_only=True)
        code = pytest.main(["-q", "--no-header", *arguments], plugins=[observer])
        print("\n" + "\n".join(observer.results.lines()))
        return int(code)
    commit, code = commit_of(REPOSITORY), 0
    if last_of(commit) is None:
        print("No run of these very files is kept: the tests that cover rows and traps run now.")
        code = run_and_keep("make rows", ONLY)
    found = last()
    if found is None:
        return code
    found.show()
    return code or int("FAILED" in found.results.ended.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
