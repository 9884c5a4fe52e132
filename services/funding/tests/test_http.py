"""The API over fakes: every route's success, and a clear problem for each bad input."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from funding.domain.campaign import Reward
from funding.http import build_api
from infra.sandbox.issuer.testing import bearer, unit_guard
from infra.sandbox.issuer.tokens import STAFF, Caller, creator
from servicekit.problems import install_problems
from services.funding.tests.conftest import TERMS, Funding, memory_funding, other_launch

LAUNCH: dict[str, Any] = {
    "creator_id": "creator-1",
    "title": "A lamp",
    "goal": {"amount": 1_000, "currency": "EUR"},
    "deadline": "2026-03-01T13:00:00Z",
}
PAYMENT: dict[str, Any] = {
    "status": "captured",
    "provider": "sandbox",
    "payment_reference": "ch1",
    "pledge_id": "p1",
    "backer_id": "b1",
    "money": {"amount": 600, "currency": "EUR"},
    "occurred_at": "2026-03-01T12:00:00Z",
    "provider_fee": 10,
    "balance_transaction": "txn1",
}
# What each route shows to whom is the matrix's business (tests/access).
PLATFORM = Caller("platform", ("service", "staff"))


@pytest.fixture
def known() -> Funding:
    return memory_funding()


@pytest.fixture
async def client(known: Funding) -> AsyncIterator[httpx.AsyncClient]:
    api = build_api(known.parts(unit_guard()))
    install_problems(api)
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://funding", headers=bearer(PLATFORM)
    ) as client:
        assert (await client.put("/campaigns/c1", json=LAUNCH)).status_code == 201
        yield client


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["type"].removeprefix("/problems/")


async def test_from_launch_to_figures(client: httpx.AsyncClient) -> None:
    """Launch again, pay twice, list, look: one campaign, one pledge, and what it waits for."""
    assert (await client.put("/campaigns/c1", json=LAUNCH)).status_code == 200
    first = await client.post("/campaigns/c1/payments", json=PAYMENT)
    assert first.status_code == 200 and first.json()["standing"] == "counted"
    assert (await client.post("/campaigns/c1/payments", json=PAYMENT)).json() == first.json()
    assert (await client.get("/campaigns/c1/pledges/p1")).json() == first.json()
    assert (await client.get("/campaigns/c1/pledges?limit=1")).json() == {
        "items": [first.json()],
        "next_cursor": "p1",
    }
    campaign = (await client.get("/campaigns/c1")).json()
    assert campaign["figures"]["collected"] == campaign["figures"]["raised"] == 600
    assert {line["line"] for line in campaign["settling"]} == {
        "clock",
        "pending",
        "intake",
        "set-aside",
        "held",
    }
    assert [c["campaign_id"] for c in (await client.get("/campaigns")).json()["items"]] == ["c1"]


async def test_a_campaign_of_any_reward_is_shown(client: httpx.AsyncClient, known: Funding) -> None:
    """A topic names rewards as it likes: one such campaign takes no page from everybody."""
    rewards = (Reward("lamp/green", "A green lamp"),)
    await known.launch(other_launch(campaign_id="c2", rewards=rewards))
    shown = (await client.get("/campaigns/c2")).json()
    assert shown["rewards"] == [{"reward_id": "lamp/green", "title": "A green lamp"}]
    page = (await client.get("/campaigns")).json()["items"]
    assert [one["campaign_id"] for one in page] == ["c1", "c2"]


async def test_many_callers_of_one_campaign_are_all_answered(client: httpx.AsyncClient) -> None:
    """A hundred payments at once, one of them impossible: each gets its own answer."""
    bodies = [
        PAYMENT
        | {"pledge_id": f"p{n}", "payment_reference": f"ch{n}", "balance_transaction": f"t{n}"}
        for n in range(100)
    ]
    bodies[50] = bodies[50] | {"money": {"amount": 5, "currency": "JPY"}}
    answers = await asyncio.gather(
        *(client.post("/campaigns/c1/payments", json=body) for body in bodies)
    )
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(200) == 99 and problem(answers[50]) == (409, "other-currency")
    assert (await client.get("/campaigns/c1")).json()["figures"]["count"] == 99


@pytest.mark.parametrize(
    ("change", "status", "name"),
    [
        ({"goal": {"amount": -1, "currency": "EUR"}}, 422, "invalid-request"),
        ({"goal": {"amount": 10.5, "currency": "EUR"}}, 422, "invalid-request"),
        ({"goal": {"amount": True, "currency": "EUR"}}, 422, "invalid-request"),
        ({"goal": {"amount": 10**30, "currency": "EUR"}}, 422, "invalid-request"),
        ({"goal": {"amount": 10, "currency": "ZZZ"}}, 422, "unknown-currency"),
        ({"deadline": "2026-03-01T13:00:00"}, 422, "invalid-request"),
        ({"deadline": "2020-01-01T00:00:00Z"}, 422, "deadline-passed"),
        ({"deadline": "9999-12-31T23:59:59Z"}, 422, "invalid-request"),
        ({"deadline": "9999-12-31T23:59:59-14:00"}, 422, "invalid-request"),
        ({"zone": "Mars/Olympus"}, 422, "unknown-zone"),
        ({"title": ""}, 422, "invalid-request"),
        ({"creator_id": ""}, 422, "invalid-request"),
        ({"creator_id": "a\n"}, 422, "invalid-request"),
        ({"creator_id": "x" * 201}, 422, "invalid-request"),
        ({"terms": {"stage_shares_basis_points": [1, 1, 1]}}, 422, "invalid-terms"),
        ({"terms": {"platform_fee_basis_points": 9_000}}, 422, "fees-too-high"),
        ({"terms": {"errored_reminders_seconds": [2, 1]}}, 422, "invalid-terms"),
        ({"terms": {"errored_reminders_seconds": [1] * 21}}, 422, "invalid-request"),
        ({"terms": {"other_pending_window_seconds": -1}}, 422, "invalid-request"),
        ({"terms": {"dispute_reserve_basis_points": 10_001}}, 422, "invalid-request"),
        ({"terms": {"colour": 1}}, 422, "invalid-request"),
        ({"smallest_pledge": 1}, 422, "smallest-pledge-too-small"),
        ({"smallest_pledge": 0}, 422, "invalid-request"),
        ({"relaunch_of": "c9"}, 409, "relaunch-of-unknown"),
        ({"relaunch_of": "c1"}, 409, "relaunch-of-running"),
        ({"surprise": 1}, 422, "invalid-request"),
    ],
    ids=str,
)
async def test_a_bad_launch_is_refused(
    client: httpx.AsyncClient, change: dict[str, Any], status: int, name: str
) -> None:
    """A clear problem, and no campaign."""
    response = await client.put("/campaigns/c2", json=LAUNCH | change)
    assert problem(response) == (status, name)
    assert problem(await client.get("/campaigns/c2")) == (404, "campaign-unknown")


@pytest.mark.parametrize(
    ("change", "status", "name"),
    [
        ({"money": {"amount": -600, "currency": "EUR"}}, 422, "invalid-request"),
        ({"money": {"amount": 6.5, "currency": "EUR"}}, 422, "invalid-request"),
        ({"money": {"amount": 900_000_001, "currency": "EUR"}}, 422, "invalid-request"),
        ({"money": {"amount": 600, "currency": "XXX"}}, 422, "unknown-currency"),
        ({"provider_fee": None}, 422, "capture-incomplete"),
        ({"status": "withdrawn", "balance_transaction": None}, 422, "return-incomplete"),
        ({"status": "withdrawn"}, 409, "pledge-not-collected"),
        ({"status": "perhaps"}, 422, "invalid-request"),
        ({"method": "cheque"}, 422, "invalid-request"),
        ({"reward_id": "castle"}, 409, "unknown-reward"),
        ({"pledge_id": "x" * 101}, 422, "invalid-request"),
        ({"occurred_at": "yesterday"}, 422, "invalid-request"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, 422, "invalid-request"),
    ],
    ids=str,
)
async def test_a_bad_payment_is_refused(
    client: httpx.AsyncClient, change: dict[str, Any], status: int, name: str
) -> None:
    """A clear problem, and no pledge."""
    response = await client.post("/campaigns/c1/payments", json=PAYMENT | change)
    assert problem(response) == (status, name)
    assert (await client.get("/campaigns/c1/pledges")).json()["items"] == []


async def test_a_backer_takes_a_pledge_back(client: httpx.AsyncClient, known: Funding) -> None:
    """Twice is once; after the deadline another one is refused, and platform is nobody's backer."""
    for number in (1, 2):
        told = {"pledge_id": f"p{number}", "payment_reference": f"ch{number}"}
        told["balance_transaction"] = f"t{number}"
        await client.post("/campaigns/c1/payments", json=PAYMENT | told)
    mine = bearer(Caller("b1", ("backer",)))
    path = "/campaigns/c1/pledges/{}/withdrawal"
    first = await client.post(path.format("p1"), headers=mine)
    assert first.status_code == 200 and first.json()["state"] == "withdrawn"
    assert first.json()["withdrawn_at"] == "2026-03-01T12:00:00Z"
    assert problem(await client.post(path.format("p9"), headers=mine)) == (404, "pledge-unknown")
    assert problem(await client.post(path.format("p2"))) == (403, "role-missing")
    known.clock.advance(hours=2)
    assert (await client.post(path.format("p1"), headers=mine)).json() == first.json()
    late = await client.post(path.format("p2"), headers=mine)
    assert problem(late) == (409, "withdrawal-too-late")
    assert (await client.get("/campaigns/c1")).json()["figures"]["count"] == 1


