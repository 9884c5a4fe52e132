"""`python -m infra.demo demo | up | down | status`."""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from infra.demo.figures import Figure, all_agree
from infra.demo.given import GivenCampaign, GivenRefused, read_campaign, read_pledges
from infra.demo.story import Story
from infra.native import Addresses, NativeStack, NativeStackError, given_addresses
from infra.native.folders import REPOSITORY, state_folder
from infra.suite import Suite
from infra.suite.checkout import PledgeRow

EXIT_DIFFERS = 1
EXIT_USAGE = 64
EXAMPLES = REPOSITORY / "examples"


def main(arguments: list[str]) -> int:
    """Run one command; 0 only if everything agrees, 64 for input that cannot be used."""
    options = _options(arguments)
    console = Console(stderr=True)
    try:
        if options.command == "demo":
            return _demo(options, console)
        return asyncio.run({"up": _up, "down": _down, "status": _status}[options.command]())
    except (GivenRefused, NativeStackError) as refusal:
        print(refusal, file=sys.stderr)
        return EXIT_USAGE if isinstance(refusal, GivenRefused) else 69


def _demo(options: argparse.Namespace, console: Console) -> int:
    campaign = read_campaign(options.campaign)
    rows = read_pledges(options.pledges, campaign)
    folder = Path(tempfile.mkdtemp(prefix="sosst-demo-"))
    try:
        console.print("• Starting Kafka, MongoDB, the payment sandbox and four services …")
        given = given_addresses()
        if given is not None:
            figures = asyncio.run(_play(folder, given, options, campaign, rows, console))
        else:
            with NativeStack(folder) as stack:
                figures = asyncio.run(
                    _play(folder, stack.addresses, options, campaign, rows, console)
                )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    console.print(_table(figures))
    agree = all_agree(figures)
    print(json.dumps({"agree": agree, "figures": {f.name: [f.one, f.other] for f in figures}}))
    return 0 if agree else EXIT_DIFFERS


async def _play(
    folder: Path,
    addresses: Addresses,
    options: argparse.Namespace,
    campaign: GivenCampaign,
    rows: list[PledgeRow],
    console: Console,
) -> list[Figure]:
    async with Suite(folder / "suite", addresses, seed=options.seed) as suite:
        return await Story(suite, campaign, rows, console).play()


def _table(figures: list[Figure]) -> Table:
    table = Table(title="Every figure from two sides", title_justify="left")
    for column in ("figure", "one side", "", "other side", "", ""):
        table.add_column(column, justify="right" if not column else "left")
    for one in figures:
        verdict = "[green]agrees[/]" if one.agrees else "[red]differs[/]"
        table.add_row(
            one.name, one.one_side, f"{one.one:,}", one.other_side, f"{one.other:,}", verdict
        )
    return table


def _kept() -> tuple[NativeStack | None, Addresses | None]:
    given = given_addresses()
    return (None, given) if given else (NativeStack(detached=True), None)


async def _up() -> int:
    stack, addresses = _kept()
    if stack is not None:
        for server in (stack.mongodb, stack.kafka):
            if server.process is None:
                await asyncio.to_thread(server.start)
        addresses = stack.addresses
    assert addresses is not None
    suite = Suite(state_folder() / "suite", addresses, detached=True)
    await suite.start_missing()
    print(addresses.exports())
    for name, service in suite.services.items():
        print(f"{name:9} {service.url}/docs   health {service.health_url}/metrics")
    print(f"sandbox   {suite.sandbox.url}")
    print("Stop it with: make down")
    return 0


async def _down() -> int:
    stack, addresses = _kept()
    folder = state_folder() / "suite"
    if folder.exists():
        await Suite(folder, addresses or Addresses("", ""), detached=True).stop()
    if stack is not None:
        await asyncio.to_thread(stack.stop)
    return 0


async def _status() -> int:
    folder = state_folder() / "suite"
    if not folder.exists():
        print("nothing was started with make up")
        return 3
    suite = Suite(folder, Addresses("", ""), detached=True)
    for process in (suite.sandbox, *suite.services.values()):
        found = process.process
        print(f"{process.name:16} {f'process {found.process_id}' if found else 'not running'}")
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="play the story and compare every figure")
    demo.add_argument("--campaign", type=Path, default=EXAMPLES / "campaign.json")
    demo.add_argument("--pledges", type=Path, default=EXAMPLES / "pledges.csv")
    demo.add_argument("--seed", type=int, default=0, help="seed of the sandbox's draws")
    commands.add_parser("up", help="start everything and keep it running")
    commands.add_parser("down", help="stop what up started")
    commands.add_parser("status", help="say what runs")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
