"""The API over fakes: every route's success, and a clear problem for each bad input."""

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Mapping

import httpx
import pytest
from fastapi import FastAPI

from infra.sandbox.issuer.testing import bearer, unit_guard
from infra.sandbox.issuer.tokens import Caller
from payouts.domain.book import Outcome
from payouts.domain.postings import refund_requested
from payouts.handlers.posting import post
from payouts.handlers.work_kinds import DISPUTE, REFUND
from payouts.http import build_api
from payouts.ports.unit import PayoutsUnit
from servicekit.problems import install_problems
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts

SECRETS = ["whsec_new", "whsec_old"]
# Owns the campaign and, as staff, reads everything of every other one.
CREATOR = Caller("creator-1", ("creator", "staff"))


def api_of(payouts: Payouts) -> FastAPI:
    return build_api(payouts.parts(unit_guard(), SECRETS))


@pytest.fixture
async def known() -> Payouts:
    """A service with a missed campaign of two pledges, their refunds created and not sent."""
    payouts = memory_payouts()
    await payouts.collect(1, 2)
    await payouts.units.run(lambda unit: unit.creators.add({CAMPAIGN: CREATOR.subject}))
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 2)
    await payouts.turn_run_only()
    return payouts


@pytest.fixture
async def client(known: Payouts) -> AsyncIterator[httpx.AsyncClient]:
    api = api_of(known)
    install_problems(api)
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://payouts", headers=bearer(CREATOR)
    ) as client:
        yield client


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["type"].removeprefix("/problems/")


def signed(body: bytes, secret: str = "whsec_new", age_seconds: int = 0) -> dict[str, str]:
    stamp = str(int(time.time()) - age_seconds)
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={stamp},v1={mac}"}


async def test_money_refunds_and_blocks_can_be_read(
    client: httpx.AsyncClient, known: Payouts
) -> None:
    """What the book says, each refund, and the chain from which anybody can check it."""
    money = (await client.get(f"/campaigns/{CAMPAIGN}/money")).json()
    assert (money["verdict"], money["refunding"], money["held"]) == ("goal_missed", 10_000, 0)
    await known.work_off()
    money = (await client.get(f"/campaigns/{CAMPAIGN}/money")).json()
    assert money["refunded"] == 10_000 and money["refunds"]["succeeded"]["count"] == 2
    page = (await client.get(f"/campaigns/{CAMPAIGN}/refunds?limit=1")).json()
    (one,) = page["items"]
    path = f"/campaigns/{CAMPAIGN}/refunds/{one['refund_id']}"
    assert (await client.get(path)).json() == one | {"acquirer_reference": None}
    assert page["next_cursor"] == one["refund_id"]
    blocks = (await client.get(f"/campaigns/{CAMPAIGN}/blocks")).json()["items"]
    assert blocks[-1]["hash"] == money["head"] and len(blocks) == money["blocks"]


async def test_stages_say_line_by_line_why_not(client: httpx.AsyncClient) -> None:
    """A campaign that met its goal shows three stages, each with its gate."""
    payouts = memory_payouts()
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MET, 1)
    api = api_of(payouts)
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://payouts", headers=bearer(CREATOR)
    ) as own:
        stages = (await own.get(f"/campaigns/{CAMPAIGN}/stages")).json()["stages"]
    assert [stage["stage"] for stage in stages] == [1, 2, 3]
    assert all(line["name"] and line["why"] for stage in stages for line in stage["gate"])


async def test_a_destination_is_versioned(client: httpx.AsyncClient) -> None:
    """The same again is the same version, another account the next."""
    path = f"/campaigns/{CAMPAIGN}/destination"
    for account, version in (("acct_1", 1), ("acct_1", 1), ("acct_2", 2)):
        body = {"provider": "sandbox", "account": account}
        assert (await client.put(path, json=body)).json()["version"] == version
    assert (await client.get(path)).json()["state"] == "unverified"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"provider": "sandbox"},
        {"provider": "", "account": "a"},
        {"provider": "s", "account": "a/b"},
    ],
    ids=str,
)
async def test_a_bad_destination_is_refused(client: httpx.AsyncClient, body: object) -> None:
    """422 with the place of what is wrong, and none is kept."""
    path = f"/campaigns/{CAMPAIGN}/destination"
    assert problem(await client.put(path, json=body)) == (422, "invalid-request")
    assert problem(await client.get(path)) == (404, "destination-unknown")


