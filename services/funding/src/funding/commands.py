"""What funding can be asked on the command line beyond what every service can."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from funding.domain.backer_report import FORMATS, format_of
from funding.domain.errors import Refused
from funding.handlers.import_pledges import ImportPledges, import_pledges
from funding.handlers.release import release
from funding.ports import FundingUnit
from servicekit.clock import Clock
from servicekit.command import CommandRefused
from servicekit.command.context import one_who_acts
from servicekit.units import UnitsOfWork

RELEASED = 0
IMPORTED = 0
REFUSED_ROWS = 1


def describe_release(parser: ArgumentParser) -> None:
    parser.add_argument("--campaign", metavar="ID", required=True)
    one_who_acts(parser)


def describe_import(parser: ArgumentParser) -> None:
    parser.add_argument("--campaign", metavar="ID", required=True)
    parser.add_argument("--file", metavar="CSV", required=True)
    parser.add_argument("--format", choices=sorted(FORMATS), default="own")
    parser.add_argument(
        "--column",
        metavar="FIELD=COLUMN",
        action="append",
        default=[],
        help="the column of a field, where it differs from the format's; may be repeated",
    )
    parser.add_argument("--write", action="store_true", help="without it nothing is written")
    parser.add_argument("--with-errors", action="store_true", help="write beside refused rows")


def _text(file: str) -> str:
    return Path(file).read_text(encoding="utf-8-sig")


async def perform_import(arguments: Namespace, units: UnitsOfWork[FundingUnit]) -> int:
    """Print every refused row and the sums; `REFUSED_ROWS` where a row was refused."""
    columns = dict(one.partition("=")[::2] for one in arguments.column)
    try:
        text = _text(arguments.file)
        form = format_of(arguments.format, columns)
        command = ImportPledges(
            arguments.campaign, text, form, arguments.write, arguments.with_errors
        )
        imported = await import_pledges(units, command)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandRefused(f"{arguments.file} cannot be read: {error}") from None
    except Refused as refusal:
        raise CommandRefused(refusal.detail) from None
    for row in imported.rows:
        if row.outcome == "refused":
            print(f"line {row.line}, {row.pledge_id}: {row.reason}: {row.detail}")
    if imported.contact:
        print(f"not read, for notifier: {', '.join(imported.contact)}")
    if imported.ignored:
        print(f"not read: {', '.join(imported.ignored)}")
    sums = ", ".join(f"{imported.count(one)} {one}" for one in ("new", "known", "refused"))
    print(f"{sums}; {'written' if imported.written else 'nothing is written'}")
    return REFUSED_ROWS if imported.count("refused") else IMPORTED


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
