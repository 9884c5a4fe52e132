"""A short run of one seed, on real Kafka and MongoDB; `make chaos` runs others, and longer."""

from pathlib import Path

import pytest

from infra.native import NativeStack
from infra.suite import Suite
from tests.chaos.plan import plan_of
from tests.chaos.run import run_chaos
from tests.world import opened

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(420)]

# Of the first plans the one that breaks most in so short a time, a double that is killed included;
# what a longer one breaks, a restored database among it, is for `make chaos`.
SEED, SECONDS = 84, 12.0


@pytest.mark.row("S4")
@pytest.mark.row("S9")
@pytest.mark.row("S13")
async def test_a_disturbed_suite_loses_no_money_and_no_notice(
    breakable_stack: NativeStack, tmp_path: Path
) -> None:
    """Whatever is killed, stopped or said again under load: every rule holds, at last all."""
    said: list[str] = []
    suite = Suite(tmp_path, breakable_stack.addresses, seed=SEED)
    async with opened(suite) as world:
        report = await run_chaos(plan_of(SEED, SECONDS), world, breakable_stack, said.append)
    assert not report.findings, "\n".join([f"seed {SEED}", *map(str, report.findings), *said])
    assert report.figures["faults"] > 0 and report.figures["repeats"] > 0