async def test_what_is_not_there_is_404(client: httpx.AsyncClient, known: Payouts) -> None:
    """Also another campaign's refund."""
    (refund, *_) = await known.queries.refunds(CAMPAIGN, "", 1)
    for path in ("money", "stages", f"refunds/{refund.refund_id}"):
        assert problem(await client.get(f"/campaigns/campaign-2/{path}"))[0] == 404


async def hear(
    client: httpx.AsyncClient, body: bytes, headers: Mapping[str, str | bytes]
) -> httpx.Response:
    return await client.post("/webhooks/sandbox", content=body, headers=headers)  # type: ignore[arg-type]


def told_of(refund_id: str) -> bytes:
    metadata = {"campaign_id": CAMPAIGN, "refund_id": refund_id}
    return json.dumps({"data": {"object": {"metadata": metadata}}}).encode()


@pytest.mark.trap(14)
@pytest.mark.parametrize("secret", SECRETS)
async def test_a_webhook_wakes_the_work_it_concerns(
    client: httpx.AsyncClient, known: Payouts, secret: str
) -> None:
    """Early, doubled or late: it only brings our own look forward, once."""
    (refund, *_) = await known.queries.refunds(CAMPAIGN, "", 1)
    for claim in await known.claim(REFUND):
        later = known.clock.now().replace(year=2027)
        await known.work.postpone(claim, later)
    body = told_of(refund.refund_id)
    for _ in range(2):
        assert (await hear(client, body, signed(body, secret))).json() == {"status": "woke"}
    (woken,) = await known.claim(REFUND)
    assert woken.item.payload["refund_id"] == refund.refund_id


@pytest.mark.trap(14)
async def test_a_webhook_that_says_what_the_books_have_wakes_nothing(
    client: httpx.AsyncClient, known: Payouts
) -> None:
    """Each refund's own success comes back as one; of another attempt, or a failure, it wakes."""
    await known.work_off()
    (refund, *_) = await known.queries.refunds(CAMPAIGN, "", 1)
    said = {"id": refund.attempt.provider_refund_id, "status": "succeeded"}
    news = {"status": "failed"}, {"id": "re_other"}, {"status": None}
    for change, outcome in (({}, "ignored"), *((one, "woke") for one in news)):
        about = json.loads(told_of(refund.refund_id))
        about["data"]["object"] |= said | change
        body = json.dumps(about).encode()
        assert (await hear(client, body, signed(body))).json() == {"status": outcome}
        assert len(await known.claim(REFUND)) == (outcome == "woke")
        await known.work_off()


async def test_a_webhook_with_the_acquirers_reference_wakes_until_it_is_known(
    client: httpx.AsyncClient, known: Payouts
) -> None:
    """Its status is old news, its reference is not; it is read at the provider, not believed."""
    await known.work_off()
    (refund, *_) = await known.queries.refunds(CAMPAIGN, "", 1)
    about = json.loads(told_of(refund.refund_id))
    about["data"]["object"] |= {
        "id": refund.attempt.provider_refund_id,
        "status": "succeeded",
        "destination_details": {"type": "card", "card": {"reference": "arn-1"}},
    }
    body = json.dumps(about).encode()
    known.provider.refer(refund.attempt_id, "arn-1")
    for outcome in ("woke", "ignored"):
        assert (await hear(client, body, signed(body))).json() == {"status": outcome}
        await known.work_off()
    path = f"/campaigns/{CAMPAIGN}/refunds/{refund.refund_id}"
    for caller, shown in (
        (Caller(refund.backer_id, ("backer",)), "arn-1"),
        (Caller("staff-1", ("staff",)), "arn-1"),
        (Caller(CREATOR.subject, ("creator",)), None),
    ):
        answer = (await client.get(path, headers=bearer(caller))).json()
        assert answer["acquirer_reference"] == shown


@pytest.mark.trap(14)
async def test_a_webhook_of_a_dispute_only_wakes_our_own_look(
    client: httpx.AsyncClient, known: Payouts
) -> None:
    """It carries nothing of ours, so it names itself; what it says of money is not believed."""
    about = {"object": "dispute", "id": "dp_0", "amount": 1, "status": "lost", "metadata": {}}
    body = json.dumps({"data": {"object": about}}).encode()
    for _ in range(2):
        assert (await hear(client, body, signed(body))).json() == {"status": "woke"}
    (woken,) = await known.claim(DISPUTE)
    assert woken.item.payload == {"dispute_id": "dp_0"}
    await known.disputes(woken)
    assert await known.queries.dispute("dp_0") is None
    for wrong in (None, 5, "", "d" * 201):
        body = json.dumps({"data": {"object": about | {"id": wrong}}}).encode()
        assert (await hear(client, body, signed(body))).json() == {"status": "ignored"}


