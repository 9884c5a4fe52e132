"""One process of the suite on a folder of its own: start, kill, pause, resume, stop.

Everything about owning a process (locks, no strays, kept ports) is the native stack's.
"""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from infra.native.folders import REPOSITORY
from infra.native.plain_http import NO_AUTHORITIES
from infra.native.ports import kept_ports
from infra.native.processes import Process
from infra.native.server import Server

START_TIMEOUT_SECONDS = 120.0
LOOK_SECONDS = 0.1


class HttpProcess(Server):
    """A Python module of ours that serves HTTP and says when it is ready."""

    def __init__(self, folder: Path, detached: bool, name: str) -> None:
        super().__init__(folder, detached)
        self.name = name

    @property
    def ports(self) -> list[int]:
        """The ports of this process; they stay with its folder over restarts."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return kept_ports(self._folder / "ports.json", count=2)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def ready_url(self) -> str:
        raise NotImplementedError

    def _prepare(self) -> None:
        pass

    def _wait_until_ready(self, process: Process) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self.is_ready():
            if not process.is_running():
                raise self._did_not_start("ended while starting")
            if time.monotonic() > deadline:
                raise self._did_not_start("was not ready in time")
            time.sleep(LOOK_SECONDS)

    def is_ready(self) -> bool:
        """Whether it answers that it is ready."""
        try:
            answer = httpx.get(self.ready_url, timeout=5, trust_env=False, verify=NO_AUTHORITIES)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200


class SandboxProcess(HttpProcess):
    """The payment provider's sandbox with its durable book."""

    def __init__(self, folder: Path, detached: bool, seed: int) -> None:
        super().__init__(folder, detached, "payment sandbox")
        self._seed = seed

    @property
    def ready_url(self) -> str:
        return f"{self.url}/healthz"

    def _command(self) -> list[str]:
        book = str(self._folder / "book.sqlite")
        options = ["--port", str(self.ports[0]), "--book", book, "--seed", str(self._seed)]
        return [
            *("env", f"PYTHONPATH={REPOSITORY}"),
            *(sys.executable, "-m", "infra.sandbox.provider", "run", *options),
        ]


class IssuerProcess(HttpProcess):
    """The development issuer with its durable keys."""

    def __init__(self, folder: Path, detached: bool) -> None:
        super().__init__(folder, detached, "token issuer")

    @property
    def ready_url(self) -> str:
        return f"{self.url}/healthz"

    def _command(self) -> list[str]:
        keys = str(self._folder / "keys.json")
        options = ["--mode", "development", "--port", str(self.ports[0]), "--keys", keys]
        return [
            *("env", f"PYTHONPATH={REPOSITORY}"),
            *(sys.executable, "-m", "infra.sandbox.issuer", "run", *options),
        ]


class MailProcess(HttpProcess):
    """The mail sandbox with what it keeps; the second port speaks SMTP."""

    def __init__(self, folder: Path, detached: bool) -> None:
        super().__init__(folder, detached, "mail sandbox")

    @property
    def smtp_port(self) -> int:
        return self.ports[1]

    @property
    def ready_url(self) -> str:
        return f"{self.url}/healthz"

    @property
    def store(self) -> Path:
        """The file that keeps what came."""
        return (self._folder / "mails.sqlite").absolute()

    def _command(self) -> list[str]:
        store = str(self.store)
        ports = ["--port", str(self.ports[0]), "--smtp-port", str(self.smtp_port)]
        return [
            *("env", f"PYTHONPATH={REPOSITORY}"),
            *(sys.executable, "-m", "infra.sandbox.mail", "run", *ports, "--store", store),
        ]


class ServiceProcess(HttpProcess):
    """One instance of one service; `environment` holds its settings without the prefix.

    Starting waits until the instance says that it has started, which includes that the database is
    migrated; `wait=False` is for starts in an odd order.
    """

    def __init__(
        self,
        folder: Path,
        detached: bool,
        service: str,
        instance: str,
        environment: Mapping[str, str],
        *,
        wait: bool = True,
    ) -> None:
        super().__init__(folder, detached, instance)
        self.service = service
        self._environment = dict(environment)
        self._wait = wait

    @property
    def health_url(self) -> str:
        return f"http://127.0.0.1:{self.ports[1]}"

    @property
    def ready_url(self) -> str:
        return f"{self.health_url}/startupz"

    def settings(self) -> list[str]:
        """Return NAME=value for every setting of this instance."""
        own = {
            "INSTANCE_ID": self.name,
            "HTTP_PORT": str(self.ports[0]),
            "HEALTH_PORT": str(self.ports[1]),
        }
        prefix = self.service.upper()
        return [f"{prefix}_{name}={value}" for name, value in (self._environment | own).items()]

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of one of the service's own commands, settings included."""
        return ["env", *self.settings(), sys.executable, "-m", self.service, *arguments]

    def _command(self) -> list[str]:
        return self.command("run")

    def _wait_until_ready(self, process: Process) -> None:
        if self._wait:
            super()._wait_until_ready(process)
