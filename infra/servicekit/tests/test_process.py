"""A real process from its start to its end: exit codes, signals, ports, dependencies away.

Each way to end is shown by a process of its own; further words of a command line are typed here.
"""

import asyncio
import io
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest

from infra.native import NativeStack
from infra.native.plain_http import NO_AUTHORITIES
from infra.servicekit.tests.conftest import until
from infra.servicekit.tests.lamp import LampSettings, assemble, begin
from servicekit.auth import DEVELOPMENT_ISSUER
from servicekit.command import main
from servicekit.mongo import Database
from servicekit.recovery import Recoverer, RecoveryMark

LAMP = Path(__file__).with_name("lamp.py")
NOWHERE = {
    "LAMP_MONGODB_URI": "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=500",
    "LAMP_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
}


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@dataclass
class Lamp:
    """A running lamp and its environment."""

    process: asyncio.subprocess.Process
    environment: Mapping[str, str]

    async def answers(self, question: str) -> int:
        """Return the status of a question to the health port, 0 for no answer."""
        address = f"http://127.0.0.1:{self.environment['LAMP_HEALTH_PORT']}/{question}"
        try:
            async with httpx.AsyncClient(
                trust_env=False, verify=NO_AUTHORITIES, timeout=20
            ) as client:
                return (await client.get(address)).status_code
        except httpx.HTTPError:
            return 0

    async def end(self) -> tuple[int, str, str]:
        """Wait for the end; return exit code, standard output, standard error."""
        output, errors = await asyncio.wait_for(self.process.communicate(), 60)
        return self.process.returncode or 0, output.decode(), errors.decode()


