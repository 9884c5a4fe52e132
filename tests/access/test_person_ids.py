"""Whoever the platform names, by whatever id, reads their own inbox by HTTP and nobody else's."""

from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer, unit_guard
from infra.sandbox.issuer.tokens import SERVICE, backer
from tests.access.applications import untouched

# What issuers call people, and what some reader on the way could take for something else.
ODD = [
    "auth0|5f7c8ec7c33c6c004bbafe82",
    "zo\u00eb@people.example",
    "a b+c",
    "100%",
    "%61nna",
    "%2e%2e",
    "..;",
    "a?b#c&d=e",
    "\u202eright to left",
    "$where",
    "\u00e9",
    "e\u0301",
    "x" * 200,
]
DESCRIBED = {"language": "en", "zone": "UTC"}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    application = await untouched("notifier", unit_guard())
    transport = httpx.ASGITransport(application.api)
    async with httpx.AsyncClient(transport=transport, base_url="http://notifier") as made:
        yield made


def path(person_id: str, rest: str = "") -> str:
    return f"/people/{quote(person_id, safe='')}{rest}"


@pytest.mark.parametrize("person_id", ODD)
async def test_an_odd_id_is_that_persons_and_nobody_elses(
    client: httpx.AsyncClient, person_id: str
) -> None:
    """Percent-encoded in the path, it is the token's subject to the letter."""
    own, service = bearer(backer(person_id)), bearer(SERVICE)
    put = await client.put(path(person_id), headers=service, json=DESCRIBED)
    assert (put.status_code, put.json()["person_id"]) == (200, person_id)
    for rest in ("/inbox", "/preferences", "/follows", "/consents/campaign-1"):
        assert (await client.get(path(person_id, rest), headers=own)).status_code == 200
        for other in [*ODD, "anna", "person-1", ".", "..", "100", "a b c", "where"]:
            if other != person_id:
                theirs = await client.get(path(person_id, rest), headers=bearer(backer(other)))
                assert theirs.status_code == 404, other
    assert (await client.get(path(person_id), headers=own)).json()["person_id"] == person_id
    assert (await client.delete(path(person_id), headers=own)).json()["erased"] is True


@pytest.mark.parametrize(("person_id", "status"), [("a/b", 404), ("a\n", 422), ("x" * 201, 404)])
async def test_what_no_path_can_hold_reaches_nobody(
    client: httpx.AsyncClient, person_id: str, status: int
) -> None:
    """A slash parts a path though it is encoded; a line break would be one of the log."""
    # Signed in as that person where a token can say so, to get as far as the path.
    caller = bearer(backer(person_id[:200]))
    answer = await client.get(path(person_id, "/preferences"), headers=caller)
    assert answer.status_code == status


async def test_no_id_is_a_way_to_another_route(client: httpx.AsyncClient) -> None:
    """An id that ends in the name of a route asks for what the route says, of who it says."""
    anna = bearer(backer("anna"))
    for odd in ("anna/inbox", "../anna", "anna/inbox/read"):
        assert (await client.get(path(odd, "/preferences"), headers=anna)).status_code == 404
