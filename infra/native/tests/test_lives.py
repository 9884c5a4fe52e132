"""Starting, ending and not outliving: on real servers."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.native import NativeStack
from infra.native.errors import DataDirectoryInUse
from infra.native.processes import Process
from infra.native.server import Server

DEADLINE_SECONDS = 20.0
GIVEN = ("SOSST_KAFKA_BOOTSTRAP_SERVERS", "SOSST_MONGODB_URI")


def children(process_id: int) -> list[int]:
    """The numbers of a process's children."""
    listed = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
    return [int(number) for number in listed.split()]


def test_no_strays_after_kill_of_the_owner(tmp_path: Path) -> None:
    """kill -9 of the process that started a stack ends servers and supervisors."""
    owner = subprocess.Popen(
        [sys.executable, "-m", "infra.native.tests.owner", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    with owner.stdout:
        servers = [Process.running_as(int(owner.stdout.readline())) for _ in range(2)]
    supervisors = [Process.running_as(child) for child in children(owner.pid)]
    assert len(supervisors) == 2
    owner.kill()
    owner.wait()
    try:
        for process in servers + supervisors:
            assert process.wait_for_end(DEADLINE_SECONDS)
    finally:
        for process in servers:
            process.send(signal.SIGKILL)


def test_server_ends_with_its_supervisor(tmp_path: Path) -> None:
    """kill -9 of the supervisor alone ends its server too."""
    with NativeStack(tmp_path) as stack:
        server = stack.mongodb.process
        assert server is not None
        (supervisor,) = (c for c in children(os.getpid()) if server.process_id in children(c))
        Process.running_as(supervisor).send(signal.SIGKILL)
        assert server.wait_for_end(DEADLINE_SECONDS)


class Sleeper(Server):
    """The least server: ready at once, and ends when it is told to."""

    name = "sleeper"

    def _prepare(self) -> None: ...

    def _command(self) -> list[str]:
        return ["sleep", "60"]

    def _wait_until_ready(self, process: Process) -> None: ...


def test_many_may_stop_a_server_at_once(tmp_path: Path) -> None:
    """A failed start cleans up while the suite stops: neither hides the other's error."""
    server = Sleeper(tmp_path, detached=False)
    for _ in range(5):
        server.start()
        began = server.process
        assert began is not None
        with ThreadPoolExecutor(4) as stoppers:
            for stopped in [stoppers.submit(server.stop) for _ in range(4)]:
                stopped.result()
        assert not began.is_running()


def test_second_start_is_refused(breakable_stack: NativeStack) -> None:
    """Neither server starts a second time on a live data directory, and the first goes on."""
    folder = breakable_stack.kafka.log.parents[2]
    before = breakable_stack.kafka.process, breakable_stack.mongodb.process
    second = NativeStack(folder, detached=True)
    for server in (second.kafka, second.mongodb):
        with pytest.raises(DataDirectoryInUse):
            server.start()
        with pytest.raises(DataDirectoryInUse):
            server.wipe()
    assert (breakable_stack.kafka.process, breakable_stack.mongodb.process) == before
    assert None not in before


def test_reused_number_is_not_ours() -> None:
    """A process number with another start time is never signalled."""
    own = Process.running_as(os.getpid())
    stranger = Process(own.process_id, own.started_ticks - 1)
    assert own.is_running()
    assert not stranger.is_running()
    assert not stranger.send(signal.SIGKILL)


def test_detached_commands(tmp_path: Path) -> None:
    """up, up again, status, down, status, wipe: the same addresses, then nothing left."""
    environment = {k: v for k, v in os.environ.items() if k not in GIVEN} | {
        "SOSST_STATE": str(tmp_path)
    }

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "infra.native", command],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    try:
        first = run("up")
        assert first.returncode == 0, first.stderr
        assert run("up").stdout == first.stdout
        assert first.stdout in run("status").stdout
        assert run("down").returncode == 0
        assert run("status").returncode == 3
    finally:
        assert run("wipe").returncode == 0
    assert not (tmp_path / "native").exists()
