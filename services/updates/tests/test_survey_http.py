"""Results over HTTP: inert cells, pictures that load nothing, nothing shown that is few."""

from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import backer, creator
from services.updates.tests.conftest import UpdatesService, memory_service
from services.updates.tests.routes import api_of, client_of
from sosst_contracts import funding
from sosst_contracts.testing import sample
from updates.domain.cells import inert

SURVEY = "/campaigns/campaign-1/surveys/s1"
PAYLOAD = '=HYPERLINK("http://evil")<script>alert(1)</script>'
FORM: dict[str, Any] = {
    "language": "en",
    "title": "Colours",
    "closes_at": "2026-03-09T12:00:00Z",
    "questions": [
        {
            "question_id": "colour",
            "kind": "choice",
            "words": f"Which? {PAYLOAD}",
            "options": ["red", PAYLOAD],
        },
        {"question_id": "more", "kind": "text", "words": "More?", "required": False},
    ],
}


@pytest.fixture
async def known() -> UpdatesService:
    """A campaign with six backers."""
    service = memory_service()
    await service.hear((sample(funding.CampaignLaunched), 1))
    for number in range(1, 7):
        pledge = {"pledge_id": f"p{number}", "backer_id": f"b{number}"}
        await service.hear((sample(funding.PledgeCollected, **pledge), number))
    return service


@pytest.fixture
async def client(known: UpdatesService) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(api_of(known), creator("creator-1")) as client:
        yield client


async def opened(client: httpx.AsyncClient, **changes: Any) -> None:
    assert (await client.put(SURVEY, json=FORM | changes)).status_code == 200
    assert (await client.post(f"{SURVEY}/opening")).json()["state"] == "open"


async def answer(client: httpx.AsyncClient, number: int, values: dict[str, Any]) -> httpx.Response:
    body = {"ballot": f"{number:043}", "values": values}
    headers = bearer(backer(f"b{number}"))
    return await client.put(f"{SURVEY}/answer", json=body, headers=headers)


@pytest.mark.row("S17")
async def test_results_as_table_csv_and_picture_hurt_nobody(client: httpx.AsyncClient) -> None:
    """Five answers with a payload in each place where a person can write."""
    await opened(client)
    for number in range(1, 6):
        said = await answer(client, number, {"colour": PAYLOAD, "more": PAYLOAD})
        assert said.status_code == 200, said.text
    results = (await client.get(f"{SURVEY}/results")).json()
    assert results["questions"][0]["rows"][1] == {"value": PAYLOAD, "count": 5}
    assert results["questions"][1]["texts"] == [PAYLOAD] * 5

    sheet = await client.get(f"{SURVEY}/results.csv")
    assert sheet.headers["content-type"].startswith("text/csv")
    assert sheet.text.count("'=HYPERLINK") == 10 and '"=HYPERLINK' not in sheet.text

    picture = await client.get(f"{SURVEY}/questions/colour/chart.svg")
    assert picture.headers["content-type"] == "image/svg+xml"
    root = ElementTree.fromstring(picture.content)
    names = {element.tag.rsplit("}", 1)[-1] for element in root.iter()}
    assert names == {"svg", "title", "desc", "text", "rect"}
    for element in root.iter():
        assert not any("href" in name or name.startswith("on") for name in element.attrib)


@pytest.mark.row("S17")
async def test_few_anonymous_answers_are_shown_in_no_form(client: httpx.AsyncClient) -> None:
    """Four: how many there are, and nothing of what they say."""
    await opened(client)
    for number in range(1, 5):
        await answer(client, number, {"colour": "red", "more": "Me!"})
    results = await client.get(f"{SURVEY}/results")
    assert results.json()["answers"] == 4 and "Me!" not in results.text
    assert all(one["hidden"] for one in results.json()["questions"])
    for path in ("results.csv", "questions/colour/chart.svg"):
        assert (await client.get(f"{SURVEY}/{path}")).status_code == 409


async def test_a_ballot_that_could_be_guessed_is_refused(client: httpx.AsyncClient) -> None:
    """A person's id, or anything that is not 32 bytes in base64url, hides nobody."""
    await opened(client)
    headers = bearer(backer("b1"))
    for ballot in ("b1", "x" * 42, "é" * 43):
        body = {"ballot": ballot, "values": {"colour": "red"}}
        said = await client.put(f"{SURVEY}/answer", json=body, headers=headers)
        assert said.status_code == 422


async def test_a_draft_is_not_shown_to_backers(client: httpx.AsyncClient) -> None:
    """They see it, and whether it is by name, once it is open."""
    await client.put(SURVEY, json=FORM)
    headers = bearer(backer("b1"))
    assert (await client.get(SURVEY, headers=headers)).status_code == 404
    page = (await client.get("/campaigns/campaign-1/surveys", headers=headers)).json()
    assert page["items"] == []
    await client.post(f"{SURVEY}/opening")
    shown = (await client.get(SURVEY, headers=headers)).json()
    assert next(iter(shown)) == "named" and shown["named"] is False


async def test_the_template_can_be_put_as_it_is(client: httpx.AsyncClient) -> None:
    """A feedback form without an end."""
    form = (await client.get("/survey-templates/feedback?language=fr")).json()
    assert (await client.put(SURVEY, json=form)).json()["kind"] == "feedback"


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@x", "\t=1", "  =1", "＝1"])
def test_a_cell_that_a_spreadsheet_would_compute_is_text(cell: str) -> None:
    """Also behind blanks, and in wide characters; other cells stay as they are."""
    assert inert(cell) == f"'{cell}"
    assert inert("red = 1") == "red = 1"
