"""The suite with a container in the place of every process: same ports, same settings."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from infra.docker import image_of
from infra.docker.compose import read_compose, restrictions
from infra.native import Addresses
from infra.native.kafka import JAVA_OPTIONS
from infra.native.mongodb import OPTIONS, SET_NAME
from infra.native.plain_http import NO_AUTHORITIES
from infra.native.ports import kept_ports
from infra.suite import ServiceProcess, Suite
from infra.suite.processes import HttpProcess, IssuerProcess, SandboxProcess

START_TIMEOUT_SECONDS = 120.0
STOP_TIMEOUT_SECONDS = 60
LOOPBACK = "127.0.0.1"
COMPOSE = read_compose()


class NotStarted(AssertionError):
    """A container ended, or was not ready in time; the message ends with its log."""


class Container:
    """One container on the suite's network, restricted as `compose.yaml` says."""

    def __init__(
        self,
        network: Network,
        alias: str,
        image: str,
        command: Sequence[str],
        *,
        environment: Sequence[str] = (),
        ports: dict[int, int] | None = None,
        restricted_as: str,
    ) -> None:
        made = DockerContainer(image, command=list(command), network=network)
        made.with_network_aliases(alias)
        made.env = dict(line.split("=", 1) for line in environment)
        # Not `with_bind_ports`, which cannot say on which address.
        made.ports = {str(inside): (LOOPBACK, port) for inside, port in (ports or {}).items()}
        made.with_kwargs(**restrictions(COMPOSE[restricted_as]))
        self._made = made
        self.alias = alias

    def start(self) -> None:
        self._made.start()

    def keep_in_memory(self, folder: str) -> None:
        """Let the image's user write below a folder, as long as the container lives."""
        self._made.with_tmpfs_mount(folder, "size=64m,uid=10001,gid=10001")

    @property
    def wrapped(self) -> Any:
        """The docker library's container, its attributes read anew."""
        container = self._made.get_wrapped_container()
        container.reload()
        return container

    def python(self, source: str) -> str:
        """Run Python inside and return what it printed."""
        done = self.wrapped.exec_run(["python", "-c", source])
        text: str = done.output.decode()
        assert done.exit_code == 0, text
        return text.strip()

    def is_running(self) -> bool:
        return bool(self.wrapped.status == "running")

    def run(self) -> int:
        """Start it, wait for its end, remove it; return its exit code."""
        self.start()
        try:
            return int(self.wrapped.wait(timeout=START_TIMEOUT_SECONDS)["StatusCode"])
        finally:
            self.remove()

    def stop(self) -> int:
        """Ask it to end by SIGTERM, remove it; return its exit code."""
        self.wrapped.stop(timeout=STOP_TIMEOUT_SECONDS)
        code = int(self.wrapped.attrs["State"]["ExitCode"])
        self.remove()
        return code

    def remove(self) -> None:
        self._made.stop()

    def did_not_start(self, reason: str) -> NotStarted:
        last = self.wrapped.logs(tail=30).decode(errors="replace")
        return NotStarted(f"{self.alias} {reason}:\n{last}")


class Contained(HttpProcess):
    """An HTTP process of the suite whose process is a container."""

    container: Container | None = None
    exit_code: int | None = None

    def start(self) -> None:
        self.container = self._made("run")
        self.container.start()
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self.is_ready():
            if not self.container.is_running():
                raise self.container.did_not_start("ended while starting")
            if time.monotonic() > deadline:
                raise self.container.did_not_start("was not ready in time")
            time.sleep(0.1)

    def stop(self) -> None:
        if self.container is not None:
            self.exit_code = self.container.stop()
            self.container = None

    def _made(self, command: str) -> Container:
        raise NotImplementedError


class ServiceContainer(Contained, ServiceProcess):
    """One instance of a service, from its image."""

    network: Network

    def is_ready(self) -> bool:
        """Whether it has started and its API answers anything.

        An engine's proxy takes a moment longer than the process to have its port.
        """
        if not super().is_ready():
            return False
        try:
            httpx.get(self.url, trust_env=False, verify=NO_AUTHORITIES)
        except httpx.HTTPError:
            return False
        return True

    def migrate(self) -> None:
        made = self._made("migrate")
        code = made.run()
        assert code == 0, f"{self.name} migrate ended with {code}"

    def _made(self, command: str) -> Container:
        made = Container(
            self.network,
            self.name,
            image_of(self.service),
            [command],
            environment=[*self.settings(), f"{self.service.upper()}_HTTP_HOST=0.0.0.0"],
            ports={port: port for port in self.ports},
            restricted_as=self.service,
        )
        made.keep_in_memory(f"/var/lib/{self.service}")
        return made


class SandboxContainer(Contained):
    """One of the sandboxes, from the image of the surroundings."""

    network: Network
    alias: str
    module: str
    options: tuple[str, ...]
    restricted_as: str

    def _made(self, command: str) -> Container:
        port = self.ports[0]
        made = Container(
            self.network,
            self.alias,
            image_of("surroundings"),
            [self.module, command, "--host=0.0.0.0", f"--port={port}", *self.options],
            ports={port: port},
            restricted_as=self.restricted_as,
        )
        # In the place of the volume in `compose.yaml`, and gone with the container.
        made.keep_in_memory("/var/lib/sandbox")
        return made


