"""What funding can be asked on the command line beyond what every service can."""

from argparse import ArgumentParser, Namespace

from funding.domain.errors import Refused
from funding.handlers.release import release
from funding.ports import FundingUnit
from servicekit.clock import Clock
from servicekit.command import CommandRefused
from servicekit.command.context import one_who_acts
from servicekit.units import UnitsOfWork

RELEASED = 0


def describe_release(parser: ArgumentParser) -> None:
    parser.add_argument("--campaign", metavar="ID", required=True)
    one_who_acts(parser)


async def perform_release(
    arguments: Namespace, units: UnitsOfWork[FundingUnit], clock: Clock
) -> int:
    """Release the campaign, or say why not."""
    campaign_id, by, why = arguments.campaign, arguments.by, arguments.why
    try:
        await units.run(lambda unit: release(unit, campaign_id, by, why, clock.now()))
    except Refused as refusal:
        raise CommandRefused(refusal.detail) from None
    print(f"{campaign_id} is released: it decides by its own figures")
    return RELEASED
