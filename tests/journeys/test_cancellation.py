"""A campaign is cancelled after its goal was met: what is left goes back by shares, to the cent."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from infra.suite.checkout import PledgeRow
from infra.suite.readings import eventually
from tests.journeys.test_stages import FIRST_STAFF, SECOND_STAFF, stage_due
from tests.world import CREATOR, World, assert_everybody_told_once

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXAMPLE = {"a": 10_001, "b": 4_999, "c": 3_333}
AFTER_ONE = {"a": 8_001, "b": 3_999, "c": 2_667}
AFTER_TWO = {"a": 5_001, "b": 2_500, "c": 1_667}
REASON = {"reason": "The workshop burnt down."}


def rows(name: str) -> list[PledgeRow]:
    """Return the worked example's pledges (`money.md` 4)."""
    return [
        PledgeRow(f"{name}-pledge-{one}", f"{name}-backer-{one}", amount, "EUR")
        for one, amount in EXAMPLE.items()
    ]


async def second_stage_due(world: World, name: str) -> Callable[[], Awaitable[int]]:
    """Given a paid first stage and a due second one; return what approves it."""
    await world.launch_paid(name, rows(name), goal=sum(EXAMPLE.values()), open_seconds=4)
    account = await world.suite.provider.create_account()
    await world.give_destination(name, account["id"])
    await world.stage_is(name, 1, "paid")
    path, approval = await stage_due(world, name, 2)

    async def approve() -> int:
        given = await world.look.ask("POST", "payouts", path, caller=SECOND_STAFF, body=approval)
        return given.status_code

    return approve


async def cancel(world: World, name: str) -> None:
    path = f"/campaigns/{name}/cancellation"
    by_creator = await world.look.ask("POST", "funding", path, caller=CREATOR, body=REASON)
    assert by_creator.status_code == 409
    for _ in range(2):
        ended = await world.look.ask("POST", "funding", path, caller=FIRST_STAFF, body=REASON)
        assert ended.status_code == 200, ended.text


async def returned(world: World, name: str) -> dict[str, int]:
    """Return what the provider's own book says went back, by pledge."""
    charges = (await world.suite.provider.book())["charges"].values()
    ours = [one for one in charges if one["metadata"].get("campaign_id") == name]
    return {one["metadata"]["pledge_id"].rpartition("-")[2]: one["refunded"] for one in ours}


async def assert_ended(world: World, name: str, shares: dict[str, int]) -> None:
    """Provider's book and ours are one, and everybody was told of the end and of the money."""
    await world.refunded(name, rows(name))
    assert await returned(world, name) == shares
    money = await world.look.get("payouts", f"/campaigns/{name}/money")
    assert money is not None
    paid = sum(EXAMPLE.values()) - sum(shares.values())
    figures = (money["held"], money["refunding"], money["refunded"], money["paid"])
    assert figures == (0, 0, sum(shares.values()), paid)
    refunds = await world.look.pages("payouts", f"/campaigns/{name}/refunds")
    unpaid = {one["pledge_id"].rpartition("-")[2]: one["unpaid"] for one in refunds}
    assert unpaid == {one: amount - shares[one] for one, amount in EXAMPLE.items()}
    await world.told(name, "campaign-cancelled", name)

    async def told_of_the_money() -> bool:
        causes = [f"refund-succeeded/{one['refund_id']}" for one in refunds]
        told = await world.notifications()
        return all(len(told[cause]) == 1 for cause in causes)

    await eventually("each backer is told of the money", told_of_the_money)
    people = [row.backer_id for row in rows(name)]
    assert_everybody_told_once((await world.notifications())[f"campaign-cancelled/{name}"], people)

    async def shown() -> bool:
        project = await world.look.get("updates", f"/campaigns/{name}")
        shown = (project or {"figures": {}})["figures"]
        wanted = {"held": 0, "refunded": sum(shares.values()), "paid": paid, "fees": 0}
        return wanted.items() <= shown.items()

    await eventually("the project view shows it", shown)
    world.assert_books_true()


@pytest.mark.row("S15")
@pytest.mark.row("S9")
@pytest.mark.trap(21)
@pytest.mark.parametrize(
    ("fault", "shares"), [("unavailable_before", AFTER_ONE), ("timeout_after", AFTER_TWO)]
)
async def test_cancelled_while_a_transfer_is_on_its_way_and_killed_in_the_run(
    world: World, fault: str, shares: dict[str, int]
) -> None:
    """Given stage two in flight and payouts killed in the run, everybody gets the share, once."""
    name = f"cancelled-{fault.replace('_', '-')}"
    approve = await second_stage_due(world, name)
    await world.suite.provider.order_fault(fault, "transfers.create", count=1, hang_seconds=5)
    await world.suite.provider.order_fault("rate_limited", "refunds.create")
    assert await approve() == 200
    await world.stage_is(name, 2, "submitted")

    await cancel(world, name)

    await world.refund_is(name, "submitted")
    await asyncio.to_thread(world.suite.services["payouts"].kill)
    await world.suite.provider.http.delete("/control/faults")
    await asyncio.to_thread(world.suite.services["payouts"].start)
    await assert_ended(world, name, shares)
    made = "cancelled" if shares is AFTER_ONE else "paid"
    await world.stage_is(name, 2, made)
    await world.stage_is(name, 3, "cancelled")


@pytest.mark.row("S15")
@pytest.mark.row("S9")
async def test_a_cancellation_races_an_approval(world: World) -> None:
    """Given both at the same time, the second stage is the creator's or the backers', not both."""
    name = "cancelled-race"
    approve = await second_stage_due(world, name)

    status, _ = await asyncio.gather(approve(), cancel(world, name))

    stage = await eventually("the second stage is over", lambda: second_over(world, name))
    assert status in (200, 409)
    await assert_ended(world, name, AFTER_TWO if stage == "paid" else AFTER_ONE)


async def second_over(world: World, name: str) -> str | None:
    found = await world.look.get("payouts", f"/campaigns/{name}/stages")
    states = [stage["state"] for stage in found["stages"]] if found else []
    return states[1] if len(states) > 1 and states[1] in ("paid", "cancelled") else None
