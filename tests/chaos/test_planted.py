"""The checker bites: each planted bug is found, and by the rule that must find it."""

from pathlib import Path

import pytest

from infra.native import NativeStack
from tests.chaos.planting import PLANTED, Planted, run_planted

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.bug)
async def test_a_planted_bug_is_found(
    breakable_stack: NativeStack, tmp_path: Path, planted: Planted
) -> None:
    """A plan that makes the bug show ends with the finding it must have, and with no other."""
    said: list[str] = []
    report = await run_planted(planted, tmp_path, breakable_stack, said.append)
    assert report.rules == {planted.rule}, "\n".join([*map(str, report.findings), *said])
