"""One server process on one data directory: start, kill, stop, pause, resume, wipe."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import IO

from infra.native import supervisor
from infra.native.errors import DataDirectoryInUse, ServerDidNotStart
from infra.native.processes import Process

STOP_TIMEOUT_SECONDS = 30.0


class Server:
    """What Kafka and MongoDB have in common. Every method blocks until it is done.

    `detached` servers live until someone stops them; others end with this process
    (supervisor.py says how). The folder's lock is handed to the server process and
    ends with it, so that "the lock is free" and "no server is alive here" are one fact.
    """

    name: str

    def __init__(self, folder: Path, detached: bool) -> None:
        self._folder = folder
        self._detached = detached
        self._supervisor: subprocess.Popen[str] | None = None

    @property
    def folder(self) -> Path:
        """Where everything of this server is."""
        return self._folder

    @property
    def log(self) -> Path:
        """Where the server writes."""
        return self._folder / "server.log"

    @property
    def process(self) -> Process | None:
        """The running server, whoever started it, or None."""
        try:
            process = Process(**json.loads(self._record.read_text()))
        except FileNotFoundError:
            return None
        return process if process.is_running() else None

    def start(self) -> None:
        """Start on the kept data and ports, and wait until it serves.

        Raises:
            DataDirectoryInUse: a server lives here already.
            ServerDidNotStart: with the end of its log.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._locked() as lock:
            self._reap()
            self._prepare()
            process = self._launch(self._command(), lock.fileno())
        try:
            self._wait_until_ready(process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Ask it to end, and after 30 seconds make it. Nothing happens when it does not run."""
        process = self.process
        if process is not None and process.send(signal.SIGTERM):
            # A paused server gets the signal only once it goes on.
            process.send(signal.SIGCONT)
            if not process.wait_for_end(STOP_TIMEOUT_SECONDS):
                self.kill()
        self._forget()

    def kill(self) -> None:
        """kill -9; the data stays. Nothing happens when it does not run."""
        process = self.process
        if process is not None and process.send(signal.SIGKILL):
            process.wait_for_end(STOP_TIMEOUT_SECONDS)
        self._forget()

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        if self.process is not None:
            self.process.send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT, after pause."""
        if self.process is not None:
            self.process.send(signal.SIGCONT)

    def wipe(self) -> None:
        """Delete data, ports and log; refused while a server lives on them."""
        if self._folder.exists():
            with self._locked():
                shutil.rmtree(self._folder)

    def _prepare(self) -> None:
        """Make the data directory and the settings ready; called under the lock."""
        raise NotImplementedError

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _wait_until_ready(self, process: Process) -> None:
        """Return when it serves; raise ServerDidNotStart when it ended or takes too long."""
        raise NotImplementedError

    def _did_not_start(self, reason: str) -> ServerDidNotStart:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return ServerDidNotStart(
            "\n".join([f"{self.name} {reason}; {self.log} ends:", *lines[-15:]])
        )

    @property
    def _record(self) -> Path:
        return self._folder / "process.json"

    def _locked(self) -> IO[str]:
        lock = (self._folder / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise DataDirectoryInUse(f"a {self.name} already runs on {self._folder}") from None
        return lock

    def _launch(self, command: list[str], lock_descriptor: int) -> Process:
        with self.log.open("a") as output:
            if self._detached:
                process_id = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=(lock_descriptor,),
                    start_new_session=True,
                ).pid
            else:
                process_id = self._launch_supervised(command, lock_descriptor, output)
        process = Process.running_as(process_id)
        self._record.write_text(json.dumps(asdict(process)))
        return process

    def _launch_supervised(self, command: list[str], lock_descriptor: int, output: IO[str]) -> int:
        # A session of its own, so that Ctrl-C reaches the services and not the servers below them.
        self._supervisor = subprocess.Popen(
            [sys.executable, supervisor.__file__, str(lock_descriptor), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            pass_fds=(lock_descriptor,),
            start_new_session=True,
            text=True,
            env=os.environ | {"PYTHONSAFEPATH": "1"},
        )
        assert self._supervisor.stdout is not None
        printed = self._supervisor.stdout.readline()
        if not printed:
            raise self._did_not_start("could not be started")
        return int(printed)

    def _forget(self) -> None:
        self._record.unlink(missing_ok=True)
        self._reap()

    def _reap(self) -> None:
        # Taken before it is waited for: a start that failed may be cleaned up while somebody stops.
        supervisor_process, self._supervisor = self._supervisor, None
        if supervisor_process is not None:
            supervisor_process.communicate()
