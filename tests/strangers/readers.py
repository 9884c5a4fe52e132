"""Three readers with nothing of ours but the contracts' wheel and its README, which they obey."""

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.tools.folders import HERE
from infra.native.kafka import tool_command
from infra.suite import Suite

README = HERE.root / "README.md"
REQUIREMENTS = HERE.root.parent / "requirements" / "stranger.txt"
BLOCK = re.compile(r"^```(\w+(?: \w+)?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DEADLINE_SECONDS = 120
KEPT = ("PATH", "HOME", "JAVA_HOME")


@dataclass(frozen=True, slots=True)
class Read:
    """A record as a stranger understood it."""

    id: str
    type: str
    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Connection:
    """All that a stranger is told about a cluster: the one place for it."""

    bootstrap_servers: str
    prefix: str

    @classmethod
    def of(cls, suite: Suite) -> "Connection":
        return cls(suite.addresses.kafka_bootstrap_servers, suite.prefix)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables that the README's lines read, and nothing of ours."""
        own = {"KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers, "TOPIC_PREFIX": self.prefix}
        kept = {name: value for name, value in os.environ.items() if name in KEPT}
        return kept | own | more


def blocks_of_readme(kind: str) -> list[str]:
    """Return the README's blocks of this kind, above "Adding an event"."""
    text = README.read_text().split("\n## Adding an event\n")[0]
    return [body for found, body in BLOCK.findall(text) if found == kind]


def make_environment(folder: Path) -> Path:
    """Return the Python of a new environment: the wheel, aiokafka, and what they need."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    wheels, home = folder / "wheels", folder / "venv"
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels)]
    subprocess.run([*pip, *build, str(HERE.root)], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    python = home / "bin" / "python"
    into = [*pip, "--python", str(python), "install"]
    subprocess.run([*into, "--require-hashes", "-r", str(REQUIREMENTS)], check=True)
    subprocess.run([*into, "--no-deps", *map(str, wheels.glob("*.whl"))], check=True)
    return python


async def run_readme(
    python: Path, number: int, connection: Connection, topics: Sequence[str], lines: int
) -> list[str]:
    """Run the README's numbered example until it has printed as many lines, and end it.

    What it prints before it is ended is given back too, so that a line too many shows.
    """
    code = blocks_of_readme("python")[number]
    process = await asyncio.create_subprocess_exec(
        *(str(python), "-I", "-u", "-c", code, *topics),
        env=connection.environment(),
        stdout=subprocess.PIPE,
        limit=2**20,
    )
    assert process.stdout is not None
    printed: list[str] = []
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(printed) < lines and (line := await process.stdout.readline()):
                printed.append(line.decode().rstrip("\n"))
    finally:
        if process.returncode is None:
            process.kill()
        rest, _ = await process.communicate()
    return printed + rest.decode().splitlines()


async def read_with_wheel(
    python: Path, connection: Connection, topics: Sequence[str], count: int
) -> list[Read]:
    lines = await run_readme(python, 0, connection, topics, count)
    left_out = [line for line in lines if line.startswith("left out")]
    assert left_out == []
    parts = [line.split(" ", 2) for line in lines]
    return [Read(one_id, type_name, json.loads(value)) for one_id, type_name, value in parts]


async def read_with_kcat(connection: Connection, topics: Sequence[str]) -> list[Read]:
    (line,) = blocks_of_readme("sh kcat")
    environments = [connection.environment(TOPIC=connection.prefix + topic) for topic in topics]
    printed = await asyncio.gather(*(_printed(["sh", "-c", line], one) for one in environments))
    return [read for one in printed for read in _reads(one, ",", "=")]


async def read_with_java(connection: Connection, topics: Sequence[str], count: int) -> list[Read]:
    (line,) = blocks_of_readme("sh java")
    named = "|".join(re.escape(connection.prefix + topic) for topic in topics)
    environment = connection.environment(TOPICS=named, COUNT=str(count))
    java = tool_command("org.apache.kafka.tools.consumer.ConsoleConsumer")
    line = line.replace("kafka-console-consumer.sh", shlex.join(java))
    return _reads(await _printed(["sh", "-c", line], environment), ",", ":")


def imports(python: Path, module: str) -> bool:
    """Whether the environment has the module."""
    command = [str(python), "-I", "-c", f"import {module}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


async def _printed(command: Sequence[str], environment: dict[str, str]) -> str:
    def run() -> str:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=DEADLINE_SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    return await asyncio.to_thread(run)


def _reads(printed: str, between: str, sign: str) -> list[Read]:
    found = []
    for line in printed.splitlines():
        headers, _, value = line.split("\t", 2)
        named = dict(pair.split(sign, 1) for pair in headers.split(between) if sign in pair)
        found.append(Read(named["ce_id"], named["ce_type"], json.loads(value)))
    return found
