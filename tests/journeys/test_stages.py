"""A creator is paid in three stages, each after what has to come before it."""

import hashlib
from typing import Any

import pytest

from infra.sandbox.issuer.tokens import Caller
from infra.suite.readings import eventually
from tests.journeys.test_stopped_money import switch
from tests.world import CREATOR, World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIRST_STAFF, SECOND_STAFF = (Caller(f"staff-{name}", ("staff",)) for name in ("ada", "bo"))


async def ask(world: World, method: str, path: str, caller: Caller, body: object) -> Any:
    response = await world.look.ask(method, "payouts", path, caller=caller, body=body)
    assert response.status_code == 200, response.text
    return response.json()


async def stage_due(world: World, campaign_id: str, number: int) -> tuple[str, dict[str, object]]:
    """Given evidence, one person approves the milestone; return path and body of an approval."""
    path = f"/campaigns/{campaign_id}/stages/{number}"
    evidence = hashlib.sha256(f"photographs for stage {number}".encode()).hexdigest()
    await ask(world, "PUT", f"{path}/evidence", CREATOR, {"evidence": evidence})
    decision = {"revision": 1, "decision": "approve"}
    await ask(world, "POST", f"{path}/milestone", FIRST_STAFF, decision)
    due = await world.stage_is(campaign_id, number, "due")
    approval = {
        "amount": due["amount"],
        "currency": "EUR",
        "destination_version": 1,
        "milestone_revision": 1,
    }
    return f"{path}/approvals", approval


async def stage_paid(world: World, campaign_id: str, number: int) -> int:
    """Given a due stage, another person approves the payment."""
    path, approval = await stage_due(world, campaign_id, number)
    await ask(world, "POST", path, SECOND_STAFF, approval)
    paid = await world.stage_is(campaign_id, number, "paid")
    assert paid["amount"] == approval["amount"]
    return int(str(paid["amount"]))


