"""Signed webhooks, also lost, doubled and early ones."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from infra.sandbox.provider.client import Body, SandboxClient
from infra.sandbox.provider.tests.process import Receiver, until

MONEY = {"amount": 1000, "currency": "eur"}


async def test_events_are_signed(client: SandboxClient, receiver: Receiver) -> None:
    """Each delivery carries t and the HMAC-SHA256 of `t.body` under the endpoint's secret."""
    endpoint = await client.register_endpoint(receiver.url)
    charge = await client.charge(1000, "eur", metadata={"pledge_id": "p1"})
    await until(lambda: receiver.events("charge.succeeded"))
    signature, body = receiver.arrived[0]
    parts = dict(part.split("=", 1) for part in signature.split(","))
    signed = f"{parts['t']}.".encode() + body
    expected = hmac.new(endpoint["secret"].encode(), signed, hashlib.sha256).hexdigest()
    assert parts["v1"] == expected
    assert receiver.events("charge.succeeded")[0]["data"]["object"] == charge
    listed = (await client.get("/v1/webhook_endpoints")).json()["data"]
    assert [each["id"] for each in listed] == [endpoint["id"]] and "secret" not in listed[0]


async def test_both_legs_and_a_failing_refund_are_told(
    client: SandboxClient, receiver: Receiver
) -> None:
    """Transfer, payout (with its account) and a late failing refund each arrive as an event."""
    await client.register_endpoint(receiver.url)
    await client.top_up(10_000, "eur")
    account = (await client.create_account())["id"]
    await client.post("/v1/transfers", {**MONEY, "destination": account})
    payout = (await client.post("/v1/payouts", MONEY, account=account)).json()
    charge = await client.charge(1000, "eur")
    refund = (await client.post("/v1/refunds", {"charge": charge["id"]})).json()
    await client.control(f"/refunds/{refund['id']}/fail")
    await until(lambda: receiver.events("payout.paid") and receiver.events("refund.failed"))
    await client.control(f"/payouts/{payout['id']}/fail")
    await until(lambda: receiver.events("payout.failed"))
    assert receiver.events("payout.paid")[0]["account"] == account
    assert receiver.events("transfer.created") and receiver.events("refund.created")


async def test_a_refused_delivery_is_sent_again(client: SandboxClient, receiver: Receiver) -> None:
    """A 500 from the endpoint is retried with the same event until it is taken."""
    statuses = iter([500, 503, 200])

    async def third_time(_: Body) -> int:
        return next(statuses)

    receiver.answer = third_time
    await client.register_endpoint(receiver.url)
    await client.charge(1000, "eur")
    await until(lambda: len(receiver.arrived) == 3)
    assert len({event["id"] for event in receiver.events("charge.succeeded")}) == 1


async def test_lost_and_doubled_events(client: SandboxClient, receiver: Receiver) -> None:
    """A lost event never arrives, a doubled one arrives twice under one id, others once."""
    await client.register_endpoint(receiver.url)
    await client.order_fault("webhook_lost", "charge.succeeded", ids=["lost"])
    await client.order_fault("webhook_doubled", "charge.succeeded", ids=["doubled"])
    for name in ("lost", "doubled", "plain"):
        await client.charge(1000, "eur", metadata={"pledge_id": name})
    expected = {"lost": 1, "delivered": 3}

    async def settled() -> bool:
        return bool((await client.book())["deliveries"] == expected)

    await until(settled)
    arrived = [
        event["data"]["object"]["metadata"]["pledge_id"]
        for event in receiver.events("charge.succeeded")
    ]
    assert sorted(arrived) == ["doubled", "doubled", "plain"]
    assert len({event["id"] for event in receiver.events("charge.succeeded")}) == 2


async def test_early_event_comes_before_the_answer(
    client: SandboxClient, receiver: Receiver
) -> None:
    """An early event finds the object already there and its key still in use (409)."""
    seen: list[Any] = []

    async def look(event: Body) -> int:
        identifier = event["data"]["object"]["id"]
        seen.append((await client.get(f"/v1/charges/{identifier}")).status_code)
        seen.append((await client.post("/v1/charges", MONEY, key="k1")).status_code)
        return 200

    receiver.answer = look
    await client.register_endpoint(receiver.url)
    await client.order_fault("webhook_early", "charge.succeeded", count=1)
    answer = await client.post("/v1/charges", MONEY, key="k1")
    assert seen == [200, 409] and answer.status_code == 200
    assert (await client.post("/v1/charges", MONEY, key="k1")).json() == answer.json()


async def test_endpoints_choose_events_and_can_be_deleted(
    client: SandboxClient, receiver: Receiver
) -> None:
    """An endpoint gets the types it asked for, and nothing after it was deleted."""
    order = {"url": receiver.url, "enabled_events": ["topup.succeeded"]}
    endpoint = (await client.post("/v1/webhook_endpoints", order)).json()
    await client.charge(1000, "eur")
    await client.top_up(1, "eur")
    await until(lambda: receiver.arrived)
    answer = await client.http.delete(f"/v1/webhook_endpoints/{endpoint['id']}")
    assert answer.json()["deleted"] is True
    await client.top_up(2, "eur")
    assert (await client.book())["deliveries"] in ({"delivered": 1}, {"abandoned": 1})
    assert [event["type"] for event in receiver.events("topup.succeeded")] == ["topup.succeeded"]
