"""A Kafka broker and controller in one process, formatted from a cached template."""

import asyncio
import hashlib
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from infra.native import fetch, prerequisites
from infra.native.errors import NativeStackError
from infra.native.folders import cache_folder, exclusive
from infra.native.ports import kept_ports
from infra.native.processes import Process
from infra.native.server import Server

START_TIMEOUT_SECONDS = 60.0
JAVA_OPTIONS = ["-Xms128m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
LOG_SETTINGS = Path(__file__).with_name("log4j2.properties")

# Session and heartbeat are short so that a broker is back 4 seconds after kill -9, not 10.
# Replication factors and minimum in-sync replicas of the internal topics fit one node.
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{broker_port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""


class KafkaServer(Server):
    """Apache Kafka on a free loopback port that stays with the data."""

    name = "Kafka broker"

    @property
    def bootstrap_servers(self) -> str:
        """`host:port`; raises NativeStackError before the first start."""
        if not self._ports_file.exists():
            raise NativeStackError(f"no {self.name} was ever started in {self._folder}")
        return f"127.0.0.1:{self._ports()[0]}"

    def _prepare(self) -> None:
        prerequisites.ensure(maven=False)
        broker_port, controller_port = self._ports()
        data = self._folder / "data"
        if not data.exists():
            shutil.copytree(_formatted_template(), data)
        self._settings.write_text(
            SETTINGS.format(broker_port=broker_port, controller_port=controller_port, data=data)
        )

    def _command(self) -> list[str]:
        return _java(f"-Dkafka.log.file={self.log}", "kafka.Kafka", str(self._settings))

    def _wait_until_ready(self, process: Process) -> None:
        # In a thread of its own, so that callers may themselves run inside an event loop.
        with ThreadPoolExecutor(max_workers=1) as thread:
            thread.submit(asyncio.run, self._until_described(process)).result()

    async def _until_described(self, process: Process) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT_SECONDS):
                while not await _is_described(self.bootstrap_servers):
                    if not process.is_running():
                        raise self._did_not_start("ended while starting")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            reason = f"was not ready within {START_TIMEOUT_SECONDS:.0f} seconds"
            raise self._did_not_start(reason) from None

    def _ports(self) -> list[int]:
        return kept_ports(self._ports_file, count=2)

    @property
    def _ports_file(self) -> Path:
        return self._folder / "ports.json"

    @property
    def _settings(self) -> Path:
        return self._folder / "server.properties"


async def _is_described(bootstrap_servers: str) -> bool:
    """An open port says little: the broker is ready when the cluster's description has it.

    A closed one says enough: asking it would only make aiokafka log a line each time.
    """
    if not await _is_open(bootstrap_servers):
        return False
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        await admin.start()
        return len((await admin.describe_cluster())["brokers"]) == 1
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()


async def _is_open(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True


def _java(*arguments: str) -> list[str]:
    jars = fetch.kafka_jars()
    class_path = ":".join(str(jar) for jar in sorted(jars.glob("*.jar")))
    logging = f"-Dlog4j2.configurationFile={LOG_SETTINGS}"
    java = prerequisites.java_command()
    return [java, *JAVA_OPTIONS, logging, "-cp", class_path, *arguments]


def _formatted_template() -> Path:
    """A formatted empty data directory; formatting costs a start of Java, copying nothing.

    The ports in it are placeholders: the broker writes its real ones when it starts.
    """
    jars = fetch.kafka_jars()
    key = hashlib.sha256((jars.name + SETTINGS).encode()).hexdigest()[:12]
    template = cache_folder() / f"kafka-template-{key}"
    with exclusive(cache_folder(), "format"):
        if not template.exists():
            with tempfile.TemporaryDirectory(dir=cache_folder()) as temporary:
                _format(Path(temporary)).rename(template)
    return template


def _format(folder: Path) -> Path:
    settings, data = folder / "server.properties", folder / "data"
    settings.write_text(SETTINGS.format(broker_port=1, controller_port=2, data=data))
    command = _java(
        f"-Dkafka.log.file={os.devnull}",
        "kafka.tools.StorageTool",
        "format",
        "--cluster-id=sosst-native",
        "-c",
        str(settings),
        "--standalone",
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NativeStackError(
            f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}"
        )
    return data