@asynccontextmanager
async def lamp(*arguments: str, **changes: str) -> AsyncIterator[Lamp]:
    environment = surroundings(**changes)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(LAMP),
        *arguments,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Lamp(process, environment)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def surroundings(**changes: str) -> dict[str, str]:
    """Return every variable of a lamp, with which it reaches nothing unless told where."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        "LAMP_MONGODB_DATABASE": "lamp",
        "LAMP_INSTANCE_ID": "lamp-1",
        "LAMP_AUTH_ISSUER": "the-issuer",
        "LAMP_AUTH_AUDIENCE": "lamps",
        "LAMP_AUTH_JWKS_URL": "https://127.0.0.1:9/keys",
        "LAMP_HTTP_PORT": free_port(),
        "LAMP_HEALTH_PORT": free_port(),
    }
    environment |= NOWHERE | changes
    if "LAMP_MONGODB_URI_FILE" in changes:
        del environment["LAMP_MONGODB_URI"]
    return environment


async def typed(*words: str, **changes: str) -> tuple[int, str, str]:
    """Run a command as if it was typed; return exit code, standard output, standard error.

    All that a process of its own would add is the start of Python, three seconds of a processor.
    """
    output, errors = io.StringIO(), io.StringIO()

    def run() -> int:
        try:
            return main(LampSettings, begin, assemble)
        except SystemExit as ended:
            return int(str(ended.code))

    with (
        patch.dict(os.environ, surroundings(**changes), clear=True),
        patch.object(sys, "argv", [str(LAMP), *words]),
        redirect_stdout(output),
        redirect_stderr(errors),
    ):
        code = await asyncio.to_thread(run)
    return code, output.getvalue(), errors.getvalue()


async def migrated(addresses: Mapping[str, str]) -> None:
    code, output, errors = await typed("migrate", **addresses)
    assert code == 0 and "create collection lamps" in output, errors


async def until_it_answers(run: Lamp, *questions: str) -> None:
    async def well() -> bool:
        return {await run.answers(question) for question in questions} == {200}

    await until(f"the lamp answers {questions} with 200", well)


async def until_ready(run: Lamp) -> None:
    await until_it_answers(run, "startupz", "readyz")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_order(addresses: dict[str, str], number: signal.Signals) -> None:
    """It leaves with 0, and every line on standard output was a JSON object."""
    await migrated(addresses)
    async with lamp("run", **addresses) as run:
        await until_ready(run)
        assert await run.answers("livez") == await run.answers("startupz") == 200
        run.process.send_signal(number)
        code, output, errors = await run.end()
    assert (code, errors) == (0, "")
    assert output and all(line.startswith("{") for line in output.splitlines())


async def test_a_changed_secret_ends_it_in_order(addresses: dict[str, str], tmp_path: Path) -> None:
    """Another password in the file: it drains and leaves with 0, to be started with the new one."""
    await migrated(addresses)
    file = tmp_path / "uri"
    file.write_text(addresses.pop("LAMP_MONGODB_URI"))
    async with lamp("run", LAMP_MONGODB_URI_FILE=str(file), **addresses) as run:
        await until_ready(run)
        file.write_text("mongodb://lamp:another@h/")
        code, output, errors = await run.end()
    assert (code, errors) == (0, "") and "a secret changed, leaving" in output
    assert "another" not in output


async def test_it_has_started_once_its_api_listens(
    addresses: dict[str, str], tmp_path: Path
) -> None:
    """Database and Kafka are there long before; only then may a caller be sent to it."""
    await migrated(addresses)
    fuse = tmp_path / "fuse"
    async with lamp("run", LAMP_FUSE=str(fuse), **addresses) as run:
        await until_it_answers(run, "readyz")
        assert await run.answers("startupz") == 503
        fuse.touch()
        await until_it_answers(run, "startupz")
        port = int(run.environment["LAMP_HTTP_PORT"])
        socket.create_connection(("127.0.0.1", port), timeout=5).close()


@pytest.mark.parametrize("fault", ["raises", "ends", "refused"])
async def test_a_loop_that_fails_stops_the_process(addresses: dict[str, str], fault: str) -> None:
    """Whether it raises, ends by itself or is refused before it begins: exit code 70."""
    await migrated(addresses)
    async with lamp("run", LAMP_FAULT=fault, **addresses) as run:
        code, output, _ = await run.end()
    assert code == 70 and "a loop failed" in output


async def test_a_port_that_is_taken_stops_the_process(addresses: dict[str, str]) -> None:
    """A second instance on the same health port says which port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        async with lamp("run", **(addresses | {"LAMP_HEALTH_PORT": port})) as run:
            code, output, _ = await run.end()
    assert code == 70 and f"cannot listen on port {port}" in output


async def test_without_dependencies_it_waits_and_is_alive() -> None:
    """Not ready, not started, alive, and SIGTERM still ends it with 0."""
    async with lamp("run") as run:

        async def answers() -> bool:
            return await run.answers("livez") == 200

        await until("the health port answers", answers)
        assert await run.answers("readyz") == await run.answers("startupz") == 503
        assert await run.answers("livez") == 200 and await run.answers("metrics") == 200
        run.process.send_signal(signal.SIGTERM)
        code, _, _ = await run.end()
    assert code == 0


async def test_without_mongodb_a_running_process_is_not_ready_and_alive(
    breakable_stack: NativeStack, database_name: str
) -> None:
    """Every loop of it, the worker too, outlives the server and goes on by itself."""
    addresses = {
        "LAMP_MONGODB_URI": breakable_stack.addresses.mongodb_uri,
        "LAMP_KAFKA_BOOTSTRAP_SERVERS": breakable_stack.addresses.kafka_bootstrap_servers,
        "LAMP_MONGODB_DATABASE": database_name,
    }
    await migrated(addresses)
    async with lamp("run", **addresses) as run:
        await until_ready(run)
        await asyncio.to_thread(breakable_stack.kill_mongodb)

        async def not_ready() -> bool:
            return await run.answers("readyz") == 503

        await until("it is not ready", not_ready)
        for _ in range(2):  # Each answer takes the server's whole time-out.
            assert await run.answers("readyz") == 503 and await run.answers("livez") == 200
        await asyncio.to_thread(breakable_stack.start_mongodb)
        await until_ready(run)
        run.process.send_signal(signal.SIGTERM)
        code, _, _ = await run.end()
    assert code == 0