def rows() -> Counter[str]:
    """Return how many rows of reports have been counted, by outcome."""
    name = "sosst_funding_import_rows_total"
    outcomes = ("new", "known", "refused", "unwritten")
    return Counter(
        {one: int(REGISTRY.get_sample_value(name, {"outcome": one}) or 0) for one in outcomes}
    )


async def test_a_report_is_judged_and_imported(client: httpx.AsyncClient) -> None:
    """Dry unless told otherwise; what is no report or no format is a clear problem."""
    path = "/campaigns/c1/pledges/import"
    columns = "pledge_id,backer_id,amount,status,occurred_at,provider,payment_reference"
    row = "p7,b7,6.00,pending,2026-03-01T12:00:00Z,sandbox,ch7"
    body = {"csv": f"{columns},Email\n{row},a@b.org"}
    before = rows()
    dry = (await client.post(path, json=body)).json()
    assert (dry["written"], dry["new"], dry["contact_columns"]) == (False, 1, ["Email"])
    assert (await client.get("/campaigns/c1")).json()["figures"]["raised"] == 0
    wet = (await client.post(f"{path}?dry_run=false", json=body)).json()
    assert wet["written"] and wet["rows"] == dry["rows"]
    assert (await client.get("/campaigns/c1")).json()["figures"]["raised"] == 600
    assert (await client.post(f"{path}?dry_run=false", json=body)).json()["known"] == 1
    assert rows() - before == Counter(new=1, known=1)
    mixed = {"csv": body["csv"] + "\np8,b8,6.00,pending,2026-03-01T12:00:00Z,sandbox,ch8,"}
    mixed["csv"] += "\np9,b9,six,pending,2026-03-01T12:00:00Z,sandbox,ch9,"
    assert not (await client.post(f"{path}?dry_run=false", json=mixed)).json()["written"]
    assert rows() - before == Counter(new=1, known=2, unwritten=1, refused=1)
    for bad, name in (
        ({"csv": "x"}, "column-missing"),
        (body | {"format": "other"}, "invalid-request"),
        (body | {"columns": {"amount": "Email"}}, "contact-column"),
        (body | {"columns": {"colour": "Colour"}}, "unknown-field"),
    ):
        assert problem(await client.post(path, json=bad)) == (422, name)
    assert problem(await client.post("/campaigns/c9/pledges/import", json=body))[0] == 404


