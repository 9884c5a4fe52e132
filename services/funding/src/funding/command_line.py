"""The commands of funding's own, and what each of them is given of a service put together."""

from funding.commands import describe_import, describe_release, perform_import, perform_release
from servicekit.command import Command, Context


async def _release(context: Context) -> int:
    await context.runtime.clock.synchronise()
    return await perform_release(context.arguments, context.runtime.units, context.runtime.clock)


async def _import(context: Context) -> int:
    await context.runtime.clock.synchronise()
    return await perform_import(context.arguments, context.runtime.units)


COMMANDS = (
    Command(
        "import-pledges",
        "judge a backer report row by row, and write its pledges where that is asked for",
        describe_import,
        _import,
    ),
    Command(
        "release",
        "let a campaign decide that a recovery left to a person; see it put right first",
        describe_release,
        _release,
    ),
)
