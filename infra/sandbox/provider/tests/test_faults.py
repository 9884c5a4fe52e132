"""Each fault, at the place where it hurts."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from infra.sandbox.provider.client import Body, SandboxClient
from infra.sandbox.provider.tests.process import SandboxProcess, until


@pytest.fixture
async def charge(client: SandboxClient) -> Body:
    await client.top_up(10_000, "eur")
    return await client.charge(1000, "eur")


@pytest.mark.parametrize("hang_seconds", [0, 0.05])
async def test_time_out_after_the_work(
    client: SandboxClient, charge: Body, hang_seconds: float
) -> None:
    """The refund is made and the connection closes unanswered; the key replays the true answer."""
    await client.order_fault("timeout_after", "refunds.create", count=1, hang_seconds=hang_seconds)
    order = {"charge": charge["id"], "metadata": {"attempt_id": "a1"}}
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        await client.post("/v1/refunds", order, key="a1")
    listed = (await client.get("/v1/refunds", charge=charge["id"])).json()["data"]
    assert [each["metadata"] for each in listed] == [{"attempt_id": "a1"}]
    replay = await client.post("/v1/refunds", order, key="a1")
    assert replay.json() == listed[0] and replay.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize(
    ("kind", "status", "done", "repeated"),
    [
        ("rate_limited", 429, 0, 200),
        ("error_before", 500, 0, 500),
        ("error_after", 500, 1, 500),
        ("unavailable_before", 503, 0, 200),
        ("unavailable_after", 503, 1, 200),
        ("decline", 400, 0, 400),
    ],
)
async def test_answer_faults(
    client: SandboxClient, charge: Body, kind: str, status: int, done: int, repeated: int
) -> None:
    """Each kind: its status, whether the work was done, and what its key then remembers."""
    await client.order_fault(kind, "refunds.create", count=1, retry_after_seconds=3)
    order = {"charge": charge["id"]}
    answer = await client.post("/v1/refunds", order, key="a1")
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == ("3" if kind == "rate_limited" else None)
    listed = (await client.get("/v1/refunds", charge=charge["id"])).json()["data"]
    assert len(listed) == done
    assert (await client.post("/v1/refunds", order, key="a1")).status_code == repeated
    last = (await client.post("/v1/refunds", order, key="a2")).json()
    book = await client.book()
    assert book["charges"][charge["id"]]["refunded"] == 1000
    assert last.get("error", {}).get("code") == (
        "charge_already_refunded" if done or repeated == 200 else None
    )


async def test_decline_has_the_code_that_was_ordered(client: SandboxClient, charge: Body) -> None:
    """A decline answers the ordered code, or the operation's own; a charge's is a card error."""
    await client.order_fault("decline", "refunds.create", count=1, code="charge_disputed")
    await client.order_fault("decline", "charges.create", count=1)
    refused = (await client.post("/v1/refunds", {"charge": charge["id"]})).json()["error"]
    assert refused["code"] == "charge_disputed"
    answer = await client.post("/v1/charges", {"amount": 1000, "currency": "eur"})
    assert answer.status_code == 402
    assert answer.json()["error"]["code"] == "card_declined"


async def test_late_failure_of_a_refund_brings_the_money_back(
    client: SandboxClient, charge: Body
) -> None:
    """Succeeded, then failed later with a refund_failure; the charge can be refunded again."""
    order = {"ids": ["a1"], "after_seconds": 600, "reason": "expired_or_canceled_card"}
    await client.order_fault("late_failure", "refunds.create", **order)
    asked = {"charge": charge["id"], "metadata": {"attempt_id": "a1"}}
    refund = (await client.post("/v1/refunds", asked)).json()
    assert refund["status"] == "succeeded"
    await client.advance_clock(601)
    failed = (await client.get(f"/v1/refunds/{refund['id']}")).json()
    assert (failed["status"], failed["failure_reason"]) == ("failed", order["reason"])
    path = f"/v1/balance_transactions/{failed['failure_balance_transaction']}"
    back = (await client.get(path)).json()
    assert (back["type"], back["amount"], back["source"]) == ("refund_failure", 1000, refund["id"])
    again = (await client.post("/v1/refunds", {**asked, "metadata": {"attempt_id": "a2"}})).json()
    assert again["status"] == "succeeded"


async def test_late_failure_of_a_payout_brings_the_money_back(client: SandboxClient) -> None:
    """Paid, then failed: payout_failure on the connected account, where it can be paid again."""
    account = (await client.create_account())["id"]
    await client.top_up(100, "eur")
    money = {"amount": 100, "currency": "eur"}
    await client.post("/v1/transfers", {**money, "destination": account})
    await client.order_fault("late_failure", "payouts.create", count=1, after_seconds=600)
    payout = (await client.post("/v1/payouts", money, account=account)).json()
    path = f"/v1/payouts/{payout['id']}"

    async def paid() -> bool:
        return bool((await client.get(path, account=account)).json()["status"] == "paid")

    await until(paid)
    await client.advance_clock(601)
    failed = (await client.get(path, account=account)).json()
    assert failed["status"] == "failed" and failed["failure_balance_transaction"]
    kinds = (await client.book())["accounts"][account]["eur"]["by_type"]
    assert kinds["payout_failure"]["amount"] == 100
    assert (await client.post("/v1/payouts", money, account=account)).status_code == 200


async def test_control_fails_a_refund_once(client: SandboxClient, charge: Body) -> None:
    """Failing a refund by hand twice brings the money back once."""
    refund = (await client.post("/v1/refunds", {"charge": charge["id"]})).json()
    for _ in range(2):
        await client.control(f"/refunds/{refund['id']}/fail", reason="lost_or_stolen_card")
    assert (await client.book())["charges"][charge["id"]]["refunded"] == 0


async def test_ids_hit_only_those_and_once(client: SandboxClient, charge: Body) -> None:
    """A fault for given ids spares the others and hits each id once."""
    await client.order_fault("unavailable_before", "refunds.create", ids=["a1", "a3"])
    statuses = []
    for attempt in ("a1", "a2", "a3", "a1", "a3"):
        order = {"charge": charge["id"], "amount": 1}
        statuses.append((await client.post("/v1/refunds", order, key=attempt)).status_code)
    assert statuses == [503, 200, 503, 200, 200]


async def test_probability_is_seeded_and_goes_on_after_a_kill(
    sandbox: SandboxProcess, client: SandboxClient
) -> None:
    """The same seed fires at the same calls, also when the process was killed between them."""
    series = []
    for killed in (False, True):
        await client.http.delete("/control/faults")
        await sandbox.kill()
        for suffix in ("", "-wal", "-shm"):
            sandbox.book.with_name(sandbox.book.name + suffix).unlink(missing_ok=True)
        await sandbox.start()
        await client.order_fault("rate_limited", "balance.retrieve", probability=0.3)
        statuses = [(await client.get("/v1/balance")).status_code for _ in range(20)]
        if killed:
            await sandbox.kill()
            await sandbox.start()
        statuses += [(await client.get("/v1/balance")).status_code for _ in range(20)]
        series.append(statuses)
    assert series[0] == series[1]
    assert 3 < series[0].count(429) < 25


async def test_a_fault_that_cannot_fire_is_refused(client: SandboxClient) -> None:
    """Unknown kinds, operations or fields are 422: no test passes by a typing slip."""
    for order in (
        {"kind": "nothing", "operation": "*"},
        {"kind": "decline", "operation": "refund.create"},
        {"kind": "late_failure", "operation": "charges.create"},
        {"kind": "webhook_lost", "operation": "refunds.create"},
        {"kind": "decline", "operation": "*", "times": 3},
    ):
        assert (await client.http.post("/control/faults", json=order)).status_code == 422


async def test_a_faulty_day_books_each_refund_once(client: SandboxClient) -> None:
    """With each answer fault at 10 %, retrying under the key refunds each charge once."""
    await client.top_up(100_000, "eur")
    charges = [(await client.charge(1000, "eur"))["id"] for _ in range(40)]
    for kind in ("timeout_after", "rate_limited", "unavailable_before", "unavailable_after"):
        await client.order_fault(kind, "refunds.create", probability=0.1)
    await client.order_fault("error_after", "refunds.create", probability=0.1)

    async def refund(charge: str) -> None:
        while True:
            try:
                answer = await client.post("/v1/refunds", {"charge": charge}, key=charge)
            except httpx.RemoteProtocolError:
                continue
            if answer.status_code in (200, 500):
                return

    await asyncio.gather(*(refund(charge) for charge in charges))
    book = await client.book()
    assert {charge["refunded"] for charge in book["charges"].values()} == {1000}
