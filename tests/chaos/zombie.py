"""payouts is stopped between its note and its call, sleeps through two leases, and wakes up.

Meanwhile another instance finishes the work and a day passes at the provider, which has forgotten
all keys by then (`money.md` 6): only the zombie's own look at its lease keeps it from paying again.
"""

import asyncio
import time
from collections.abc import Callable

from infra.suite import ServiceProcess
from infra.suite.readings import eventually
from infra.suite.suite import QUICK_SETTINGS
from tests.chaos.findings import Finding
from tests.chaos.plan import Channel, PlannedCampaign
from tests.chaos.played import Played, play
from tests.chaos.rules import nobody_gets_more
from tests.world import Document, World

PLEDGES = 8
OPEN_SECONDS = 7.0
LEASES = 2
MORE_THAN_A_DAY_SECONDS = 25 * 3600
# How its try may end: refused a lease it has lost, or after a call, with what it cannot save.
ENDS = ("lease lost, left to its new holder", "work failed, tried again later")
NOTED = "transfer_sent"


async def wake_a_zombie(world: World) -> list[Finding]:
    """Play the story; return what the provider did twice.

    payouts' first instance must be slow before its calls, so that it is stopped in front of one.
    """
    met, missed = _campaign("met", reachable=True), _campaign("missed", reachable=False)
    for one in (met, missed):
        await world.launch_paid(one.campaign_id, one.rows, goal=one.goal, open_seconds=OPEN_SECONDS)
    account = await world.suite.provider.create_account()
    met.account = account["id"]
    await world.give_destination(met.campaign_id, account["id"])
    await _stopped_before_its_call(world, met)

    second = world.suite.instance("payouts", 2)
    await asyncio.to_thread(second.start)
    try:
        return await _woken(world, met, missed)
    finally:
        await asyncio.to_thread(second.stop)


def _campaign(name: str, *, reachable: bool) -> Played:
    planned = PlannedCampaign(
        f"zombie-{name}", 0.0, OPEN_SECONDS, PLEDGES, 0, reachable, Channel.TOPIC, (), (), ()
    )
    return play(planned)


async def _stopped_before_its_call(world: World, met: Played) -> None:
    def noted() -> bool:
        stage = _first_stage(world, met)
        return bool(stage and stage["attempts"] and stage["attempts"][-1]["state"] == NOTED)

    await _soon("payouts has noted a transfer", noted)
    await asyncio.to_thread(world.suite.services["payouts"].pause)
    book = await world.suite.provider.book()
    assert not book["transfers"], "it was stopped too late: the transfer is made already"


async def _woken(world: World, met: Played, missed: Played) -> list[Finding]:
    """Let the second instance finish, a day pass, and the first one go on where it was stopped."""
    first = world.suite.services["payouts"]
    stopped_at = time.monotonic()
    await _soon("the stage is paid by another", lambda: _state(world, met) == "paid")
    await eventually("everything is returned by another", lambda: _returned(world, missed))
    lease = float(QUICK_SETTINGS["payouts"]["LEASE_SECONDS"])
    await asyncio.sleep(max(0.0, LEASES * lease + 1 - (time.monotonic() - stopped_at)))
    await world.suite.provider.advance_clock(MORE_THAN_A_DAY_SECONDS)
    await asyncio.to_thread(first.resume)
    item = f"stage/{met.campaign_id}/stage-1"
    await _soon("the zombie's try ends", lambda: any(_said(first, end, item) for end in ENDS))
    return list(nobody_gets_more(await world.suite.provider.book(), [met, missed]))


async def _soon(what: str, is_so: Callable[[], bool]) -> None:
    async def look() -> bool:
        return is_so()

    await eventually(what, look)


def _first_stage(world: World, met: Played) -> Document | None:
    return world.document("payouts", "stages", f"{met.campaign_id}/stage-1")


def _state(world: World, met: Played) -> str | None:
    stage = _first_stage(world, met)
    return stage["state"] if stage else None


async def _returned(world: World, missed: Played) -> bool:
    charges = (await world.suite.provider.book())["charges"].values()
    ours = [c for c in charges if c["metadata"]["campaign_id"] == missed.campaign_id]
    return bool(sum(charge["refunded"] for charge in ours) == missed.total)


def _said(service: ServiceProcess, *words: str) -> bool:
    lines = service.log.read_text().splitlines()
    return any(all(word in line for word in words) for line in lines)
