"""`migrate`: collections, indexes and validators; the only thing that makes them."""

from argparse import ArgumentParser

from servicekit.command.context import Command, Context
from servicekit.process import EXIT_CLEAN
from servicekit.schema import migrate


def _describe(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="print what would be done")


async def _migrate(context: Context) -> int:
    runtime, dry_run = context.runtime, context.arguments.dry_run
    for line in await migrate(runtime.database, runtime.schema, dry_run=dry_run):
        print(line)
    return EXIT_CLEAN


COMMAND = Command("migrate", "make collections, indexes and validators", _describe, _migrate)