async def test_a_campaign_is_cancelled(client: httpx.AsyncClient) -> None:
    """By its creator with a reason, once; it says so to everybody, and a met goal stays met."""
    path, mine = "/campaigns/c1/cancellation", bearer(creator("creator-1"))
    assert problem(await client.post(path, json={}, headers=mine)) == (422, "invalid-request")
    empty = await client.post(path, json={"reason": "  "}, headers=mine)
    assert problem(empty) == (422, "reason-missing")
    first = await client.post(path, json={"reason": "It is over."}, headers=mine)
    assert first.status_code == 200 and first.json()["state"] == "cancelled"
    again = await client.post(path, json={"reason": "It is over."}, headers=mine)
    assert again.json() == first.json()
    other = await client.post(path, json={"reason": "Other."}, headers=mine)
    assert problem(other) == (409, "already-cancelled")
    client.headers.pop("authorization")
    shown = (await client.get("/campaigns/c1")).json()
    assert shown["cancellation"]["reason"] == "It is over."


async def test_a_met_goal_is_cancelled_by_staff_alone(
    client: httpx.AsyncClient, known: Funding
) -> None:
    """409 by name for its creator; staff end it, once, and it shows both its ends."""
    await client.post("/campaigns/c1/payments", json=PAYMENT | {"money": LAUNCH["goal"]})
    known.clock.advance(hours=2)
    assert (await known.settled()).verdict is not None
    path, body = "/campaigns/c1/cancellation", {"reason": "Fraud."}
    refused = await client.post(path, json=body, headers=bearer(creator("creator-1")))
    assert problem(refused) == (409, "cancellation-after-verdict")
    first = await client.post(path, json=body, headers=bearer(Caller("staff-1", ("staff",))))
    assert first.status_code == 200, first.text
    shown = first.json()
    assert (shown["state"], shown["verdict"]["outcome"]) == ("cancelled", "goal_met")
    again = await client.post(path, json=body, headers=bearer(Caller("staff-1", ("staff",))))
    assert again.json() == shown


