"""Disputes as a bank makes them: before, during and after a refund, asked for or not."""

from __future__ import annotations

import httpx
import pytest

from infra.sandbox.provider.client import Body, SandboxClient
from infra.sandbox.provider.tests.process import Receiver, SandboxProcess, until
from infra.sandbox.provider.tests.test_money import available, walk

FEE = 2_000


async def refund_of(client: SandboxClient, charge: str, amount: int = 1_000) -> httpx.Response:
    return await client.post("/v1/refunds", {"charge": charge, "amount": amount})


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


async def read(client: SandboxClient, dispute: Body) -> Body:
    body: Body = (await client.get(f"/v1/disputes/{dispute['id']}")).json()
    return body


async def test_an_inquiry_moves_nothing_and_refunding_stays_allowed(client: SandboxClient) -> None:
    """It ends by itself, or becomes a chargeback, which takes the amount and a fee."""
    await client.top_up(10_000, "eur")
    charge = (await client.charge(5_000, "eur"))["id"]
    before = await available(client)
    closed = await client.dispute(charge, status="inquiry")
    assert (closed["status"], closed["balance_transactions"]) == ("warning_needs_response", [])
    assert (await refund_of(client, charge)).status_code == 200
    assert (await client.move_dispute(closed["id"], "closed"))["status"] == "warning_closed"
    other = await client.dispute(charge, status="inquiry")
    opened = await client.move_dispute(other["id"], "opened", fee=FEE)
    assert (await client.move_dispute(other["id"], "opened", fee=FEE)) == opened
    assert await available(client) == before - 1_000 - 5_000 - FEE


async def test_a_chargeback_takes_its_amount_and_its_fee_and_a_won_one_gives_the_amount_back(
    client: SandboxClient,
) -> None:
    """Each movement has its balance transaction; the amount may differ from the charge's."""
    await client.top_up(10_000, "eur")
    charge = (await client.charge(5_000, "eur"))["id"]
    before = await available(client)
    opened = await client.dispute(charge, amount=5_100, fee=FEE)
    assert await available(client) == before - 5_100 - FEE
    won = await client.move_dispute(opened["id"], "won")
    assert await client.move_dispute(opened["id"], "won") == won == await read(client, opened)
    assert await available(client) == before - FEE
    moved = [one for one in await walk(client, "ending_before", 5) if one["source"] == won["id"]]
    assert {one["type"] for one in moved} == {"adjustment"}
    assert [(one["reporting_category"], one["amount"], one["fee"]) for one in moved] == [
        ("dispute", -5_100, FEE),
        ("dispute_reversal", 5_100, 0),
    ]
    assert [one["id"] for one in moved] == [one["id"] for one in won["balance_transactions"]]
    assert (await refund_of(client, charge)).status_code == 200


@pytest.mark.trap(3)
async def test_a_charge_that_is_charged_back_is_not_refunded(client: SandboxClient) -> None:
    """Neither while it is open nor after it is lost; a lost one moves nothing."""
    charge = (await client.charge(5_000, "eur"))["id"]
    await client.top_up(10_000, "eur")
    opened = await client.dispute(charge)
    assert code(await refund_of(client, charge)) == "charge_disputed"
    before = await available(client)
    lost = await client.move_dispute(opened["id"], "lost")
    assert (lost["status"], await available(client)) == ("lost", before)
    assert code(await refund_of(client, charge)) == "charge_disputed"
    with pytest.raises(httpx.HTTPStatusError):
        await client.move_dispute(opened["id"], "won")


@pytest.mark.trap(3)
async def test_a_refunded_charge_may_be_charged_back_and_a_waiting_refund_fails(
    client: SandboxClient,
) -> None:
    """What has left leaves twice; what waits never does. Banks overdraw the balance."""
    await client.top_up(2_000, "eur")
    charge = (await client.charge(1_000, "eur"))["id"]
    assert (await refund_of(client, charge)).status_code == 200
    before = await available(client)
    await client.dispute(charge)
    assert await available(client) == before - 1_000
    poor = (await client.charge(100_000, "eur"))["id"]
    refund = (await client.post("/v1/refunds", {"charge": poor})).json()
    after = await available(client)
    assert refund["pending_reason"] == "insufficient_funds"
    await client.dispute(poor)
    failed = (await client.get(f"/v1/refunds/{refund['id']}")).json()
    assert failed["failure_reason"] == "charge_for_pending_refund_disputed"
    assert failed["failure_balance_transaction"] is None
    assert await available(client) == after - 100_000 < 0
    assert (await client.get(f"/v1/charges/{poor}")).json()["disputed"] is True


async def test_a_prevented_dispute_moves_nothing(client: SandboxClient) -> None:
    """The bank never withdraws; an inquiry may end so too."""
    charge = (await client.charge(5_000, "eur"))["id"]
    before = await available(client)
    prevented = await client.dispute(charge, status="prevented")
    inquiry = await client.dispute(charge, status="inquiry")
    assert (await client.move_dispute(inquiry["id"], "prevented"))["status"] == "prevented"
    assert (prevented["balance_transactions"], await available(client)) == ([], before)


async def test_disputes_are_told_listed_and_survive_a_kill(
    sandbox: SandboxProcess, client: SandboxClient, receiver: Receiver
) -> None:
    """Signed events of what happened; after kill -9 all is there."""
    await client.register_endpoint(receiver.url)
    charge = (await client.charge(5_000, "eur"))["id"]
    opened = await client.dispute(charge)
    await until(lambda: receiver.events("charge.dispute.funds_withdrawn"))
    assert receiver.events("charge.dispute.created")[0]["data"]["object"] == opened
    await sandbox.kill()
    await sandbox.start()
    assert await read(client, opened) == opened
    await client.move_dispute(opened["id"], "won")
    await until(lambda: receiver.events("charge.dispute.closed"))
    assert receiver.events("charge.dispute.funds_reinstated")
    listed = (await client.get("/v1/disputes", charge=charge)).json()["data"]
    assert [one["id"] for one in listed] == [opened["id"]]
    assert (await client.book())["disputes"] == {"won": {"count": 1, "amount": 5_000}}
