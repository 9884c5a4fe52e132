"""`make rows`: the product's rows and traps, the tests that cover them, and their results."""

import sys
from collections import defaultdict
from collections.abc import Iterable

import pytest

ROWS = [f"S{number}" for number in range(1, 21)]
TRAPS = list(range(1, 26))
KNOWN: dict[str, list[str] | list[int]] = {"row": ROWS, "trap": TRAPS}


class Results:
    """Collects which marked test covers what, and how it ended."""

    def __init__(self) -> None:
        self.tests: dict[str, list[str]] = defaultdict(list)
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
        if report.when == "call" and not report.skipped:
            self.ran.add(report.nodeid)

    def _note(self, item: pytest.Item) -> bool:
        codes = [code for kind in KNOWN for code in _codes(item, kind)]
        for code in codes:
            self.tests[code].append(item.nodeid)
        return bool(codes)

    def lines(self, codes: Iterable[str]) -> Iterable[str]:
        """Return a line per code with its result, and below it a line per test function."""
        for code in codes:
            tests = self.tests.get(code, [])
            yield f"{code:8} {self._result(tests)}"
            # Cases of one test are one line.
            yield from (f"           {name}" for name in sorted({t.split("[")[0] for t in tests}))

    def _result(self, tests: list[str]) -> str:
        if not tests:
            return "not yet covered"
        failed = self.failed.intersection(tests)
        state = "FAILED" if failed else "passed" if self.ran.issuperset(tests) else "NOT RUN"
        return f"{state}: {len(tests)} {'test' if len(tests) == 1 else 'tests'}"


def _codes(item: pytest.Item, kind: str) -> Iterable[str]:
    for mark in item.iter_markers(kind):
        (code,) = mark.args
        if code not in KNOWN[kind]:
            written = f'"{code}"' if isinstance(code, str) else code
            raise pytest.UsageError(f"{item.nodeid}: no such mark: {kind}({written})")
        yield f"{kind} {code}"


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