@pytest.mark.parametrize("command", ["run", "check", "migrate"])
async def test_wrong_settings_end_every_command_with_64(command: str) -> None:
    """One line on standard error names the variable and not its value."""
    code, output, errors = await typed(command, LAMP_PASSWORD="hunter2")
    assert (code, output) == (64, "")
    assert errors == "LAMP_PASSWORD is not a setting of this service\n"


async def test_a_development_issuer_stops_the_start_in_production() -> None:
    """Exit code 64 and one line: whoever it serves could be anybody."""
    async with lamp("run", LAMP_AUTH_ISSUER=DEVELOPMENT_ISSUER) as run:
        code, output, errors = await run.end()
    assert (code, output) == (64, "") and errors.count("\n") == 1
    assert "LAMP_AUTH_ISSUER" in errors and "development issuer" in errors


async def test_unknown_roles_are_refused() -> None:
    """As a setting is, before anything is reached."""
    code, _, errors = await typed("run", "--roles", "api,cook")
    assert code == 64 and "cook" in errors


@pytest.mark.parametrize("words", ["check", "migrate", "recover --by sre-1 --why disk"])
async def test_a_command_without_its_dependency_ends_with_69(words: str) -> None:
    """It says what does not answer and does not wait for it."""
    code, output, errors = await typed(*words.split())
    assert code == 69 and "127.0.0.1:9" in output + errors and "Traceback" not in errors


async def test_check_changes_nothing_and_dry_run_neither(addresses: dict[str, str]) -> None:
    """Before the migration `check` names what is missing, afterwards all is well."""
    code, output, _ = await typed("migrate", "--dry-run", **addresses)
    assert code == 0 and "create collection lamps" in output
    async with lamp("check", **addresses) as run:
        code, output, _ = await run.end()
    assert code == 69 and "schema: schema 0, needed 1: run migrate" in output
    async with lamp("migrate", **addresses) as run:
        code, output, _ = await run.end()
    assert code == 0 and "create collection lamps" in output
    async with lamp("check", **addresses) as run:
        code, output, _ = await run.end()
    assert code == 0 and output.splitlines() == ["mongodb: ok", "schema: ok", "kafka: ok"]


async def recovered(addresses: Mapping[str, str]) -> tuple[int, str, str]:
    """Run `recover` to its end; a young broker has no coordinator for groups yet."""
    ends: list[tuple[int, str, str]] = []

    async def reached() -> bool:
        ends.append(await typed("recover", "--by", "sre-2", "--why", "disk", **addresses))
        return ends[-1][0] != 69

    await until("recover reaches what it needs", reached)
    return ends[-1]


async def test_recover_is_refused_while_another_one_runs(
    addresses: dict[str, str], new_database: Database
) -> None:
    """Exit code 64 and one line that says who; afterwards, and again, it ends with 0."""
    await migrated(addresses)
    mark, who, now = RecoveryMark(new_database), Recoverer("sre-1"), datetime.now(UTC)
    await new_database.transaction(lambda session: mark.begin(session, now, who))
    code, output, errors = await recovered(addresses)
    assert code == 64 and errors.startswith("sre-1 recovers since ") and who.place in errors
    await mark.let_go(now, who)
    for _ in range(2):
        code, output, errors = await recovered(addresses)
        assert code == 0 and "recovered: " in output, errors
    assert not await mark.unfinished()


@pytest.mark.parametrize("words", [["recover"], ["recover", "--by", "sre-1"], ["bake"], []])
async def test_words_that_make_no_command_are_one_line_and_64(words: list[str]) -> None:
    """What is missing or unknown is named, and nothing is reached."""
    code, output, errors = await typed(*words)
    assert (code, output) == (64, "") and len(errors.splitlines()) == 1
