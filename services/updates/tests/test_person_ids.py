"""People keep the ids that their issuer gives them: in paths, in lists, and on the topic."""

from collections.abc import Sequence
from urllib.parse import quote

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import Caller, backer, creator
from services.updates.tests.conftest import UpdatesService, memory_service
from services.updates.tests.routes import api_of, client_of
from services.updates.tests.test_tracking_handlers import CAMPAIGN, REWARD, changes
from sosst_contracts import funding
from sosst_contracts.testing import sample

PEOPLE = [
    "auth0|7",
    "auth0",
    "7",
    "ann@example.org",
    "'@ann",
    "@ann",
    'o\'neil, "the lamp"',
    "zoë",
    "$where",
    "%7C",
    "e\u0301" * 100,
]
BASE = f"/campaigns/{CAMPAIGN}"
SENT = {"state": "shipped"}


async def met(service: UpdatesService, people: Sequence[str] = PEOPLE) -> UpdatesService:
    """A campaign that met its goal; the first of these people owns it, the others are owed."""
    owner, *owed = people
    named = {"creator_id": owner}
    await service.hear(
        (sample(funding.CampaignLaunched, **named), 1),
        (sample(funding.VerdictReached, **named), 2),
    )
    for number, person in enumerate(owed, start=1):
        pledge = {"pledge_id": f"pledge-{number}", "backer_id": person, "reward_id": REWARD}
        await service.hear((sample(funding.PledgeCollected, **pledge), number))
    return service


async def ask(
    client: httpx.AsyncClient, method: str, path: str, caller: Caller, body: object = None
) -> httpx.Response:
    return await client.request(method, f"{BASE}{path}", json=body, headers=bearer(caller))


def delivery(person: str) -> str:
    return f"/deliveries/{REWARD}/{quote(person, safe='')}"


async def test_a_reward_is_its_backers_whatever_they_are_called(service: UpdatesService) -> None:
    """Moved in a path or by a list that was read, shown to them alone, told to the letter."""
    await met(service)
    owner, *owed = PEOPLE
    async with client_of(api_of(service)) as client:
        for person in owed:
            moved = await ask(client, "PUT", delivery(person), creator(owner), SENT)
            assert (moved.status_code, moved.json()["backer_id"]) == (200, person)
            for one in PEOPLE:
                shown = await ask(client, "GET", delivery(person), backer(one))
                assert shown.status_code == (200 if one == person else 404), one
            (mine,) = (await ask(client, "GET", "/deliveries", backer(person))).json()["items"]
            assert mine["backer_id"] == person
        listed = await ask(client, "GET", f"/delivery-lists/{REWARD}", creator(owner))
        back = {"csv": listed.text.replace(",shipped,", ",delivered,")}
        path = "/delivery-lists?dry_run=false"
        report = (await ask(client, "POST", path, creator(owner), back)).json()
        assert (report["changed"], report["refused"]) == (len(owed), 0), report
        page = await ask(client, "GET", f"/deliveries/{REWARD}?limit=200", creator(owner))
        assert {one["backer_id"]: one["state"] for one in page.json()["items"]} == dict.fromkeys(
            owed, "delivered"
        )
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            query = {"limit": "1", "cursor": cursor}
            answer = await client.get(
                f"{BASE}/deliveries/{REWARD}", params=query, headers=bearer(creator(owner))
            )
            found += [one["backer_id"] for one in answer.json()["items"]]
            cursor = answer.json()["next_cursor"]
        assert found == sorted(owed)
    told = [(state, who) for state, who_moved in await changes(service) for who in who_moved]
    assert sorted(told) == sorted((s, one) for one in owed for s in ("shipped", "delivered"))


async def test_a_team_does_what_it_may_whatever_they_are_called(service: UpdatesService) -> None:
    """Whoever sends rewards for the owner sends them, and nobody whose id is only like theirs."""
    owner, helper, *others = PEOPLE
    await met(service, [owner, *others])
    members = [{"person_id": helper, "roles": ["fulfilment"]}]
    await service.hear((sample(funding.TeamChanged, members=members), 3))
    async with client_of(api_of(service)) as client:
        for one in others:
            refused = await ask(client, "PUT", delivery(others[0]), Caller(one), SENT)
            assert refused.status_code == 404, one
        moved = await ask(client, "PUT", delivery(others[0]), Caller(helper), SENT)
        assert moved.status_code == 200


@pytest.mark.parametrize("nobody", ["a\n", "\x00", "a\x7f", "x" * 201], ids=repr)
async def test_what_is_nobodys_id_is_named_by_its_place(nobody: str) -> None:
    """Too long, or with a control character: 422, and nothing is looked for."""
    async with client_of(api_of(await met(memory_service()))) as client:
        answer = await ask(client, "PUT", delivery(nobody), creator(PEOPLE[0]), SENT)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-request")
    assert [one["where"] for one in answer.json()["errors"]] == ["path/backer_id"]
