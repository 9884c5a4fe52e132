"""Banks take pledges back: while they are refunded, and after the creator was paid."""

import asyncio
from typing import Any

import pytest

from infra.suite.readings import eventually
from tests.journeys.test_stages import SECOND_STAFF, ask, stage_paid
from tests.journeys.test_stopped_money import switch
from tests.world import World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

FEE = 2_000


async def charge_of(world: World, pledge_id: str) -> str:
    charges = (await world.suite.provider.book())["charges"]
    [found] = [c for c, one in charges.items() if one["metadata"].get("pledge_id") == pledge_id]
    return str(found)


async def dispute_is(world: World, campaign_id: str, dispute_id: str, state: str) -> dict[str, Any]:
    """Wait until payouts has followed the bank so far."""

    async def reached() -> dict[str, Any] | None:
        found = await world.look.get("payouts", f"/campaigns/{campaign_id}/disputes")
        items = found["items"] if found else []
        return next(
            (one for one in items if (one["dispute_id"], one["state"]) == (dispute_id, state)), None
        )

    return await eventually(f"dispute {dispute_id} is {state}", reached)


async def refunds_are(world: World, campaign_id: str, counts: dict[str, int]) -> None:
    async def reached() -> bool:
        money = await world.look.get("payouts", f"/campaigns/{campaign_id}/money")
        found = (money or {"refunds": {}})["refunds"]
        return {state: figures["count"] for state, figures in found.items()} == counts

    await eventually(f"refunds of {campaign_id} are {counts}", reached, 120)


@pytest.mark.row("S13")
@pytest.mark.trap(3)
@pytest.mark.trap(15)
async def test_a_chargeback_of_a_pledge_in_refund_pays_nobody_twice(world: World) -> None:
    """Given refunds that wait, banks take two pledges, payouts is killed: each goes back once."""
    rows = backers("taken", 8)
    who = ("--campaign", "taken", "--by", "sre-1", "--why", "looks odd")
    await switch(world, "on", "stop-money", "--unknown-campaign", *who)
    await world.launch_paid("taken", rows, goal=10_000_000, open_seconds=3)
    await world.verdict("taken")
    await refunds_are(world, "taken", {"requested": len(rows)})
    provider = world.suite.provider
    charges = [await charge_of(world, row.pledge_id) for row in rows[:2]]
    await provider.order_fault("webhook_lost", "*", ids=charges)

    lost, won = [(await provider.dispute(one, fee=FEE))["id"] for one in charges]
    await asyncio.to_thread(world.suite.services["payouts"].kill)
    await asyncio.to_thread(world.suite.services["payouts"].start)

    for dispute_id in (lost, won):
        opened = await dispute_is(world, "taken", dispute_id, "opened")
        assert opened["fee"] == FEE and opened["reserved"] == opened["amount"]
    await refunds_are(world, "taken", {"requested": len(rows) - 2, "blocked": 2})
    await switch(world, "off", "stop-money", *who)
    await provider.http.delete("/control/faults")
    await provider.move_dispute(lost, "lost")
    await provider.move_dispute(won, "won")
    await dispute_is(world, "taken", lost, "lost")
    await dispute_is(world, "taken", won, "won")
    await refunds_are(world, "taken", {"succeeded": len(rows) - 1, "cancelled": 1})

    book = (await provider.book())["charges"]
    assert [book[one]["refunded"] for one in charges] == [0, rows[1].amount]
    money = await world.look.get("payouts", "/campaigns/taken/money")
    assert money is not None
    left = {account: n for account, n in money["balances"].items() if n}
    assert set(left) == {"provider_costs", "platform_current"}

    async def told() -> bool:
        facts = [e for e in await world.look.events("payouts.disputes") if e.key == "taken"]
        names = sorted(fact.event.name for fact in facts)
        return names == ["dispute-lost", "dispute-opened", "dispute-opened", "dispute-won"]

    await eventually("the topic has each of it once", told)
    world.assert_books_true()


@pytest.mark.row("S9")
async def test_money_that_a_bank_gives_back_after_the_last_stage_is_paid_too(world: World) -> None:
    """Given a chargeback within the reserve, all stages are paid; won, a supplement follows."""
    rows = backers("returned", 60)
    total = sum(row.amount for row in rows)
    taken = rows[0].amount
    assert taken <= total * 200 // 10_000
    await world.launch_paid("returned", rows, goal=total, open_seconds=10)
    account = (await world.suite.provider.create_account())["id"]
    await world.give_destination("returned", account)
    first = int(str((await world.stage_is("returned", 1, "paid"))["amount"]))
    charge = await charge_of(world, rows[0].pledge_id)
    dispute = (await world.suite.provider.dispute(charge, fee=FEE))["id"]
    await dispute_is(world, "returned", dispute, "opened")
    second = await stage_paid(world, "returned", 2)
    last = await stage_paid(world, "returned", 3)

    await world.suite.provider.move_dispute(dispute, "won")

    due = await world.stage_is("returned", 4, "due")
    assert (due["kind"], due["amount"]) == ("supplement", taken)
    approval = {"amount": taken, "currency": "EUR", "destination_version": 1}
    path = "/campaigns/returned/stages/4/approvals"
    await ask(world, "POST", path, SECOND_STAFF, approval)
    await world.stage_is("returned", 4, "paid")
    fees = (await world.stage_is("returned", 3, "paid"))["fees"]
    assert isinstance(fees, dict)
    whole = fees["platform"] + fees["processing"] + fees["tax"]
    assert first + second + last + taken + whole == total
    sent = (await world.suite.provider.book())["accounts"][account]["eur"]
    assert sent["by_type"]["payout"]["amount"] == -(first + second + last + taken)
    money = await world.look.get("payouts", "/campaigns/returned/money")
    assert money is not None and (money["held"], money["paid"]) == (0, total - whole)
    world.assert_books_true()
