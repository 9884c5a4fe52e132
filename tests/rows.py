"""`make rows`: the product's rows and traps, the tests that cover them, and their results."""

import sys
from collections import defaultdict
from collections.abc import Iterable

import pytest

ROWS = [f"S{number}" for number in range(1, 21)]
TRAPS = list(range(1, 26))
Codes = dict[str, set[str]]


class Results:
    """Collects which marked test covers what, and how it ended."""

    def __init__(self) -> None:
        self.tests: Codes = defaultdict(set)
        self.failed: set[str] = set()
        self.ran: set[str] = set()

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        marked = [item for item in items if self._note(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in marked])
        items[:] = marked

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)
        if report.when == "call":
            self.ran.add(report.nodeid)

    def _note(self, item: pytest.Item) -> bool:
        codes = [f"row {mark.args[0]}" for mark in item.iter_markers("row")]
        codes += [f"trap {mark.args[0]}" for mark in item.iter_markers("trap")]
        for code in codes:
            self.tests[code].add(item.nodeid)
        return bool(codes)

    def lines(self, codes: Iterable[str]) -> list[str]:
        """Return a line per code: how many tests, and how they ended."""
        return [f"{code:8} {self._result(self.tests.get(code, set()))}" for code in codes]

    def _result(self, tests: set[str]) -> str:
        if not tests:
            return "not yet covered"
        bad = tests & self.failed
        unrun = tests - self.ran - self.failed
        state = "FAILED" if bad else "NOT RUN" if unrun else "passed"
        where = sorted({test.split("::")[0] for test in tests})
        return f"{state}: {len(tests)} tests in {', '.join(where)}"


def main() -> int:
    """Run the marked tests and print every row and trap; pytest's exit code is ours."""
    results = Results()
    code = pytest.main(["-q", "--no-header", *sys.argv[1:]], plugins=[results])
    print()
    print("\n".join(results.lines([f"row {row}" for row in ROWS])))
    print("\n".join(results.lines([f"trap {trap}" for trap in TRAPS])))
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
