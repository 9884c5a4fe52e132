"""The idempotency key store."""

from __future__ import annotations

import asyncio

import pytest

from infra.sandbox.provider.client import Body, SandboxClient
from infra.sandbox.provider.tests.process import SandboxProcess

ORDER = {"amount": 1000, "currency": "eur", "metadata": {"pledge_id": "p1"}}


async def test_same_key_and_parameters_replay_the_first_answer(client: SandboxClient) -> None:
    """A repetition gets the first answer, marked as replayed, and does no second work."""
    first = await client.post("/v1/charges", ORDER, key="k1")
    second = await client.post("/v1/charges", ORDER, key="k1")
    assert first.json() == second.json()
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert len((await client.book())["charges"]) == 1


async def test_same_key_for_something_else_is_refused(client: SandboxClient) -> None:
    """Other parameters, or another route, under a used key: 400 idempotency_error, no work."""
    await client.post("/v1/charges", ORDER, key="k1")
    money = {"amount": 1000, "currency": "eur"}
    for path, order in (("/v1/charges", {**ORDER, "amount": 999}), ("/v1/topups", money)):
        answer = await client.post(path, order, key="k1")
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "idempotency_error")
    assert (await client.book())["accounts"]["acct_platform"]["eur"]["net"] == 941


async def test_concurrent_same_key_does_the_work_once(client: SandboxClient) -> None:
    """Twenty at once under one key: one charge; the others get 409 or that charge."""
    answers = await asyncio.gather(
        *(client.post("/v1/charges", ORDER, key="k1") for _ in range(20))
    )
    done = [answer.json()["id"] for answer in answers if answer.status_code == 200]
    in_use = [answer.json()["error"]["code"] for answer in answers if answer.status_code == 409]
    assert len(set(done)) == 1 and len(done) + len(in_use) == 20
    assert set(in_use) <= {"idempotency_key_in_use"}
    assert list((await client.book())["charges"]) == [done[0]]


async def test_a_key_is_forgotten_after_a_day(client: SandboxClient) -> None:
    """24 hours later by the sandbox's clock, and not before, the key is new work."""
    first = (await client.post("/v1/charges", ORDER, key="k1")).json()
    await client.advance_clock(24 * 3600 - 60)
    assert (await client.post("/v1/charges", ORDER, key="k1")).json()["id"] == first["id"]
    await client.advance_clock(120)
    assert (await client.post("/v1/charges", ORDER, key="k1")).json()["id"] != first["id"]


async def test_a_refusal_is_kept_but_a_malformed_request_is_not(client: SandboxClient) -> None:
    """A refusal by the work replays even after its cause is gone; bad parameters do not stick."""
    charge = await client.charge(1000, "eur", source="sepa_debit")
    order = {"charge": charge["id"]}
    assert (await client.post("/v1/refunds", order, key="k1")).status_code == 400
    await client.top_up(1000, "eur")
    assert (await client.post("/v1/refunds", order, key="k1")).status_code == 400
    assert (await client.post("/v1/refunds", order, key="k2")).status_code == 200
    assert (await client.post("/v1/topups", {"amount": "x"}, key="k3")).status_code == 400
    money = {"amount": 5, "currency": "eur"}
    assert (await client.post("/v1/topups", money, key="k3")).status_code == 200


async def test_keys_of_two_accounts_do_not_meet(client: SandboxClient) -> None:
    """The same key on the platform and on a connected account is two pieces of work."""
    account = (await client.create_account())["id"]
    await client.top_up(500, "eur")
    money = {"amount": 200, "currency": "eur"}
    await client.post("/v1/transfers", {**money, "destination": account})
    first = (await client.post("/v1/payouts", money, key="k1")).json()
    second = (await client.post("/v1/payouts", money, key="k1", account=account)).json()
    assert first["id"] != second["id"]


@pytest.mark.parametrize(
    ("path", "parameters", "code"),
    [
        ("/v1/charges", {"currency": "eur"}, "parameter_missing"),
        ("/v1/charges", {"amount": "10.5", "currency": "eur"}, "parameter_invalid_integer"),
        ("/v1/charges", {"amount": "-1", "currency": "eur"}, "parameter_invalid_integer"),
        ("/v1/charges", {"amount": 0, "currency": "eur"}, "parameter_invalid_integer"),
        ("/v1/charges", {"amount": 900_000_001, "currency": "eur"}, "parameter_invalid_integer"),
        ("/v1/charges", {"amount": 1, "currency": "EUR"}, "invalid_currency"),
        ("/v1/charges", {"amount": 1, "currency": "eur", "x": 1}, "parameter_unknown"),
        ("/v1/refunds", {"charge": ""}, "parameter_invalid_empty"),
        ("/v1/refunds", {"charge": "ch_none"}, "resource_missing"),
    ],
)
async def test_bad_parameters_are_refused(
    client: SandboxClient, path: str, parameters: Body, code: str
) -> None:
    """Each malformed request is a 400 in the provider's shape that names the parameter."""
    answer = await client.post(path, parameters)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert answer.json()["error"]["param"]


async def test_secret_key_is_needed(sandbox: SandboxProcess, client: SandboxClient) -> None:
    """Without a secret key 401, and an unknown route 404, both in the provider's shape."""
    answer = await client.http.get("/v1/balance", headers={"Authorization": "Bearer pk_1"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "api_key_missing")
    assert (await client.get("/v1/nothing")).json()["error"]["code"] == "url_unknown"
    assert (await client.http.get("/healthz", headers={})).json() == {"status": "ok"}
