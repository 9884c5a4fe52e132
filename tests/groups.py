"""The groups in which tests run, three at once: half of the time each of them waits.

Each group starts the stacks that its own tests need; groups share nothing but the machine.
`make test-all` runs all of them, `make test` what one waits for while working (decision 0044).
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType

AT_ONCE = 3
# The longest first, so that none begins when the others end; a group's last line says how long it
# took. What uses the same running suite stands together. Together they are every folder of tests,
# each once: `tests/structure/test_layout.py` says so.
Groups = Mapping[str, tuple[str, ...]]
GROUPS: Groups = {
    "payouts": ("services/payouts",),
    "plumbing": ("infra/servicekit", "infra/native", "infra/kafka", "infra/sandbox"),
    "journeys": (
        "tests/strangers",  # First: they count all that stands on the topics.
        "tests/journeys",
        "tests/delivery/test_twice_and_out_of_order.py",
        "tests/delivery/test_two_instances.py",
    ),
    "services": ("services/funding", "services/notifier", "services/updates"),
    "frame": ("contracts/tests", "infra/story", "tests/access", "tests/structure"),
    "containers": ("tests/containers", "infra/docker", "tests/security", "infra/monitoring"),
    "delivery": (
        # Suites of their own first: the shared one runs beside all that comes after its first test.
        "tests/delivery/test_restored_funding.py",
        "tests/delivery/test_restored_payouts.py",
        "tests/delivery/test_restored_updates.py",
        "tests/delivery/test_set_aside.py",
        "tests/delivery/test_answered_first.py",
        "tests/delivery/test_start_order.py",
        "tests/delivery/test_health.py",
        "tests/delivery/test_kill_matrix.py",
        "tests/delivery/test_updates_killed.py",
        "tests/delivery/test_upload_killed.py",
    ),
    "chaos": ("tests/chaos", "infra/bench", "infra/demo"),
}
# Both triggers through four processes, everything doubled and reordered, two instances, kill -9
# between the steps, servers away, any order of starting; and each rule, each port, each contract.
WHILE_ONE_WAITS: Groups = {
    "services": GROUPS["services"],
    "plumbing": ("infra/servicekit",),
    "delivery": (
        "tests/delivery/test_start_order.py",
        "tests/delivery/test_health.py",
        "tests/delivery/test_kill_matrix.py",
    ),
    "frame": GROUPS["frame"],
    "payouts": GROUPS["payouts"],
    "journeys": (
        "tests/journeys/test_deadline.py",
        "tests/journeys/test_update.py",
        "tests/delivery/test_twice_and_out_of_order.py",
        "tests/delivery/test_two_instances.py",
    ),
}
# A handler's test is `long` on MongoDB and not on memory; a port's suite is never left out.
NOT_LONG = ("-m", "not long or port")
LEFT = (
    "Left to `make test-all`: what is deselected above (the handlers' tests on MongoDB again, and "
    "what is marked `long`), the tests of the native stack and the sandbox themselves, the other "
    "rows' journeys, strangers' clients, restored backups, facts set aside, updates killed, "
    "containers, rights of users, alerts, chaos, bench and demo."
)


def run_groups(groups: Groups, options: Callable[[str], Sequence[str]]) -> int:
    """Run the groups, each with its `options` for pytest; return the first code that is not 0.

    What failed is said again at the end: who reads only the last lines must see what it was.
    On SIGTERM the running ones end too, and with them all servers that they started.
    """
    running = _Running()
    with _ended_by_sigterm(running), ThreadPoolExecutor(AT_ONCE) as pool:
        ends = list(
            pool.map(
                lambda group: _run(group, groups[group], options(group), running), list(groups)
            )
        )
    for group, (code, told) in zip(groups, ends, strict=True):
        for line in told if code else ():
            print(f"{group} | {line}", end="")
        print(f"{group}: {'passed' if code == 0 else f'failed, exit {code}'}")
    return next((code for code, _ in ends if code), 0)


class _Running:
    """The groups that run now; once they were ended none begins any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: list[subprocess.Popen[str]] = []
        self._over = False

    def start(self, command: Sequence[str]) -> subprocess.Popen[str] | None:
        with self._lock:
            if self._over:
                return None
            run = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            self._runs.append(run)
            return run

    def end(self) -> None:
        with self._lock:
            self._over = True
            for run in self._runs:
                if run.returncode is None:
                    run.terminate()


@contextmanager
def _ended_by_sigterm(running: _Running) -> Iterator[None]:
    """Ctrl-C reaches every group by the terminal, SIGTERM only the process that it is sent to."""

    def end(number: int, frame: FrameType | None) -> None:
        running.end()
        raise SystemExit(128 + number)

    former = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _run(
    group: str, paths: Sequence[str], options: Sequence[str], running: _Running
) -> tuple[int, Sequence[str]]:
    """Run a group; return its exit code and the lines in which pytest says why tests failed."""
    command = [sys.executable, "-m", "pytest", *options, *paths]
    began = time.monotonic()
    told: deque[str] = deque(maxlen=40)
    started = running.start(command)
    if started is None:
        return 128 + signal.SIGTERM, told
    with started as run:
        assert run.stdout is not None
        for line in run.stdout:
            print(f"{group} | {line}", end="", flush=True)
            if line.startswith(("E  ", "FAILED", "ERROR")):
                told.append(line)
        # What it used tells a slow group from one that waited for the others.
        _, status, used = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
    took, processor = time.monotonic() - began, used.ru_utime + used.ru_stime
    print(f"{group} | ended after {took:.0f} s, {processor:.0f} s of processor", flush=True)
    return run.returncode, told
