"""Kafka nodes, each broker and controller in one process, formatted from a cached template."""

import asyncio
import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.helpers import create_ssl_context

from infra.native import fetch, prerequisites
from infra.native.errors import NativeStackError
from infra.native.folders import cache_folder, exclusive
from infra.native.ports import kept_ports
from infra.native.processes import Process
from infra.native.security import MECHANISM, NativeSecurity
from infra.native.server import Server

START_TIMEOUT_SECONDS = 120.0
JAVA_OPTIONS = ["-Xms128m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
# Starts slower and then runs at the speed that a broker has: for measurements (`stack.md` 1).
MEASURED_JAVA_OPTIONS = ["-Xms512m", "-Xmx512m", "-XX:+UseSerialGC"]
LOG_SETTINGS = Path(__file__).with_name("log4j2.properties")
CLUSTER_ID = "sosst-native"

# Session and heartbeat are short so that a broker is back 4 seconds after kill -9, not 10.
# Clients have a listener of their own: what they are told may be the port of a fault proxy.
# The cleaner's buffer is half of our heap by itself: with 800 partitions a restart ran out of it.
SETTINGS = """\
process.roles=broker,controller
node.id={node}
controller.listener.names=CONTROLLER
inter.broker.listener.name=BROKER
listeners=CLIENT://127.0.0.1:{client},BROKER://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=CLIENT://{told},BROKER://127.0.0.1:{broker}
listener.security.protocol.map=CLIENT:{protocol},BROKER:{protocol},CONTROLLER:{protocol}
controller.quorum.voters={voters}
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor={copies}
min.insync.replicas={in_sync}
offsets.topic.num.partitions=8
offsets.topic.replication.factor={copies}
transaction.state.log.num.partitions=8
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={in_sync}
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr={in_sync}
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=16777216
"""


class KafkaServer(Server):
    """One node of Apache Kafka on free loopback ports that stay with its data.

    `folders` are those of all nodes of the cluster, in the order of their numbers from 1. `told`
    gives the address that clients are told, where it is not the node's own. With `archive_to` it
    leaves the classes that it has read there when it is stopped.
    """

    def __init__(
        self,
        folders: list[Path],
        node: int,
        detached: bool,
        told: Callable[[], str] | None = None,
        *,
        security: NativeSecurity | None = None,
        measured: bool = False,
        archive_to: Path | None = None,
    ) -> None:
        super().__init__(folders[node - 1], detached)
        self._java_options = MEASURED_JAVA_OPTIONS if measured else JAVA_OPTIONS
        self._archive_to = archive_to
        self.name = "Kafka broker" if len(folders) == 1 else f"Kafka broker {node}"
        self.node = node
        self._folders = folders
        self._told = told
        self._security = security

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` for clients; raises NativeStackError before the first start."""
        if not _ports_file(self._folder).exists():
            raise NativeStackError(f"no {self.name} was ever started in {self._folder}")
        return self._told() if self._told else self.address

    @property
    def address(self) -> str:
        """`host:port` of the node itself, with no proxy in between."""
        return f"127.0.0.1:{self._ports()[0]}"

    def choose_ports(self) -> None:
        """Choose the ports of every node: each must know the others' before it starts."""
        for folder in self._folders:
            kept_ports(_ports_file(folder), count=3)

    def _prepare(self) -> None:
        prerequisites.ensure(maven=False)
        self.choose_ports()
        data = self._folder / "data"
        if not data.exists():
            self._format(data)
        client, controller, broker = self._ports()
        voters = [
            f"{number}@127.0.0.1:{kept_ports(_ports_file(folder), count=3)[1]}"
            for number, folder in enumerate(self._folders, start=1)
        ]
        settings = _settings(
            nodes=len(self._folders),
            node=self.node,
            client=client,
            controller=controller,
            broker=broker,
            told=self.bootstrap_servers,
            voters=",".join(voters),
            data=data,
            protocol="SASL_SSL" if self._security else "PLAINTEXT",
        )
        self._settings_file.touch(mode=0o600)
        own = self._security.broker_settings() if self._security else ""
        self._settings_file.write_text(settings + own)

    def _format(self, data: Path) -> None:
        """An open node copies the template; the first users of a secured one are in its format."""
        if self._security is None:
            _copy_template(_formatted_template(len(self._folders)), data, self.node)
            return
        users = [f"--add-scram={user}" for user in self._security.scram_users()]
        with tempfile.TemporaryDirectory(dir=self._folder) as temporary:
            _copy_template(_format(Path(temporary), len(self._folders), users), data, self.node)

    def _command(self) -> list[str]:
        if self._archive_to is None:
            # Damaged ones are found before a class is taken from them.
            archive = ["-XX:+VerifySharedSpaces", f"-XX:SharedArchiveFile={_class_archive()}"]
        else:
            archive = [f"-XX:ArchiveClassesAtExit={self._archive_to}"]
        return _java(
            *(*archive, *self._java_options),
            *(f"-Dkafka.log.file={self.log}", "kafka.Kafka", str(self._settings_file)),
        )

    def _wait_until_ready(self, process: Process) -> None:
        # In a thread of its own, so that callers may themselves run inside an event loop.
        with ThreadPoolExecutor(max_workers=1) as thread:
            thread.submit(asyncio.run, self._until_described(process)).result()

    async def _until_described(self, process: Process) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT_SECONDS):
                while not await self._is_described():
                    if not process.is_running():
                        raise self._did_not_start("ended while starting")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            reason = f"was not ready within {START_TIMEOUT_SECONDS:.0f} seconds"
            raise self._did_not_start(reason) from None

    async def _is_described(self) -> bool:
        """An open port says little: a node is ready when its description of the cluster has it.

        A closed one says enough: asking it would only make aiokafka log a line each time. The
        brokers' own listener is asked, so that a fault in a proxy delays no start.
        """
        address = f"127.0.0.1:{self._ports()[2]}"
        if not await _is_open(address):
            return False
        admin = AIOKafkaAdminClient(
            bootstrap_servers=address, request_timeout_ms=5_000, **self._client_options()
        )
        try:
            await admin.start()
            described = await admin.describe_cluster()
            return self.node in {broker["node_id"] for broker in described["brokers"]}
        except (KafkaError, OSError, TimeoutError):
            return False
        finally:
            await admin.close()

    def _client_options(self) -> dict[str, Any]:
        if self._security is None:
            return {}
        return {
            "security_protocol": "SASL_SSL",
            "ssl_context": create_ssl_context(cafile=str(self._security.ca_file)),
            "sasl_mechanism": MECHANISM,
            "sasl_plain_username": self._security.admin_user,
            "sasl_plain_password": self._security.admin_password,
        }

    def _ports(self) -> list[int]:
        return kept_ports(_ports_file(self._folder), count=3)

    @property
    def _settings_file(self) -> Path:
        return self._folder / "server.properties"


def _ports_file(folder: Path) -> Path:
    return folder / "ports.json"


def _settings(nodes: int, **values: object) -> str:
    """Every record on every node, acknowledged by more than half of them."""
    return SETTINGS.format(copies=nodes, in_sync=nodes // 2 + 1, **values)


async def _is_open(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True


def tool_command(tool: str) -> list[str]:
    """Return the command of one of Kafka's own tools, without its arguments."""
    return _java("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", tool)


def _java(*arguments: str) -> list[str]:
    jars = fetch.kafka_jars()
    class_path = ":".join(str(jar) for jar in sorted(jars.glob("*.jar")))
    logging = f"-Dlog4j2.configurationFile={LOG_SETTINGS}"
    java = prerequisites.java_command()
    return [java, logging, "-cp", class_path, *arguments]


def _copy_template(template: Path, data: Path, node: int) -> None:
    """A data directory of this node: its number and an identity of its own beside the template."""
    shutil.copytree(template, data)
    identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    (data / "meta.properties").write_text(
        f"version=1\ncluster.id={CLUSTER_ID}\nnode.id={node}\ndirectory.id={identity}\n"
    )


def _class_archive() -> Path:
    """The broker's classes as a running one had them, made once for these jars and this Java.

    With it a node takes 1.7 s of a processor until it serves, without 3.1. Java itself refuses one
    that is damaged, of other jars or of another Java, and reads its classes as if there were none.
    """
    jars = fetch.kafka_jars()
    java = Path(shutil.which(prerequisites.java_command()) or "").resolve()
    maker = f"{jars} {jars.stat().st_mtime_ns} {java} {java.stat().st_mtime_ns}"
    key = hashlib.sha256(maker.encode()).hexdigest()[:12]
    archive = cache_folder() / f"kafka-classes-{key}.jsa"
    with exclusive(cache_folder(), "archive"):
        if not archive.exists():
            with tempfile.TemporaryDirectory(dir=cache_folder()) as temporary:
                made = Path(temporary, "classes.jsa")
                broker = KafkaServer([Path(temporary, "kafka")], 1, False, archive_to=made)
                broker.start()
                broker.stop()
                if made.exists():
                    made.rename(archive)
    return archive


def _formatted_template(nodes: int) -> Path:
    """A formatted empty data directory; formatting costs a start of Java, copying nothing.

    The ports in it are placeholders: the broker writes its real ones when it starts.
    """
    jars = fetch.kafka_jars()
    key = hashlib.sha256((jars.name + SETTINGS + str(nodes)).encode()).hexdigest()[:12]
    template = cache_folder() / f"kafka-template-{key}"
    with exclusive(cache_folder(), "format"):
        if not template.exists():
            with tempfile.TemporaryDirectory(dir=cache_folder()) as temporary:
                _format(Path(temporary), nodes).rename(template)
    return template


def _format(folder: Path, nodes: int, users: Sequence[str] = ()) -> Path:
    settings, data = folder / "server.properties", folder / "data"
    voters = ",".join(f"{number}@127.0.0.1:{number}" for number in range(1, nodes + 1))
    placeholders: dict[str, object] = {
        "client": 4,
        "controller": 1,
        "broker": 5,
        "told": "127.0.0.1:4",
    }
    placeholders |= {"protocol": "PLAINTEXT"}
    settings.write_text(_settings(nodes, node=1, voters=voters, data=data, **placeholders))
    command = _java(
        *JAVA_OPTIONS,
        f"-Dkafka.log.file={os.devnull}",
        "kafka.tools.StorageTool",
        "format",
        f"--cluster-id={CLUSTER_ID}",
        "-c",
        str(settings),
        *users,
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NativeStackError(
            f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}"
        )
    return data