async def test_other_content_is_409_and_what_is_not_there_404(client: httpx.AsyncClient) -> None:
    """Also another campaign's pledge."""
    assert problem(await client.put("/campaigns/c1", json=LAUNCH | {"title": "Other"})) == (
        409,
        "campaign-exists",
    )
    await client.post("/campaigns/c1/payments", json=PAYMENT)
    changed = PAYMENT | {"money": {"amount": 601, "currency": "EUR"}}
    answer = await client.post("/campaigns/c1/payments", json=changed)
    assert problem(answer) == (409, "payment-conflict")
    assert problem(await client.post("/campaigns/c9/payments", json=PAYMENT))[0] == 404
    await client.put("/campaigns/c2", json=LAUNCH)
    assert problem(await client.get("/campaigns/c2/pledges/p1")) == (404, "pledge-unknown")


@pytest.mark.parametrize(
    ("caller", "shown"),
    [
        (None, False),
        (creator("creator-2"), False),
        (Caller("creator-1", ("backer",)), False),
        (creator("creator-1"), True),
        (STAFF, True),
    ],
    ids=str,
)
async def test_what_the_verdict_waits_for_is_shown_to_creator_and_staff(
    client: httpx.AsyncClient, caller: Caller | None, shown: bool
) -> None:
    """Everybody else sees the same campaign with null there."""
    client.headers.pop("authorization")
    answer = await client.get("/campaigns/c1", headers=bearer(caller) if caller else {})
    assert answer.status_code == 200
    assert (answer.json()["settling"] is not None) is shown


async def test_a_creator_launches_no_campaign_for_another(client: httpx.AsyncClient) -> None:
    """403, and there is no campaign."""
    headers = bearer(creator("creator-2"))
    assert problem(await client.put("/campaigns/c2", json=LAUNCH, headers=headers)) == (
        403,
        "role-missing",
    )
    assert problem(await client.get("/campaigns/c2")) == (404, "campaign-unknown")


@pytest.mark.parametrize(
    "terms",
    [
        {"stage_shares_basis_points": [10_000, 0, 0], "platform_fee_basis_points": 0},
        {"platform_fee_basis_points": 0},
        {"dispute_reserve_basis_points": 10_000},
    ],
)
async def test_a_creator_names_no_terms(client: httpx.AsyncClient, terms: dict[str, Any]) -> None:
    """Nobody takes all of the money with the first stage, or for nothing, by saying so."""
    headers, named = bearer(creator("creator-1")), LAUNCH | {"terms": terms}
    assert problem(await client.put("/campaigns/c2", json=named, headers=headers)) == (
        403,
        "role-missing",
    )
    assert problem(await client.get("/campaigns/c2")) == (404, "campaign-unknown")
    launched = await client.put("/campaigns/c2", json=LAUNCH | {"terms": {}}, headers=headers)
    shares = launched.json()["terms"]["stage_shares_basis_points"]
    assert shares == list(TERMS.stage_shares_basis_points)
