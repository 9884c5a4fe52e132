"""`run`: the service itself, until it is told to stop."""

from argparse import ArgumentParser

from servicekit.command.context import Command, Context
from servicekit.logs import configure_logs
from servicekit.runtime import ROLES


def _describe(parser: ArgumentParser) -> None:
    parser.add_argument("--roles", default=",".join(sorted(ROLES)), help="what this process does")


async def _run(context: Context) -> int:
    configure_logs(context.runtime.service, context.runtime.settings.instance_id)
    return await context.assemble().run()


COMMAND = Command("run", "run the service", _describe, _run)
