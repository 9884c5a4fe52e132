"""An abandoned attempt that wakes up pays nothing; without its look at the lease it would."""

from pathlib import Path

import pytest

from infra.native import Addresses
from tests.chaos.planted_suite import PlantedSuite
from tests.chaos.planting import LEASE_IGNORED
from tests.chaos.zombie import wake_a_zombie
from tests.world import opened

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]


@pytest.mark.trap(21)
@pytest.mark.row("S9")
@pytest.mark.row("S13")
async def test_a_zombie_payouts_pays_nothing_twice(native_stack: Addresses, tmp_path: Path) -> None:
    """Stopped in front of its calls through two leases and a day of the provider: not a cent."""
    suite = PlantedSuite(tmp_path, native_stack, {"payouts-1": "slow_before_calls"})
    async with opened(suite, "funding", "payouts") as world:
        findings = await wake_a_zombie(world)
        assert findings == []
        world.assert_books_true()


async def test_a_zombie_that_ignores_its_lease_is_found(
    native_stack: Addresses, tmp_path: Path
) -> None:
    """Without its look at the lease the stage is paid twice, which the rules see."""
    suite = PlantedSuite(tmp_path, native_stack, {"payouts-1": LEASE_IGNORED})
    async with opened(suite, "funding", "payouts") as world:
        findings = await wake_a_zombie(world)
    assert {finding.rule for finding in findings} == {"paid-twice"}
