"""The API over fakes: every route's success, and a clear problem for each bad input."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer, unit_guard
from infra.sandbox.issuer.tokens import STAFF, Caller, backer, creator
from servicekit.problems import install_problems
from services.updates.tests.conftest import UpdatesService, memory_service
from sosst_contracts import funding
from sosst_contracts.testing import sample
from updates.consumer import PLEDGES
from updates.http import build_api

UPDATE = "/campaigns/campaign-1/updates/u1"
BODY: dict[str, Any] = {
    "texts": [{"language": "fr", "title": "Bonjour", "details": "Tout avance."}],
}


@pytest.fixture
async def known() -> UpdatesService:
    """A service that knows one launched campaign with one backer."""
    service = memory_service()
    await service.hear((sample(funding.CampaignLaunched), 1), (sample(funding.PledgeCollected), 1))
    return service


@pytest.fixture
async def client(known: UpdatesService) -> AsyncIterator[httpx.AsyncClient]:
    api = build_api(unit_guard(), known.units, known.queries, known.clock, PLEDGES)
    install_problems(api)
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://updates", headers=bearer(creator("creator-1"))
    ) as client:
        yield client


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["type"].removeprefix("/problems/")


async def test_from_draft_to_page(client: httpx.AsyncClient) -> None:
    """Draft, preview, publish, list, read, and the project that shows it."""
    assert (await client.put(UPDATE, json=BODY)).json()["state"] == "draft"
    audience = (await client.get(f"{UPDATE}/audience")).json()
    assert audience == {"pledges_sequence": 1, "count": 1}
    published = (await client.post(f"{UPDATE}/publish")).json()
    assert published["audience"] == audience
    assert (await client.post(f"{UPDATE}/publish")).json() == published
    page = (await client.get("/campaigns/campaign-1/updates?limit=1")).json()
    assert page["items"] == [published] and page["next_cursor"]
    behind = {"cursor": page["next_cursor"]}
    assert (await client.get("/campaigns/campaign-1/updates", params=behind)).json()["items"] == []
    assert (await client.get(UPDATE)).json() == published
    project = (await client.get("/campaigns/campaign-1")).json()
    assert project["updates"] == [published] and project["figures"]["collected"] == 1999
    assert project["as_of"]["funding.pledges"]["sequence"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"texts": []},
        {"texts": [{"language": "fr", "title": "", "details": "x"}]},
        {"texts": [{"language": "fr", "title": "t" * 141, "details": "x"}]},
        {"texts": [{"language": "fr", "title": "t", "details": "x" * 50_001}]},
        {"texts": [{"language": "not a language", "title": "t", "details": "x"}]},
        {"kind": "emergency"},
        {"visibility": "nobody"},
        {"author_id": "creator-1"},
        {"colour": "red"},
    ],
    ids=str,
)
async def test_a_bad_draft_is_refused_by_its_place(
    client: httpx.AsyncClient, change: dict[str, Any]
) -> None:
    """422 with the place of what is wrong, and nothing is kept."""
    response = await client.put(UPDATE, json=BODY | change)
    assert problem(response) == (422, "invalid-request") and response.json()["errors"]
    assert problem(await client.get(UPDATE)) == (404, "update-unknown")


async def test_two_texts_of_one_language_are_refused(client: httpx.AsyncClient) -> None:
    """The rules of the domain come out as problems too."""
    response = await client.put(UPDATE, json=BODY | {"texts": BODY["texts"] * 2})
    assert problem(response) == (422, "duplicate-language")


async def test_what_is_not_there_is_404(client: httpx.AsyncClient) -> None:
    """Unknown campaigns and updates, also another campaign's update."""
    await client.put(UPDATE, json=BODY)
    for path in (
        "/campaigns/campaign-2",
        "/campaigns/campaign-1/updates/u2",
        "/campaigns/campaign-2/updates/u1",
        "/campaigns/campaign-2/updates/u1/audience",
    ):
        assert problem(await client.get(path))[0] == 404, path
    assert problem(await client.put("/campaigns/campaign-2/updates/u1", json=BODY))[0] == 404
    assert problem(await client.post("/campaigns/campaign-2/updates/u1/publish"))[0] == 404
    assert problem(await client.post("/campaigns/campaign-1/updates/u2/publish"))[0] == 404


async def test_a_published_update_is_not_changed(client: httpx.AsyncClient) -> None:
    """409 for other content, the same answer for the same content."""
    await client.put(UPDATE, json=BODY)
    await client.post(f"{UPDATE}/publish")
    assert (await client.put(UPDATE, json=BODY)).status_code == 200
    other = BODY | {"visibility": "backers"}
    assert problem(await client.put(UPDATE, json=other)) == (409, "already-published")


async def test_nothing_is_reported_after_a_missed_goal(
    client: httpx.AsyncClient, known: UpdatesService
) -> None:
    """409 with a type that says why, for drafts, previews and publications."""
    await client.put(UPDATE, json=BODY)
    await known.hear((sample(funding.VerdictReached, verdict="goal_missed"), 2))
    answers = [
        await client.put(UPDATE, json=BODY | {"visibility": "backers"}),
        await client.get(f"{UPDATE}/audience"),
        await client.post(f"{UPDATE}/publish"),
    ]
    assert {problem(answer) for answer in answers} == {(409, "campaign-missed")}


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "~",
        "2026-03-01T12:00:00~u1",
        "2026-03-01T12:00:00Z~",
        "0001-01-01T00:00:00+14:00~u1",
    ],
)
async def test_a_foreign_cursor_is_refused(client: httpx.AsyncClient, cursor: str) -> None:
    """A cursor that we did not make is a 422, not an accident."""
    response = await client.get("/campaigns/campaign-1/updates", params={"cursor": cursor})
    assert problem(response) == (422, "invalid-cursor")


async def test_an_update_is_written_by_whoever_the_token_names(client: httpx.AsyncClient) -> None:
    """The author is the token's subject; a body cannot say otherwise."""
    assert (await client.put(UPDATE, json=BODY)).json()["author_id"] == "creator-1"
    forged = await client.put(UPDATE, json=BODY | {"author_id": "creator-2"})
    assert problem(forged) == (422, "invalid-request")


@pytest.mark.parametrize(
    ("caller", "shown"),
    [
        (None, ["open"]),
        (backer("backer-2"), ["open"]),
        (creator("creator-2"), ["open"]),
        # Who backs the campaign and calls as somebody else is not shown it as a backer.
        (Caller("backer-1", ("service",)), ["open"]),
        (backer("backer-1"), ["inside", "open"]),
        (creator("creator-1"), ["inside", "open"]),
        (STAFF, ["inside", "open"]),
    ],
    ids=str,
)
async def test_what_is_for_backers_is_shown_to_them_alone(
    client: httpx.AsyncClient, known: UpdatesService, caller: Caller | None, shown: list[str]
) -> None:
    """In lists and in the project view, as for the update itself."""
    for name, visibility in (("open", "public"), ("inside", "backers")):
        path = f"/campaigns/campaign-1/updates/{name}"
        await client.put(path, json=BODY | {"visibility": visibility})
        assert (await client.post(f"{path}/publish")).status_code == 200
        known.clock.advance(seconds=1)
    client.headers.pop("authorization")
    headers = bearer(caller) if caller else {}
    page = (await client.get("/campaigns/campaign-1/updates", headers=headers)).json()["items"]
    project = (await client.get("/campaigns/campaign-1", headers=headers)).json()["updates"]
    assert [one["update_id"] for one in page] == shown
    assert [one["update_id"] for one in project] == shown