@pytest.mark.row("S9")
async def test_three_stages_pay_20_30_and_50_percent_without_the_fees(world: World) -> None:
    """Given a met goal, stages follow from verdict and milestones; fees come out of the last."""
    rows = backers("staged", 40)
    total = sum(row.amount for row in rows)
    await world.launch_paid("staged", rows, goal=total, open_seconds=4)
    account = await world.suite.provider.create_account()
    await world.give_destination("staged", account["id"])
    first = int(str((await world.stage_is("staged", 1, "paid"))["amount"]))

    second = await stage_paid(world, "staged", 2)
    last = await stage_paid(world, "staged", 3)

    assert (first, second) == (total * 2_000 // 10_000, total * 3_000 // 10_000)
    found = await world.look.get("payouts", "/campaigns/staged/stages")
    assert found is not None
    fees = found["stages"][2]["fees"]
    assert fees["owed"] == 0
    assert first + second + last + fees["platform"] + fees["processing"] + fees["tax"] == total
    sent = (await world.suite.provider.book())["accounts"][account["id"]]["eur"]
    assert sent["by_type"]["payout"]["amount"] == -(first + second + last)
    money = await world.look.get("payouts", "/campaigns/staged/money")
    assert money is not None and (money["held"], money["paid"]) == (0, first + second + last)
    world.assert_books_true()


@pytest.mark.row("S9")
@pytest.mark.trap(8)
async def test_a_changed_destination_makes_an_approval_fall_before_the_transfer(
    world: World,
) -> None:
    """Given an approved stage whose money waits, another account gets it only by a new approval."""
    rows = backers("moved", 10)
    total = sum(row.amount for row in rows)
    await world.launch_paid("moved", rows, goal=total, open_seconds=4)
    first, second = [(await world.suite.provider.create_account())["id"] for _ in range(2)]
    await world.give_destination("moved", first)
    await world.stage_is("moved", 1, "paid")
    path, approval = await stage_due(world, "moved", 2)
    who = ("--campaign", "moved", "--by", "sre-1", "--why", "a look")
    await switch(world, "on", "stop-money", *who)
    await ask(world, "POST", path, SECOND_STAFF, approval)
    await world.stage_is("moved", 2, "approved")

    await world.give_destination("moved", second)
    fallen = await world.stage_is("moved", 2, "due")
    await switch(world, "off", "stop-money", *who)

    assert fallen["reason"] == "changed-after-approval"
    again = await world.look.ask("POST", "payouts", path, caller=SECOND_STAFF, body=approval)
    assert (again.status_code, again.json()["type"]) == (409, "/problems/destination-changed")
    await ask(world, "POST", path, SECOND_STAFF, approval | {"destination_version": 2})
    await world.stage_is("moved", 2, "paid")
    accounts = (await world.suite.provider.book())["accounts"]
    sent = [accounts[name]["eur"]["by_type"]["payout"]["amount"] for name in (first, second)]
    assert sent == [-(total * 2_000 // 10_000), -(total * 3_000 // 10_000)]
    world.assert_books_true()


@pytest.mark.row("S9")
@pytest.mark.trap(7)
async def test_a_payout_that_the_bank_sends_back_is_paid_by_the_same_transfer(
    world: World,
) -> None:
    """Given a paid stage that comes back from a closed account, it is paid once that is corrected.

    Its tries are used up against the closed account, so staff say when it may go on.
    """
    rows = backers("sent-back", 10)
    total = sum(row.amount for row in rows)
    await world.launch_paid("sent-back", rows, goal=total, open_seconds=4)
    provider = world.suite.provider
    account = (await provider.create_account())["id"]
    await world.give_destination("sent-back", account)
    amount = int(str((await world.stage_is("sent-back", 1, "paid"))["amount"]))

    async def used_up() -> bool:
        stage = await world.stage_is("sent-back", 1, "failed")
        return stage["attempts"] == 3

    with world.database("payouts") as database:
        paid = database["stages"].find_one({"campaign_id": "sent-back", "number": 1})
        assert paid is not None
        payout = paid["attempts"][-1]["payout_id"]
    closed = {"payouts_enabled": False, "disabled_reason": "account_closed"}
    await provider.control(f"/accounts/{account}", **closed)
    await provider.control(f"/payouts/{payout}/fail", reason="account_closed")
    await eventually("its tries are used up", used_up)
    held = (await provider.book())["accounts"][account]["eur"]["available"]
    assert held == amount, "the money lies on the account, and nothing of it is lost"
    await provider.control(f"/accounts/{account}", payouts_enabled=True)
    retry = {"after_attempt": 3}
    await ask(world, "POST", "/campaigns/sent-back/stages/1/retry", FIRST_STAFF, retry)
    again = await world.stage_is("sent-back", 1, "paid")

    assert (again["amount"], again["attempts"]) == (amount, 4)
    moved = (await provider.book())["accounts"][account]["eur"]["by_type"]
    assert {name: (one["count"], one["amount"]) for name, one in moved.items()} == {
        "payment": (1, amount),
        "payout": (2, -2 * amount),
        "payout_failure": (1, amount),
    }
    money = await world.look.get("payouts", "/campaigns/sent-back/money")
    assert money is not None and (money["held"], money["paid"]) == (total - amount, amount)
    world.assert_books_true()


@pytest.mark.row("S9")
async def test_a_hold_stops_a_stage_until_it_is_let_go(world: World) -> None:
    """Given a hold before the verdict, the first stage waits and says why; then it is paid."""
    rows = backers("held", 10)
    total = sum(row.amount for row in rows)
    await world.launch_paid("held", rows, goal=total, open_seconds=4)
    await world.counted("held", rows)
    account = await world.suite.provider.create_account()
    path = "/campaigns/held/holds/question"
    await world.until_known("payouts", "/campaigns/held/money")
    await ask(world, "PUT", path, FIRST_STAFF, {"reason": "who owns the workshop?"})
    await world.give_destination("held", account["id"])

    stage = await world.stage_is("held", 1, "held")

    why = {line["name"]: line["why"] for line in stage["gate"]}
    assert "who owns the workshop?" in why["holds"]
    await ask(world, "DELETE", path, FIRST_STAFF, None)
    await world.stage_is("held", 1, "paid")
    world.assert_books_true()
