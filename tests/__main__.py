"""`make test`: every test, in two processes at once, since most of the time each of them waits.

Each process starts the stacks that its own tests need; they share nothing but the machine.
"""

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

# What takes apart one thing, and what runs the whole suite. Together they are every folder of
# tests, each once: `tests/structure/test_layout.py` says so.
HALVES: dict[str, tuple[str, ...]] = {
    "parts": ("contracts/tests", "infra", "services", "tests/access", "tests/structure"),
    "whole": (
        "tests/chaos",
        "tests/containers",
        "tests/delivery",
        "tests/journeys",
        "tests/security",
        "tests/strangers",
    ),
}


def main(arguments: Sequence[str]) -> int:
    """Run both halves with pytest's `arguments`; return the first exit code that is not 0."""
    with ThreadPoolExecutor(len(HALVES)) as both:
        codes = list(both.map(lambda half: _run(half, arguments), HALVES))
    for half, code in zip(HALVES, codes, strict=True):
        print(f"{half}: {'passed' if code == 0 else f'failed, exit {code}'}")
    return next((code for code in codes if code), 0)


def _run(half: str, arguments: Sequence[str]) -> int:
    command = [sys.executable, "-m", "pytest", *arguments, *HALVES[half]]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            print(f"{half} | {line}", end="", flush=True)
        return run.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
