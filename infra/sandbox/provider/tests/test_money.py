"""Charges, refunds, transfers, payouts: what they do to the balance."""

from __future__ import annotations

import asyncio
import random

import pytest

from infra.sandbox.provider.charges import provider_fee
from infra.sandbox.provider.client import Body, SandboxClient


@pytest.mark.parametrize(
    ("amount", "fee"), [(10001, 320), (4999, 175), (1, 1), (30, 30), (50, 31), (500, 45), (517, 45)]
)
def test_fee_is_half_up_plus_fixed_and_at_most_the_amount(amount: int, fee: int) -> None:
    """The fee is half-up(2.9 %) + 30, capped by the amount (README, Rules)."""
    assert provider_fee(amount) == fee


async def test_charge_brings_net_and_refund_takes_gross(client: SandboxClient) -> None:
    """The provider keeps its fee at a refund: charge and full refund leave the balance at −fee."""
    await client.top_up(1000, "eur")
    charge = await client.charge(10001, "EUR", metadata={"pledge_id": "p1"})
    assert charge["fee"] == 320 and charge["metadata"] == {"pledge_id": "p1"}
    refund = (await client.post("/v1/refunds", {"charge": charge["id"]})).json()
    assert (refund["status"], refund["amount"]) == ("succeeded", 10001)
    assert await available(client) == 1000 - 320
    path = f"/v1/balance_transactions/{charge['balance_transaction']}"
    booked = (await client.get(path)).json()
    assert (booked["amount"], booked["fee"], booked["net"]) == (10001, 320, 9681)
    after = (await client.get(f"/v1/charges/{charge['id']}")).json()
    assert (after["amount_refunded"], after["refunded"]) == (10001, True)


