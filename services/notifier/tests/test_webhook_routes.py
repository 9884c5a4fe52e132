"""The routes of webhook endpoints: what is registered, refused, shown once and replayed."""

from collections.abc import AsyncIterator

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import SERVICE, STAFF, Caller
from services.notifier.tests.builders import NOW, Notifier, collected, memory_notifier

PATH = "/webhook-endpoints/crm"
BODY = {"url": "https://crm.example/hook"}


@pytest.fixture
def notifier() -> Notifier:
    return memory_notifier()


@pytest.fixture
async def client(notifier: Notifier) -> AsyncIterator[httpx.AsyncClient]:
    async with notifier.http(SERVICE) as opened:
        yield opened


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"url": "http://crm.example/hook"}, "url-not-https"),
        ({"url": "https://user:secret@crm.example/"}, "url-odd"),
        ({"url": "https://crm.example/#part"}, "url-odd"),
        ({"url": "ftp://crm.example/"}, "invalid-request"),
        ({"url": "crm.example"}, "invalid-request"),
        ({**BODY, "types": ["sosst.funding.surprise.v1"]}, "type-unknown"),
        ({**BODY, "types": ["sosst.notifier.backer-notified.v1"]}, "type-unknown"),
        ({**BODY, "campaigns": []}, "invalid-request"),
    ],
)
async def test_an_odd_registration_is_refused_by_name(
    client: httpx.AsyncClient, body: dict[str, object], refusal: str
) -> None:
    """No plain http, no passwords in addresses, no facts that are not in the feed."""
    answer = await client.put(PATH, json=body)
    assert answer.status_code == 422 and answer.json()["type"] == f"/problems/{refusal}"
    assert (await client.get(PATH)).status_code == 404


async def test_a_secret_is_shown_to_who_made_it_and_soon_to_nobody(
    client: httpx.AsyncClient, notifier: Notifier
) -> None:
    """The same request has the same answer for ten minutes; reading shows names only."""
    first = await client.put(PATH, json=BODY)
    again = await client.put(PATH, json=BODY)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json() and first.json()["secret"].startswith("whsec_")
    by_staff = await client.put(PATH, json=BODY, headers=bearer(STAFF))
    assert by_staff.status_code == 200 and by_staff.json()["secret"] is None
    assert (await client.get(PATH)).json()["secret"] is None
    notifier.clock.advance(seconds=600)
    assert (await client.put(PATH, json=BODY)).json()["secret"] is None
    new = (await client.put(f"{PATH}/secrets/next")).json()["secret"]
    assert new is not None and new != first.json()["secret"]
    left = await client.delete(f"{PATH}/secrets/first")
    assert [one["secret_id"] for one in left.json()["secrets"]] == ["next"]
    last = await client.delete(f"{PATH}/secrets/next")
    assert last.status_code == 409 and last.json()["type"] == "/problems/last-secret"


async def test_another_service_sees_and_changes_nothing(client: httpx.AsyncClient) -> None:
    """Whose an endpoint is, is who registered it; to others it is not there."""
    await client.put(PATH, json=BODY)
    other = bearer(Caller("another", ("service",)))
    for answer in (
        await client.get(PATH, headers=other),
        await client.put(PATH, json=BODY, headers=other),
        await client.put(f"{PATH}/secrets/mine", headers=other),
        await client.put(f"{PATH}/state", json={"enabled": False, "why": "x"}, headers=other),
        await client.put(f"{PATH}/cursor", json={"begin": "now", "why": "x"}, headers=other),
    ):
        assert answer.json()["type"] == "/problems/endpoint-unknown"


async def test_a_cursor_is_the_beginning_an_instant_or_now(
    client: httpx.AsyncClient, notifier: Notifier
) -> None:
    """Each leads to its place in the feed; anything else is refused."""
    notifier.feed.write(NOW, collected(1, "b"))
    await client.put(PATH, json=BODY)
    for begin, place in (
        ("beginning", await notifier.feed.beginning()),
        (NOW.isoformat(), await notifier.feed.at(NOW)),
        ("now", await notifier.feed.end()),
    ):
        answer = await client.put(f"{PATH}/cursor", json={"begin": begin, "why": "a test"})
        endpoint = await notifier.endpoints.endpoint("crm")
        assert answer.status_code == 200 and endpoint is not None
        assert endpoint.cursor == place
    odd = await client.put(f"{PATH}/cursor", json={"begin": "yesterday", "why": "a test"})
    assert odd.status_code == 422
