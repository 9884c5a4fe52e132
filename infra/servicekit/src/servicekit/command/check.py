"""`check`: everything that a start needs is tried, nothing is changed, a line each is printed."""

from argparse import ArgumentParser

from servicekit.command.context import Command, Context
from servicekit.errors import DependencyAway
from servicekit.process import EXIT_CLEAN, EXIT_DEPENDENCY_AWAY
from servicekit.recovery import RecoverRequired
from servicekit.schema import SchemaOutdated


def _describe(parser: ArgumentParser) -> None:
    pass


async def _check(context: Context) -> int:
    runtime = context.runtime
    checks = runtime.ready_checks() | {"kafka": runtime.check_kafka} | runtime.outside_checks
    if runtime.own_topics.names:
        checks["own topics"] = runtime.check_own_topics
    failed = False
    for name, check in checks.items():
        try:
            print(f"{name}: {await check() or 'ok'}")
        except (DependencyAway, SchemaOutdated, RecoverRequired) as error:
            failed = True
            print(f"{name}: {error}")
    return EXIT_DEPENDENCY_AWAY if failed else EXIT_CLEAN


COMMAND = Command("check", "try settings and dependencies, change nothing", _describe, _check)
