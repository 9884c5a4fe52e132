"""`python -m infra.bench [NAME …]`: what the suite costs beside the raw limit of the same bytes."""

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
from aiokafka.errors import KafkaError
from pymongo.errors import PyMongoError
from rich.console import Console

from infra.bench import (
    fact_to_effect,
    fan_out,
    intake,
    mails,
    notices,
    rebuild,
    refund_pace,
    refund_run,
    report,
)
from infra.bench.calls import CallRefused
from infra.bench.ground import Ground
from infra.bench.measurement import Measurement
from infra.native import NativeStack, NativeStackError
from infra.native.folders import state_folder
from infra.suite.readings import NeverHappened

EXIT_WRONG = 1
EXIT_UNAVAILABLE = 69
EXIT_INTERRUPTED = 130

Options = argparse.Namespace
MEASUREMENTS: dict[str, Callable[[Ground, Options], Awaitable[Measurement]]] = {
    "fan-out": lambda ground, o: fan_out.measure(ground, o.backers, o.rounds),
    "mails": lambda ground, o: mails.measure(ground, o.mails, o.rounds),
    "notices": lambda ground, o: notices.measure(ground, o.notices, o.rounds),
    "refunds-planned": lambda ground, o: refund_run.measure(ground, o.refunds, o.rounds),
    "refund-pace": lambda ground, o: refund_pace.measure(ground, o.returned, o.rounds),
    "intake-topic": lambda ground, o: intake.measure_topic(ground, o.payments, o.rounds),
    "intake-http": lambda ground, o: intake.measure_http(ground, o.calls, o.rounds),
    "rebuild": lambda ground, o: rebuild.measure(ground, o.facts, o.rounds),
    "fact-to-effect": lambda ground, o: fact_to_effect.measure(
        ground, o.commands, o.rate, o.rounds
    ),
}


def main(arguments: list[str]) -> int:
    """Measure; 0 if every figure agrees, whatever the ratios, 1 if one differs, 69 without servers.

    A missed target is shown and changes no exit code: machines differ, and noise is no error.
    """
    options = _options(arguments)
    measurements: list[Measurement] = []
    try:
        asyncio.run(_measure(options, measurements))
    except (NeverHappened, CallRefused) as stop:
        return _refuse(stop, EXIT_WRONG)
    except subprocess.CalledProcessError as error:
        return _refuse(f"a service's command ended with {error.returncode}", EXIT_UNAVAILABLE)
    except (NativeStackError, KafkaError, PyMongoError, httpx.HTTPError) as error:
        return _refuse(error, EXIT_UNAVAILABLE)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    report.show(Console(), measurements)
    print(f"written to {options.output}")
    return 0 if all(one.is_correct for one in measurements) else EXIT_WRONG


async def _measure(options: Options, measurements: list[Measurement]) -> None:
    """Measure on a stack of our own: others' servers would not show what they use.

    What is measured is written at once: whatever stops the next one, it is not lost.
    """
    state_folder().mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=state_folder()))
    try:
        async with NativeStack(folder, measured=True) as stack:
            ground = Ground(stack, folder)
            for name in dict.fromkeys(options.names or MEASUREMENTS):
                print(f"measuring {name} …", file=sys.stderr)
                measurements.append(await MEASUREMENTS[name](ground, options))
                report.write(options.output, measurements)
    except BaseException:
        if options.keep:
            print(f"logs are kept below {folder}", file=sys.stderr)
        raise
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def _refuse(reason: Exception | str, status: int) -> int:
    print(str(reason) or repr(reason), file=sys.stderr)
    return status


def _options(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m infra.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASUREMENTS)}")
    for name, default, meaning in (
        ("--backers", 100_000, "people who are told of an update"),
        ("--mails", 3_000, "people who are written to"),
        ("--notices", 20_000, "backers who are told of their own refund"),
        ("--refunds", 20_000, "backers of the missed campaign"),
        ("--returned", 2_000, "backers whose money goes back as fast as the provider takes it"),
        ("--payments", 20_000, "backers whose payments come by topic"),
        ("--calls", 4_000, "backers whose payments come by HTTP"),
        ("--facts", 50_000, "facts that a projection is rebuilt from"),
        ("--commands", 3_000, "commands at a steady pace"),
        ("--rate", 500, "commands a second"),
        ("--rounds", 3, "repetitions of each"),
    ):
        parser.add_argument(name, type=_positive, default=default, help=f"{meaning} ({default})")
    parser.add_argument("--output", type=Path, default=state_folder() / "bench.json")
    parser.add_argument("--keep", action="store_true", help="keep data and logs")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(MEASUREMENTS):
        parser.error(f"{', '.join(sorted(unknown))}: choose of {', '.join(MEASUREMENTS)}")
    return options


def _positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
