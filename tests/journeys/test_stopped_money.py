"""Operators stop the money of a campaign, look, and let it go on."""

import asyncio
import subprocess

import pytest

from infra.suite.readings import eventually
from tests.world import World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def switch(world: World, *words: str) -> str:
    command = world.suite.services["payouts"].command("switch", *words)
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.row("S13")
async def test_stopped_money_waits_says_why_and_goes_on(world: World) -> None:
    """Given a stopped campaign, its refunds wait with the reason; turned off, all go back once."""
    rows = backers("stopped", 10)
    who = ("--campaign", "stopped", "--by", "sre-1", "--why", "looks odd")
    with pytest.raises(AssertionError, match="payouts has not heard of a campaign stopped"):
        await switch(world, "on", "stop-money", *who)
    await switch(world, "on", "stop-money", "--unknown-campaign", *who)
    await world.launch_paid("stopped", rows, goal=10_000_000, open_seconds=3)
    await world.verdict("stopped")

    async def all_say_why() -> bool:
        refunds = await world.look.pages("payouts", "/campaigns/stopped/refunds")
        reasons = [refund["reason"] or "" for refund in refunds]
        said = [one for one in reasons if one.startswith("money is stopped by sre-1 since")]
        return len(said) == len(rows)

    await eventually("every refund says who stopped it", all_say_why)
    charges = (await world.suite.provider.book())["charges"].values()
    ours = [one for one in charges if one["metadata"].get("campaign_id") == "stopped"]
    assert len(ours) == len(rows) and all(one["refunded"] == 0 for one in ours)
    assert "on   stop-money for stopped by sre-1" in await switch(world, "list")

    await switch(world, "off", "stop-money", *who)
    await world.refunded("stopped", rows)
    await world.assert_provider_returned("stopped", rows)
    world.assert_books_true()
    with world.database("payouts") as database:
        acts = list(database["audit"].find({"what.campaign": "stopped"}).sort("at", 1))
    assert [(act["command"], act["outcome"]) for act in acts] == [
        ("switch on", "on"),
        ("switch off", "off"),
    ]