class ProviderContainer(SandboxContainer, SandboxProcess):
    """The payment provider's sandbox."""

    alias = "sandbox"
    module = "infra.sandbox.provider"
    options = ("--book=/var/lib/sandbox/book.sqlite",)
    restricted_as = "provider"


class IssuerContainer(SandboxContainer, IssuerProcess):
    """The development issuer."""

    alias = "issuer"
    module = "infra.sandbox.issuer"
    options = ("--mode=development", "--keys=/var/lib/sandbox/keys.json")
    restricted_as = "issuer"


class ContainerSuite(Suite):
    """Kafka, MongoDB, sandbox and services in containers, seen from here as any other suite."""

    def __init__(self, folder: Path) -> None:
        self.network = Network()
        self._kafka_port, self._mongo_port = kept_ports(folder / "ports.json", count=2)
        super().__init__(
            folder,
            Addresses(
                f"{LOOPBACK}:{self._kafka_port}",
                f"mongodb://{LOOPBACK}:{self._mongo_port}/?directConnection=true",
            ),
        )
        self.sandbox = ProviderContainer(folder / "sandbox", False, 0)
        self.issuer = IssuerContainer(folder / "issuer", False)
        self.sandbox.network = self.issuer.network = self.network
        self._servers = [self._kafka(), self._mongo()]

    def instance(self, service: str, number: int, *, wait: bool = True) -> ServiceProcess:
        """Return a further instance of a service, not started."""
        name = f"{service}-{number}"
        environment = self._environment(service)
        made = ServiceContainer(self.folder / name, False, service, name, environment, wait=wait)
        made.network = self.network
        return made

    async def start(self, *services: str) -> None:
        """Start the servers and then what every suite starts; nothing stays if that fails."""
        self.network.create()
        try:
            await asyncio.gather(*(asyncio.to_thread(server.start) for server in self._servers))
            await asyncio.to_thread(self._initiate)
            await super().start(*services)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything; nothing stays."""
        await super().stop()
        await asyncio.gather(*(asyncio.to_thread(server.remove) for server in self._servers))
        self.network.remove()

    async def make_topics(self) -> None:
        """Make the topics by the image that `compose.yaml` makes them with."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        # Until the broker answers, the tool ends with another code than 0.
        while (code := await asyncio.to_thread(self._topics().run)) != 0:
            assert time.monotonic() < deadline, f"topics were not made: {code}"

    def migrate(self, service: str) -> None:
        """Make a service's collections and indexes by its image."""
        instance = self.services[service]
        assert isinstance(instance, ServiceContainer)
        instance.migrate()

    def _environment(self, service: str) -> dict[str, str]:
        inside = {
            self.addresses.kafka_bootstrap_servers: "kafka:9092",
            self.addresses.mongodb_uri: f"mongodb://mongo:27017/?replicaSet={SET_NAME}",
            self.sandbox.url: f"http://sandbox:{self.sandbox.ports[0]}",
            self.issuer.url: f"http://issuer:{self.issuer.ports[0]}",
        }
        environment = super()._environment(service)
        for here, there in inside.items():
            environment = {name: v.replace(here, there) for name, v in environment.items()}
        if service == "updates":
            environment["MEDIA_STORE"] = "file:///var/lib/updates/media"
        return environment

    def _payouts_url(self) -> str:
        return f"http://payouts-1:{self.services['payouts'].ports[0]}"

    def _kafka(self) -> Container:
        return Container(
            self.network,
            "kafka",
            image_of("kafka"),
            JAVA_OPTIONS,
            environment=[f"SOSST_HOST_ADDRESS={LOOPBACK}:{self._kafka_port}"],
            ports={9094: self._kafka_port},
            restricted_as="kafka",
        )

    def _mongo(self) -> Container:
        return Container(
            self.network,
            "mongo",
            image_of("mongo"),
            [option.replace(LOOPBACK, "0.0.0.0") for option in OPTIONS],
            ports={27017: self._mongo_port},
            restricted_as="mongo",
        )

    def _topics(self) -> Container:
        arguments = ["--yes", f"--prefix={self.prefix}", "--bootstrap-servers=kafka:9092"]
        return Container(
            self.network,
            "topics",
            image_of("surroundings"),
            ["infra.kafka", "apply", *arguments],
            restricted_as="topics",
        )

    def _initiate(self) -> None:
        """Make the set, known to its members by the name on the network; wait for its primary."""
        members = [{"_id": 0, "host": "mongo:27017"}]
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._is_primary({"_id": SET_NAME, "members": members}):
            if time.monotonic() > deadline:
                raise self._servers[1].did_not_start("has no primary")
            time.sleep(0.1)

    def _is_primary(self, configuration: dict[str, Any]) -> bool:
        client: MongoClient[dict[str, Any]]
        address = self.addresses.mongodb_uri
        with MongoClient(address, serverSelectionTimeoutMS=500) as client:
            try:
                if "setName" in (hello := client.admin.command("hello")):
                    return bool(hello["isWritablePrimary"])
                client.admin.command("replSetInitiate", configuration)
            except OperationFailure:
                raise
            except PyMongoError:
                pass
            return False