async def test_concurrent_refunds_cannot_exceed_the_charge(client: SandboxClient) -> None:
    """Twenty refunds of 300 at once against a charge of 1000: exactly three go through."""
    await client.top_up(10000, "eur")
    charge = await client.charge(1000, "eur")
    answers = await asyncio.gather(
        *(client.post("/v1/refunds", {"charge": charge["id"], "amount": 300}) for _ in range(20))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [400] * 17
    refused = {a.json()["error"]["code"] for a in answers if a.status_code == 400}
    assert refused == {"amount_too_large"}
    assert (await client.book())["charges"][charge["id"]]["refunded"] == 900


async def test_card_refund_waits_for_funds_and_a_top_up_pays_it(client: SandboxClient) -> None:
    """Too little available: a card's refund is pending without cash, then paid by a top-up."""
    charge = await client.charge(1000, "eur")
    refund = (await client.post("/v1/refunds", {"charge": charge["id"]})).json()
    assert (refund["status"], refund["pending_reason"]) == ("pending", "insufficient_funds")
    assert refund["balance_transaction"] is None
    again = await client.post("/v1/refunds", {"charge": charge["id"]})
    assert again.json()["error"]["code"] == "charge_already_refunded"
    await client.top_up(58, "eur")
    assert (await found(client, refund))["status"] == "pending"
    await client.top_up(1, "eur")
    paid = await found(client, refund)
    assert paid["status"] == "succeeded" and paid["balance_transaction"] is not None
    assert await available(client) == 0


async def test_refund_without_card_is_refused_when_funds_lack(client: SandboxClient) -> None:
    """Other sources than cards fail at once when too little is available, and nothing is done."""
    charge = await client.charge(1000, "eur", source="sepa_debit")
    answer = await client.post("/v1/refunds", {"charge": charge["id"]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "balance_insufficient")
    assert (await client.book())["charges"][charge["id"]]["amount_refunded"] == 0


async def test_charge_is_pending_until_its_delay_is_over(client: SandboxClient) -> None:
    """With a delay a charge's net is pending, then available by the sandbox's clock."""
    await client.change_settings(charge_available_seconds=3600)
    charge = await client.charge(1000, "eur")
    assert await available(client) == 0
    assert (await balance(client))["pending"] == [{"amount": 941, "currency": "eur"}]
    await client.advance_clock(3601)
    assert await available(client) == 941
    path = f"/v1/balance_transactions/{charge['balance_transaction']}"
    assert (await client.get(path)).json()["status"] == "available"


async def test_payout_has_two_legs(client: SandboxClient) -> None:
    """A transfer moves money to the connected account, a payout there moves it to the bank."""
    await client.change_settings(payout_arrival_seconds=60)
    await client.top_up(5000, "eur")
    account = (await client.create_account())["id"]
    order = {"amount": 3000, "currency": "eur", "destination": account, "transfer_group": "stage-1"}
    transfer = (await client.post("/v1/transfers", order)).json()
    assert (await available(client), await available(client, account)) == (2000, 3000)
    listed = (await client.get("/v1/transfers", transfer_group="stage-1")).json()["data"]
    assert [each["id"] for each in listed] == [transfer["id"]]
    order = {"amount": 3000, "currency": "eur", "metadata": {"attempt_id": "a1"}}
    payout = (await client.post("/v1/payouts", order, account=account)).json()
    assert payout["status"] == "in_transit" and await available(client, account) == 0
    await client.settle("payout_paid")
    path = f"/v1/payouts/{payout['id']}"
    assert (await client.get(path, account=account)).json()["status"] == "paid"
    assert (await client.get(path)).status_code == 404


async def test_a_transfer_is_taken_back_as_far_as_it_lies_there(client: SandboxClient) -> None:
    """In parts or the rest at once, out of the connected account; never more than was sent."""
    await client.top_up(5000, "eur")
    account = (await client.create_account())["id"]
    order = {"amount": 3000, "currency": "eur", "destination": account}
    transfer = (await client.post("/v1/transfers", order)).json()
    assert (transfer["reversed"], transfer["reversals"]["data"]) == (False, [])
    path = f"/transfers/{transfer['id']}/reverse"
    part = await client.control(path, amount=1000)
    assert (part["reversed"], part["amount_reversed"]) == (False, 1000)
    assert (await available(client), await available(client, account)) == (3000, 2000)
    await client.post("/v1/payouts", {"amount": 1500, "currency": "eur"}, account=account)
    for too_much in ({"amount": 2001}, {"amount": 501}, {}):
        assert (await client.http.post(f"/control{path}", json=too_much)).status_code == 400
    whole = await client.control(path, amount=500)
    assert [one["amount"] for one in whole["reversals"]["data"]] == [500, 1000]
    assert (await available(client), await available(client, account)) == (3500, 0)
    moved = (await client.get("/v1/balance_transactions", type="transfer_refund")).json()["data"]
    booked = [one["balance_transaction"] for one in whole["reversals"]["data"]]
    assert [one["id"] for one in moved] == booked
    assert {one["reporting_category"] for one in moved} == {"transfer_reversal"}
    listed = (await client.get(f"/v1/transfers/{transfer['id']}/reversals")).json()
    assert (listed["data"], listed["has_more"]) == (whole["reversals"]["data"], False)
    assert (await client.get("/v1/transfers/tr_none/reversals")).status_code == 404
    unknown = await client.http.post("/control/transfers/tr_none/reverse", json={})
    assert unknown.status_code == 404


async def test_a_transfer_shows_ten_of_its_reversals_and_lists_all(client: SandboxClient) -> None:
    """Whoever adds up what it shows would miss a part, and books none of it."""
    await client.top_up(5000, "eur")
    account = (await client.create_account())["id"]
    order = {"amount": 12, "currency": "eur", "destination": account}
    transfer = (await client.post("/v1/transfers", order)).json()
    for _ in range(12):
        shown = await client.control(f"/transfers/{transfer['id']}/reverse", amount=1)
    assert (shown["reversed"], shown["amount_reversed"]) == (True, 12)
    assert (len(shown["reversals"]["data"]), shown["reversals"]["has_more"]) == (10, True)
    listed = (await client.get(f"/v1/transfers/{transfer['id']}/reversals", limit=100)).json()
    assert len(listed["data"]) == 12 and not listed["has_more"]
    assert listed["data"][:10] == shown["reversals"]["data"]


async def test_transfer_and_payout_need_money_and_permission(client: SandboxClient) -> None:
    """Beyond the balance, to nobody, or with payouts off: a definite refusal, no movement."""
    account = (await client.create_account())["id"]
    money = {"amount": 1, "currency": "eur"}
    for parameters, code in (
        ({**money, "destination": account}, "balance_insufficient"),
        ({**money, "destination": "acct_none"}, "resource_missing"),
    ):
        answer = await client.post("/v1/transfers", parameters)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    await client.control(f"/accounts/{account}", payouts_enabled=False, disabled_reason="listed")
    shown = (await client.get(f"/v1/accounts/{account}")).json()
    assert (shown["payouts_enabled"], shown["requirements"]["disabled_reason"]) == (False, "listed")
    answer = await client.post("/v1/payouts", money, account=account)
    assert answer.json()["error"]["code"] == "payouts_not_allowed"
    assert (await client.book())["accounts"] == {}


async def test_platform_schedule_is_manual_until_changed(client: SandboxClient) -> None:
    """The platform's payout schedule is manual by default and can be made automatic."""
    for interval in ("manual", "daily"):
        await client.change_settings(payout_interval=interval)
        account = (await client.get("/v1/account")).json()
        assert account["settings"]["payouts"]["schedule"]["interval"] == interval


async def test_an_accounts_schedule_is_its_own(client: SandboxClient) -> None:
    """Manual until it is changed, and changed without what else is known of the account."""
    account, other = [(await client.create_account())["id"] for _ in range(2)]
    await client.control(f"/accounts/{account}", payouts_enabled=False, disabled_reason="listed")
    await client.control(f"/accounts/{account}", payout_interval="weekly")
    for one, enabled, interval in ((account, False, "weekly"), (other, True, "manual")):
        shown = (await client.get(f"/v1/accounts/{one}")).json()
        assert shown["payouts_enabled"] is enabled
        assert shown["settings"]["payouts"]["schedule"]["interval"] == interval


async def test_balance_transactions_are_followed_by_cursor(client: SandboxClient) -> None:
    """Both cursors walk every balance transaction once, in order, across pages."""
    for amount in range(100, 112):
        await client.top_up(amount, "eur")
    older = [each["amount"] for each in await walk(client, "starting_after", 5)]
    newer = [each["amount"] for each in await walk(client, "ending_before", 5)]
    assert older == list(range(111, 99, -1))
    assert newer == list(range(100, 112))


async def test_the_acquirers_reference_may_come_later(client: SandboxClient) -> None:
    """At once by default, else in its time; a refund that failed meanwhile gets none."""

    async def refunded() -> str:
        order = {"charge": (await client.charge(1000, "eur"))["id"]}
        return str((await client.post("/v1/refunds", order)).json()["id"])

    async def card(refund: str) -> Body:
        shown: Body = (await client.get(f"/v1/refunds/{refund}")).json()
        return shown["destination_details"]["card"]  # type: ignore[no-any-return]

    await client.top_up(10_000, "eur")
    assert (await card(await refunded()))["reference_status"] == "available"
    await client.change_settings(refund_reference_seconds=60)
    arrives, fails = await refunded(), await refunded()
    await client.control(f"/refunds/{fails}/fail")
    assert "reference" not in await card(arrives)
    await client.advance_clock(61)
    assert (await card(arrives))["reference"].startswith("arn")
    assert "reference" not in await card(fails)


async def test_random_work_keeps_the_balance(client: SandboxClient) -> None:
    """Σ net = available + pending after any seeded mix of work, failures, delays and waiting."""
    choose = random.Random(20261124)
    await client.change_settings(charge_available_seconds=50, refund_processing_seconds=20)
    account = (await client.create_account())["id"]
    charges: list[str] = []
    refunds: list[str] = []
    for step in range(400):
        amount, draw = choose.randint(1, 5000), choose.random()
        if draw < 0.3 or not charges:
            charges.append((await client.charge(amount, choose.choice(["eur", "jpy"])))["id"])
        elif draw < 0.6:
            order = {"charge": choose.choice(charges), "amount": amount}
            answer = await client.post("/v1/refunds", order)
            refunds += [answer.json()["id"]] if answer.status_code == 200 else []
        elif draw < 0.65 and refunds:
            await client.control(f"/refunds/{choose.choice(refunds)}/fail")
        elif draw < 0.75:
            order = {"amount": amount, "currency": "eur", "destination": account}
            await client.post("/v1/transfers", order)
        elif draw < 0.85:
            order = {"amount": amount, "currency": "eur"}
            await client.post("/v1/payouts", order, account=account)
        elif draw < 0.9:
            await client.top_up(amount, "eur")
        else:
            await client.advance_clock(choose.randint(1, 40))
        if step % 20 == 0:
            conserved(await client.book())
    await client.top_up(2_000_000, "eur")
    await client.top_up(2_000_000, "jpy")
    # The first settling pays what waited, which starts the processing that the second one ends.
    await client.settle()
    await client.settle()
    book = await client.book()
    conserved(book)
    assert set(book["refunds"]) == {"succeeded", "failed"}
    for charge in book["charges"].values():
        assert 0 <= charge["refunded"] == charge["amount_refunded"] <= charge["amount"]


def conserved(book: Body) -> None:
    for currencies in book["accounts"].values():
        for figures in currencies.values():
            assert figures["net"] == figures["available"] + figures["pending"]
            assert figures["available"] >= 0 and figures["pending"] >= 0


async def walk(client: SandboxClient, cursor: str, limit: int) -> list[Body]:
    found: list[Body] = []
    parameters: dict[str, str] = {}
    if cursor == "ending_before":
        found = (await walk(client, "starting_after", 100))[-1:]
        parameters = {cursor: found[0]["id"]}
    while True:
        path = "/v1/balance_transactions"
        page = (await client.get(path, limit=limit, **parameters)).json()
        data = page["data"] if cursor == "starting_after" else page["data"][::-1]
        found += data
        if not page["has_more"]:
            return found
        parameters = {cursor: data[-1]["id"]}


async def balance(client: SandboxClient, account: str | None = None) -> Body:
    body: Body = (await client.get("/v1/balance", account=account)).json()
    return body


async def available(client: SandboxClient, account: str | None = None) -> int:
    return sum(each["amount"] for each in (await balance(client, account))["available"])


async def found(client: SandboxClient, refund: Body) -> Body:
    body: Body = (await client.get(f"/v1/refunds/{refund['id']}")).json()
    return body
