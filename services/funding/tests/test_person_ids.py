"""People keep the ids that their issuer gives them, from the body to the topic."""

import csv
import io
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from funding.http import build_api
from infra.sandbox.issuer.testing import bearer, unit_guard
from infra.sandbox.issuer.tokens import SERVICE, STAFF, Caller, backer, creator
from servicekit.problems import install_problems
from services.funding.tests.conftest import LAUNCH as COMMAND
from services.funding.tests.conftest import Funding, memory_funding
from services.funding.tests.test_http import LAUNCH, PAYMENT, problem
from services.funding.tests.test_import import OWN

PEOPLE = [
    "auth0|7",
    "auth0",
    "7",
    "ann@example.org",
    'o\'neil, "the lamp"',
    "zoë",
    "$where",
    "https://id.example/7",
    "e\u0301" * 100,
]
NOBODY = ["", "a\n", "\x00", "a\x7f", "x" * 201, "\ud800", None, 7]


def client_of(funding: Funding) -> httpx.AsyncClient:
    api = build_api(funding.parts(unit_guard()))
    install_problems(api)
    return httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://funding")


async def ask(
    client: httpx.AsyncClient, method: str, path: str, caller: Caller, body: object = None
) -> httpx.Response:
    return await client.request(method, path, json=body, headers=bearer(caller))


def paid(number: int, person: object) -> dict[str, Any]:
    names = {
        "pledge_id": f"p{number}",
        "payment_reference": f"ch{number}",
        "balance_transaction": f"txn{number}",
    }
    return PAYMENT | names | {"backer_id": person, "money": {"amount": 100, "currency": "EUR"}}


async def told(funding: Funding, event: str, field: str) -> list[Any]:
    return [getattr(one, field) for one in await funding.published(event)]


async def test_a_campaign_is_its_creators_whatever_they_are_called(funding: Funding) -> None:
    """Launched, with a team, by the subject of the token to the letter; nobody else's."""
    async with client_of(funding) as client:
        for number, person in enumerate(PEOPLE):
            path, own = f"/campaigns/c{number}", creator(person)
            launched = await ask(client, "PUT", path, own, LAUNCH | {"creator_id": person})
            assert (launched.status_code, launched.json()["creator_id"]) == (201, person)
            others = [one for one in PEOPLE if one != person]
            team = {"members": [{"person_id": one, "roles": ["editor"]} for one in others]}
            for other in others:
                answer = await ask(client, "PUT", f"{path}/team", creator(other), team)
                assert problem(answer) == (404, "campaign-unknown"), other
            changed = await ask(client, "PUT", f"{path}/team", own, team)
            members = (await ask(client, "GET", f"{path}/team", own)).json()["members"]
            assert changed.json()["members"] == members
            assert [one["person_id"] for one in members] == [person, *sorted(others)]
    assert await told(funding, "campaign-launched", "creator_id") == PEOPLE
    teams = await told(funding, "team-changed", "members")
    assert [{one.person_id for one in team} for team in teams] == [set(PEOPLE)] * len(PEOPLE)


async def test_a_pledge_is_its_backers_whatever_they_are_called(funding: Funding) -> None:
    """Paid by a body or a report, read and taken back by that person alone, told to the letter."""
    rows = io.StringIO()
    reported = csv.writer(rows, lineterminator="\n")
    reported.writerow(OWN.split(","))
    async with client_of(funding) as client:
        await ask(client, "PUT", "/campaigns/c1", SERVICE, LAUNCH)
        for number, person in enumerate(PEOPLE):
            path = "/campaigns/c1/payments"
            answer = await ask(client, "POST", path, SERVICE, paid(number, person))
            assert (answer.status_code, answer.json()["backer_id"]) == (200, person)
            row = ["", "1.00", "EUR", "captured", "2026-03-01T12:00:00Z", "sandbox"]
            names = [f"ch-{number}", "0.10", f"txn-{number}"]
            reported.writerow([f"p-{number}", person, *row, *names])
        path, body = "/campaigns/c1/pledges/import?dry_run=false", {"csv": rows.getvalue()}
        report = (await ask(client, "POST", path, STAFF, body)).json()
        assert (report["new"], report["refused"]) == (len(PEOPLE), 0), report
        collected = await told(funding, "pledge-collected", "backer_id")
        assert collected == [*PEOPLE, *PEOPLE]
        for number, person in enumerate(PEOPLE):
            for pledge in (f"/campaigns/c1/pledges/p{number}", f"/campaigns/c1/pledges/p-{number}"):
                for one in PEOPLE:
                    answer = await ask(client, "GET", pledge, backer(one))
                    assert answer.status_code == (200 if one == person else 404), one
                back = await ask(client, "POST", f"{pledge}/withdrawal", backer(person))
                assert (back.status_code, back.json()["backer_id"]) == (200, person)


@pytest.mark.parametrize("nobody", NOBODY, ids=repr)
async def test_what_is_nobodys_id_is_named_by_its_field(nobody: object) -> None:
    """Empty, too long, no text, or with a control character: 422, and nothing of it is kept."""
    member = {"person_id": nobody, "roles": ["editor"]}
    async with client_of(memory_funding()) as client:
        await ask(client, "PUT", "/campaigns/c1", SERVICE, LAUNCH)
        for method, path, caller, body, where in (
            ("PUT", "/campaigns/c2", SERVICE, LAUNCH | {"creator_id": nobody}, "body/creator_id"),
            ("POST", "/campaigns/c1/payments", SERVICE, paid(1, nobody), "body/backer_id"),
            (
                "PUT",
                "/campaigns/c1/team",
                creator("creator-1"),
                {"members": [member]},
                "body/members/0/person_id",
            ),
        ):
            headers = bearer(caller) | {"Content-Type": "application/json"}
            # Pure ASCII, so that a half of a surrogate pair arrives as well.
            answer = await client.request(method, path, content=json.dumps(body), headers=headers)
            assert problem(answer) == (422, "invalid-request")
            assert [one["where"] for one in answer.json()["errors"]] == [where]


@pytest.mark.parametrize("cell", ["b\n", "\x1fb", "b\x1c", "b\u00a0", "\x85b"], ids=repr)
async def test_a_report_credits_nobody_else(cell: str) -> None:
    """Blanks that are no padding are not taken away: without them it would be somebody."""
    rows = io.StringIO()
    reported = csv.writer(rows, lineterminator="\n")
    reported.writerow(OWN.split(","))
    money = ["", "1.00", "EUR", "captured", "2026-03-01T12:00:00Z", "sandbox"]
    for number, backer_id in enumerate((cell, " b ")):
        row = [f"p-{number}", backer_id, *money, f"ch-{number}", "0.10", f"txn-{number}"]
        reported.writerow(row)
    async with client_of(memory_funding()) as client:
        await ask(client, "PUT", "/campaigns/c1", SERVICE, LAUNCH)
        path, body = "/campaigns/c1/pledges/import?dry_run=true", {"csv": rows.getvalue()}
        report = (await ask(client, "POST", path, STAFF, body)).json()
    assert (report["new"], report["refused"]) == (1, 1), report
    assert "backer_id" in str([row for row in report["rows"] if row["pledge_id"] == "p-0"])


async def test_a_team_is_shown_whoever_the_topic_says_owns_the_campaign() -> None:
    """Also with what no body takes: topics know no control characters."""
    funding = memory_funding()
    await funding.launch(replace(COMMAND, creator_id="a\tb"))
    async with client_of(funding) as client:
        answer = await ask(client, "GET", "/campaigns/c1/team", STAFF)
    assert answer.json()["members"] == [{"person_id": "a\tb", "roles": ["owner"]}]
