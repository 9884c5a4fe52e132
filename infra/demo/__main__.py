"""`python -m infra.demo demo | up | down | status`."""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from aiokafka.errors import KafkaError
from pymongo.errors import PyMongoError
from rich.console import Console

from infra.demo import standing
from infra.demo.figures import all_agree
from infra.demo.given import GivenCampaign, GivenRefused, read_campaign, read_pledges
from infra.demo.story import Outcome, Story
from infra.demo.telling import NothingMoves, Telling
from infra.demo.tidying import forget
from infra.kafka import TopicsRefused
from infra.native import Addresses, NativeStack, NativeStackError, given_addresses
from infra.native.folders import REPOSITORY, state_folder
from infra.suite import Suite
from infra.suite.checkout import PledgeRow
from infra.suite.readings import NeverHappened
from infra.suite.suite import QUICK_SETTINGS

EXIT_DIFFERS = 1
EXIT_USAGE = 64
EXIT_UNAVAILABLE = 69
EXIT_INTERRUPTED = 130
EXAMPLES = REPOSITORY / "examples"
STANDING = {"up": standing.up, "down": standing.down, "status": standing.status}


def main(arguments: list[str]) -> int:
    """Run one command.

    0 only if every figure agrees, 1 if one differs or nothing moves any more, 64 for input that
    cannot be used, 69 for a part that does not start or answer.
    """
    options = _options(arguments)
    try:
        if options.command == "demo":
            return _demo(options)
        return asyncio.run(STANDING[options.command]())
    except GivenRefused as refusal:
        return _refuse(refusal, EXIT_USAGE)
    except (NothingMoves, NeverHappened) as stop:
        return _refuse(stop, EXIT_DIFFERS)
    except subprocess.CalledProcessError as error:
        # The command holds addresses with passwords; the service itself said what it lacks.
        return _refuse(f"a service's command ended with {error.returncode}", EXIT_UNAVAILABLE)
    except (NativeStackError, TopicsRefused, KafkaError, PyMongoError, httpx.HTTPError) as error:
        return _refuse(error, EXIT_UNAVAILABLE)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _refuse(reason: Exception | str, status: int) -> int:
    print(str(reason) or repr(reason), file=sys.stderr)
    return status


def _demo(options: argparse.Namespace) -> int:
    campaign = read_campaign(options.campaign)
    rows = read_pledges(options.pledges, campaign)
    telling = Telling(Console(stderr=True), campaign.currency)
    began = time.monotonic()
    state_folder().mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir=state_folder()))
    try:
        outcome = _on_stack(folder, options.seed, campaign, rows, telling)
    except Exception:
        telling.say(f"It stopped; the logs of all processes are kept below {folder}")
        raise
    except BaseException:  # Stopped by hand: nobody asks why.
        shutil.rmtree(folder, ignore_errors=True)
        raise
    telling.figures(outcome.figures)
    agree = all_agree(outcome.figures)
    if agree:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        telling.say(f"Figures differ; the logs of all processes are kept below {folder}")
    print(_summary(outcome, time.monotonic() - began), flush=True)
    return 0 if agree else EXIT_DIFFERS


def _on_stack(
    folder: Path, seed: int, campaign: GivenCampaign, rows: list[PledgeRow], telling: Telling
) -> Outcome:
    async def play(addresses: Addresses) -> Outcome:
        telling.say("Starting the sandboxes of payments and mail, and four services …")
        # The sandbox keeps a balance in whatever it was paid in.
        settled = {"SETTLEMENT_CURRENCIES": campaign.currency}
        settings = QUICK_SETTINGS | {"funding": QUICK_SETTINGS["funding"] | settled}
        suite = Suite(folder / "suite", addresses, seed=seed, settings=settings, mail=True)
        async with suite:
            outcome = await Story(suite, campaign, rows, telling).play()
        if given is not None and all_agree(outcome.figures):
            await forget(suite)
        return outcome

    given = given_addresses()
    if given is not None:
        return asyncio.run(play(given))
    telling.say("Starting Kafka and MongoDB; the first time they are fetched …")
    with NativeStack(folder) as stack:
        return asyncio.run(play(stack.addresses))


def _summary(outcome: Outcome, seconds: float) -> str:
    """Return the last line: one JSON object, amounts in minor units."""
    figures = outcome.figures
    return json.dumps(
        {
            "agree": all_agree(figures),
            "differ": [figure.name for figure in figures if not figure.agrees],
            "figures": {
                f"{one.name} ({one.one_side}, {one.other_side})": [one.one, one.other]
                for one in figures
            },
            "killed": outcome.killed,
            "seconds": round(seconds, 1),
        }
    )


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
