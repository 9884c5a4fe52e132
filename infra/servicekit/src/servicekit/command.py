"""The command line that all services share: `run`, `check`, `migrate`."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from servicekit.errors import DependencyAway
from servicekit.logs import configure_logs
from servicekit.process import EXIT_CLEAN, EXIT_DEPENDENCY_AWAY, Process
from servicekit.runtime import ROLES, Runtime
from servicekit.schema import SchemaOutdated, migrate
from servicekit.settings import ServiceSettings, settings_or_exit
from servicekit.units import Unit

S = TypeVar("S", bound=ServiceSettings)
U = TypeVar("U", bound=Unit)

# `begin` makes the runtime, `assemble` adds the service's own parts to it.
Begin = Callable[[S, Collection[str]], Runtime[U]]
Assemble = Callable[[S, Runtime[U]], Process]


@dataclass(frozen=True, slots=True)
class ServiceCommand:
    """A command that only one service has; `perform` returns the exit code.

    It may raise `DependencyAway`, which is 69 and one line.
    """

    name: str
    help: str
    describe: Callable[[argparse.ArgumentParser], None]
    perform: Callable[[argparse.Namespace, Runtime[Any]], Awaitable[int]]


def main(
    settings_type: type[S],
    begin: Begin[S, U],
    assemble: Assemble[S, U],
    own_commands: Sequence[ServiceCommand] = (),
) -> int:
    """Run one command; return 0 clean, 64 settings, 69 dependency away, 70 stopped itself.

    The service's own commands end with what they say.
    """
    arguments = _arguments(own_commands)
    settings = settings_or_exit(settings_type)
    roles = arguments.roles.split(",") if arguments.command == "run" else ROLES
    if unknown := set(roles) - ROLES:
        print(f"unknown roles: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 64
    own = {command.name: command for command in own_commands}
    return asyncio.run(_command(arguments, settings, begin, assemble, roles, own))


async def _command(
    arguments: argparse.Namespace,
    settings: S,
    begin: Begin[S, U],
    assemble: Assemble[S, U],
    roles: Collection[str],
    own: dict[str, ServiceCommand],
) -> int:
    # Clients belong to the event loop in which they are made, so nothing is made before it runs.
    runtime = begin(settings, roles)
    if arguments.command == "run":
        configure_logs(runtime.service, settings.instance_id)
        return await assemble(settings, runtime).run()
    try:
        if arguments.command == "migrate":
            for line in await migrate(runtime.database, runtime.schema, dry_run=arguments.dry_run):
                print(line)
            return EXIT_CLEAN
        if arguments.command in own:
            return await own[arguments.command].perform(arguments, runtime)
        return await _check(runtime)
    except DependencyAway as error:
        print(error, file=sys.stderr)
        return EXIT_DEPENDENCY_AWAY


async def _check(runtime: Runtime[U]) -> int:
    """Try everything that a start needs, change nothing, print a line each."""
    failed = False
    for name, check in (runtime.ready_checks() | {"kafka": runtime.check_kafka}).items():
        try:
            await check()
            print(f"{name}: ok")
        except (DependencyAway, SchemaOutdated) as error:
            failed = True
            print(f"{name}: {error}")
    return EXIT_DEPENDENCY_AWAY if failed else EXIT_CLEAN


def _arguments(own_commands: Sequence[ServiceCommand]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the service")
    run.add_argument("--roles", default=",".join(sorted(ROLES)), help="what this process does")
    commands.add_parser("check", help="try settings and dependencies, change nothing")
    change = commands.add_parser("migrate", help="make collections, indexes and validators")
    change.add_argument("--dry-run", action="store_true", help="print what would be done")
    for own in own_commands:
        own.describe(commands.add_parser(own.name, help=own.help))
    return parser.parse_args()