async def test_disputes_and_debts_are_shown_and_two_people_end_one(
    client: httpx.AsyncClient, known: Payouts
) -> None:
    """What a bank took, what is nobody's, and what the creator owes until two people end it."""
    for reference in ("ch_1", "ch_none"):
        known.provider.dispute(reference, 5_000, 2_000)
    await known.turn()
    await known.turn()
    shown = (await client.get(f"/campaigns/{CAMPAIGN}/disputes?limit=1")).json()
    (one,) = shown["items"]
    assert (one["state"], one["fee"], one["pledge_id"]) == ("opened", 2_000, "pledge-1")
    assert shown["next_cursor"] == one["dispute_id"]
    undecided = (await client.get("/disputes")).json()["items"]
    assert [(d["state"], d["campaign_id"]) for d in undecided] == [
        ("opened", CAMPAIGN),
        ("unattributed", None),
    ]

    async def lend(unit: PayoutsUnit) -> None:
        book = (await unit.books.load([CAMPAIGN]))[CAMPAIGN]
        lent = refund_requested("rf_lent", 0, advanced=100)
        await unit.books.save([await post(unit, book, [lent], known.clock.now())])

    await known.units.run(lend)
    debts = (await client.get(f"/campaigns/{CAMPAIGN}/receivables")).json()
    (debt,) = debts["receivables"]
    assert (debts["open"], debt["state"]) == (100, "arisen")
    path = f"/campaigns/{CAMPAIGN}/receivables/{debt['receivable_id']}/endings"
    body = {"kind": "written_off", "amount": 100, "reason": "insolvent"}
    answers = [
        await client.post(path, json=body, headers=bearer(Caller(name, ("staff",))))
        for name in ("staff-1", "staff-2", "staff-2")
    ]
    assert [a.json()["state"] for a in answers] == ["arisen", "written_off", "written_off"]
    assert answers[1].json()["endings"][0]["second_by"] == "staff-2"
    refused = await client.post(path, json=body)
    assert problem(refused) == (409, "not-owed")
    unknown = await client.post(path.replace("rc_", "rx_"), json=body)
    assert problem(unknown) == (404, "receivable-unknown")
    for wrong in ({}, body | {"amount": 0}, body | {"amount": True}, body | {"kind": "forgiven"}):
        assert problem(await client.post(path, json=wrong))[0] == 422


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Stripe-Signature": "nonsense"},
        {"Stripe-Signature": "t=1,v1=00"},
        signed(told_of("rf_1"), "whsec_forged"),
        signed(told_of("rf_1"), age_seconds=3_600),
        signed(b"another body"),
        {"Stripe-Signature": "t=²,v1=00"},
        {"Stripe-Signature": f"t={'9' * 5_000},v1=00"},
        {"Stripe-Signature": f"t={int(time.time())},v1=é"},
    ],
    ids=["none", "nonsense", "zero", "forged", "old", "other body", "²", "huge", "é"],
)
async def test_a_webhook_of_nobody_is_refused(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    """401, and nothing is woken; nor by what is signed and no text."""
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    assert problem(await hear(client, told_of("rf_1"), raw)) == (401, "signature-refused")
    assert problem(await hear(client, b"\xff", signed(b"\xff"))) == (401, "signature-refused")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        told_of("rf_unknown"),
        b'{"data": {"object": 5}}',
        b"[" * 100_000,
    ],
)
async def test_a_signed_webhook_about_nothing_of_ours_is_ignored(
    client: httpx.AsyncClient, body: bytes
) -> None:
    """The provider hears 200 and does not try again for days."""
    response = await hear(client, body, signed(body))
    assert (response.status_code, response.json()) == (200, {"status": "ignored"})


async def test_a_huge_webhook_is_cut_off(client: httpx.AsyncClient) -> None:
    """It is refused while it is read, not when memory is full."""
    body = b" " * 300_000
    assert problem(await hear(client, body, signed(body))) == (413, "too-large")
