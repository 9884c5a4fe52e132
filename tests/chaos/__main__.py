"""`python -m tests.chaos [--seed N] [--seconds S]`: break a suite by a seed's plan."""

import argparse
import asyncio
import json
import logging
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

from infra.native import NativeStack
from infra.native.folders import state_folder
from infra.suite import Suite
from tests.chaos.plan import Plan, plan_of
from tests.chaos.planting import run_all_planted
from tests.chaos.run import Report, run_chaos
from tests.world import opened

EXIT_STOOD = 0
EXIT_FELL = 1
SECONDS = 300.0
LARGEST_SEED = 10_000


def main(arguments: list[str]) -> int:
    """Run one seed; 0 if the suite stood it, 1 if not."""
    options = _options(arguments)
    # Our own readers say of every outage that it is one.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    plan = plan_of(options.seed, options.seconds, options.nodes)
    if options.plan:
        print("\n".join(plan.lines()))
        return EXIT_STOOD
    if options.planted:
        return _bite()
    state_folder().mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir=state_folder()))
    print(f"seed {plan.seed}, {plan.seconds:g} s", file=sys.stderr, flush=True)
    began = time.monotonic()
    with NativeStack(folder, brokers=plan.nodes, mongods=plan.nodes, proxied=True) as stack:
        report = asyncio.run(_play(plan, folder, stack, began))
    return _tell(plan, report, folder)


async def _play(plan: Plan, folder: Path, stack: NativeStack, began: float) -> Report:
    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {line}", file=sys.stderr, flush=True)

    async with opened(Suite(folder / "suite", stack.addresses, seed=plan.seed)) as world:
        return await run_chaos(plan, world, stack, say)


def _bite() -> int:
    """Run every planted bug and print what found it; 0 if each was found as it must be."""
    with tempfile.TemporaryDirectory(prefix="planted-") as name:
        folder = Path(name)
        with NativeStack(folder, proxied=True) as stack:
            results = asyncio.run(
                run_all_planted(folder, stack, lambda line: print(f"  {line}", flush=True))
            )
    for bug, rule, found in results:
        print(f"{'found ' if found == {rule} else 'MISSED'} {bug}: must be {rule}, was {found}")
    return EXIT_STOOD if all(found == {rule} for _, rule, found in results) else EXIT_FELL


def _tell(plan: Plan, report: Report, folder: Path) -> int:
    """Print what was found, how to repeat it, and one JSON object as the last line."""
    for finding in report.findings:
        print(f"FOUND {finding}", file=sys.stderr)
    if report.findings:
        again = f"make chaos SEED={plan.seed} ARGUMENTS='{_arguments(plan)}'"
        print(f"Logs and data are kept below {folder}; again with: {again}", file=sys.stderr)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    found = [str(finding) for finding in report.findings]
    summary = {
        "seed": plan.seed,
        "seconds": plan.seconds,
        "nodes": plan.nodes,
        "found": found,
        **report.figures,
    }
    print(json.dumps(summary), flush=True)
    return EXIT_FELL if report.findings else EXIT_STOOD


def _arguments(plan: Plan) -> str:
    nodes = f" --nodes {plan.nodes}" if plan.nodes > 1 else ""
    return f"--seconds {plan.seconds:g}{nodes}"


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(LARGEST_SEED))
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long things break")
    parser.add_argument(
        "--nodes", type=int, choices=(1, 3), default=1, help="how many brokers, and mongods"
    )
    parser.add_argument(
        "--planted", action="store_true", help="plant bugs, one after the other, and find each"
    )
    parser.add_argument("--plan", action="store_true", help="print what breaks when, do nothing")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
