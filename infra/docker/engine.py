"""A container engine: the machine's own if one answers, else one of ours while somebody uses it.

Ours is Debian's dockerd, started by hand on a socket of its own: no service of the machine is
touched, published ports stay on loopback. Several processes may use it; the last one stops it.
"""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import docker
from docker.errors import DockerException
from infra.native.folders import cache_folder, exclusive
from infra.native.prerequisites import install
from infra.native.processes import Process

FORBID_VARIABLE = "SOSST_ENGINE"
START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 60.0
# Sockets below it must have short names, and a restart of the machine must empty it.
RUN_FOLDER = Path("/run/sosst-engine")
RECORD = RUN_FOLDER / "process.json"
SOCKET = f"unix://{RUN_FOLDER}/docker.sock"
BUILDX_NEEDED_SINCE = 23


class EngineUnavailable(Exception):
    """No engine can be had here; the message is one line that says why."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers."""

    address: str
    client_program: str
    is_ours: bool = False

    def client(self) -> docker.DockerClient:
        """Return a new connection; the caller closes it."""
        # Building and importing take minutes on a slow disk.
        return docker.DockerClient(base_url=self.address, timeout=600)

    def environment(self) -> dict[str, str]:
        """Return the environment in which docker's programs and libraries use this engine."""
        return os.environ | {"DOCKER_HOST": self.address, "DOCKER_BUILDKIT": "1"}


@contextmanager
def engine_in_use(forbidden: bool | None = None) -> Iterator[Engine]:
    """Give an engine for as long as the block lasts.

    Raises:
        EngineUnavailable: none answers, and none may or can be started.
    """
    if forbidden or (forbidden is None and os.environ.get(FORBID_VARIABLE) == "none"):
        raise EngineUnavailable(f"forbidden by {FORBID_VARIABLE}=none")
    if (given := given_address()) is not None:
        yield Engine(given, client_program())
        return
    refuse_where_none_may_start()
    install_engine()
    if (given := given_address()) is not None:
        # With systemd the package has started its own.
        yield Engine(given, client_program())
        return
    with _our_own() as address:
        yield Engine(address, client_program(), is_ours=True)


def given_address() -> str | None:
    """Return the address of an engine that is not ours and answers, or None."""
    address = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    return address if answers(address) else None


def answers(address: str) -> bool:
    """Whether an engine answers at an address."""
    try:
        client = docker.DockerClient(base_url=address, timeout=10)
    except DockerException:
        return False
    try:
        return bool(client.ping())
    except (DockerException, OSError):
        return False
    finally:
        client.close()


def refuse_where_none_may_start(
    *, is_root: bool = os.geteuid() == 0, debian: Path = Path("/etc/debian_version")
) -> None:
    """Raise `EngineUnavailable` unless we are root on Debian or Ubuntu."""
    if not debian.exists():
        raise EngineUnavailable("no container engine answers, and this is not Debian or Ubuntu")
    if not is_root:
        raise EngineUnavailable("no container engine answers, and only root may start one")


def install_engine() -> None:
    """Install what is missing of daemon and client; nothing happens when both are there."""
    if shutil.which("dockerd") is not None and _building_client() is not None:
        return
    try:
        # Newer releases keep the client apart, and it builds with BuildKit by buildx alone.
        install("docker.io", optional=("docker-cli", "docker-buildx"))
    except subprocess.CalledProcessError as error:
        raise EngineUnavailable(f"docker.io could not be installed: {error}") from None


def client_program() -> str:
    """Return the docker client that builds with BuildKit; raise `EngineUnavailable` without one."""
    program = _building_client()
    if program is None:
        raise EngineUnavailable("no docker client here builds with BuildKit: install docker-buildx")
    return program


def _building_client() -> str | None:
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    programs = [found for folder in folders if (found := shutil.which("docker", path=folder))]
    return next((program for program in programs if _builds(program)), None)


def _builds(program: str) -> bool:
    printed = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    major = re.search(r"version (\d+)\.", printed.stdout)
    if major is not None and int(major[1]) < BUILDX_NEEDED_SINCE:
        return True
    buildx = [program, "buildx", "version"]
    return subprocess.run(buildx, capture_output=True, check=False).returncode == 0


@contextmanager
def _our_own() -> Iterator[str]:
    """Everybody who uses the engine holds a shared lock; who gets it alone is the last."""
    RUN_FOLDER.mkdir(parents=True, exist_ok=True)
    with (RUN_FOLDER / "users.lock").open("w") as users:
        with exclusive(RUN_FOLDER, "start"):
            fcntl.flock(users, fcntl.LOCK_SH)
            if not answers(SOCKET):
                _start()
        try:
            yield SOCKET
        finally:
            with exclusive(RUN_FOLDER, "start"):
                if _is_last(users):
                    _stop()


def _is_last(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _start() -> None:
    data = cache_folder() / "engine"
    data.mkdir(parents=True, exist_ok=True)
    command = [
        *("dockerd", "--host", SOCKET, "--ip", "127.0.0.1"),
        *("--data-root", str(data), "--exec-root", str(RUN_FOLDER / "exec")),
        *("--pidfile", str(RUN_FOLDER / "dockerd.pid")),
    ]
    log = RUN_FOLDER / "dockerd.log"
    with log.open("w") as output:
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    RECORD.write_text(json.dumps(asdict(Process.running_as(started.pid))))
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not answers(SOCKET):
        if started.poll() is not None:
            raise EngineUnavailable(f"dockerd does not run here: {_last_line(log)}")
        if time.monotonic() > deadline:
            _stop()
            raise EngineUnavailable(f"dockerd did not answer in time: {_last_line(log)}")
        time.sleep(0.1)


def _stop() -> None:
    process = Process(**json.loads(RECORD.read_text()))
    if process.send(signal.SIGTERM) and not process.wait_for_end(STOP_TIMEOUT_SECONDS):
        process.send(signal.SIGKILL)
        process.wait_for_end(STOP_TIMEOUT_SECONDS)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1] if lines else "it said nothing"
