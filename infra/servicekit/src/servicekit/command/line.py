"""Reads the command line and the settings, runs one command, returns the exit code."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from servicekit.command import check, migrate, recover, run, set_aside, switch
from servicekit.command.context import AloneCommand, Command, CommandRefused, Context
from servicekit.errors import ConsumerStopped, DependencyAway
from servicekit.process import EXIT_DEPENDENCY_AWAY, EXIT_STOPPED_ITSELF, Process
from servicekit.runtime import ROLES, Runtime
from servicekit.schema import SchemaOutdated
from servicekit.settings import EXIT_SETTINGS, ServiceSettings, settings_or_exit
from servicekit.units import Unit

S = TypeVar("S", bound=ServiceSettings)
U = TypeVar("U", bound=Unit)

# `begin` makes the runtime, `assemble` adds the service's own parts to it.
Begin = Callable[[S, Collection[str]], Runtime[U]]
Assemble = Callable[[S, Runtime[U]], Process]

COMMANDS: tuple[Command | AloneCommand, ...] = (
    run.COMMAND,
    check.COMMAND,
    migrate.COMMAND,
    recover.COMMAND,
    set_aside.COMMAND,
    switch.COMMAND,
)


class _Parser(argparse.ArgumentParser):
    """A wrong command line is one line and exit code 64, as wrong settings are."""

    def error(self, message: str) -> NoReturn:
        print(f"{message} (try --help)", file=sys.stderr)
        raise SystemExit(EXIT_SETTINGS)


def main(
    settings_type: type[S],
    begin: Begin[S, U],
    assemble: Assemble[S, U],
    own_commands: Sequence[Command | AloneCommand] = (),
) -> int:
    """Run one command; return 0 clean, 64 wrong input, 69 dependency away, 70 stopped itself.

    The service's own commands end with what they say.
    """
    commands = {command.name: command for command in (*COMMANDS, *own_commands)}
    arguments = _arguments(commands.values())
    command = commands[arguments.command]
    if isinstance(command, AloneCommand):
        return _alone(command, arguments)
    settings = settings_or_exit(settings_type)
    roles = arguments.roles.split(",") if arguments.command == "run" else ROLES
    if unknown := set(roles) - ROLES:
        print(f"unknown roles: {', '.join(sorted(unknown))}", file=sys.stderr)
        return EXIT_SETTINGS

    async def perform() -> int:
        # Clients belong to the event loop in which they are made, so nothing is made before it.
        runtime = begin(settings, roles)
        context = Context(arguments, runtime, lambda: assemble(settings, runtime))
        return await _perform(command, context)

    return asyncio.run(perform())


def _alone(command: AloneCommand, arguments: argparse.Namespace) -> int:
    try:
        return command.perform(arguments)
    except CommandRefused as refusal:
        print(refusal, file=sys.stderr)
        return EXIT_SETTINGS


async def _perform(command: Command, context: Context) -> int:
    try:
        return await command.perform(context)
    except CommandRefused as refusal:
        print(refusal, file=sys.stderr)
        return EXIT_SETTINGS
    except (DependencyAway, SchemaOutdated) as error:
        print(error, file=sys.stderr)
        return EXIT_DEPENDENCY_AWAY
    except ConsumerStopped as stopped:
        print(f"a person must act: {stopped}", file=sys.stderr)
        return EXIT_STOPPED_ITSELF


def _arguments(commands: Iterable[Command | AloneCommand]) -> Any:
    # `python -m payouts` runs …/payouts/__main__.py, which is how argparse would call it.
    parser = _Parser(prog=f"python -m {Path(sys.argv[0]).parent.name}")
    words = parser.add_subparsers(dest="command", required=True)
    for command in commands:
        command.describe(words.add_parser(command.name, help=command.help))
    return parser.parse_args()
