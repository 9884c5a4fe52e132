"""The routes: inboxes by page and watermark, completeness per cause, refusals as problems."""

from collections.abc import AsyncIterator

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import Caller, backer
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    Notifier,
    memory_notifier,
    pledges,
    refunded,
    settle,
    update,
    verdict,
)

# Reads its own inbox and, as staff, every notice.
READER = Caller("backer-1", ("backer", "staff"))


@pytest.fixture
def notifier() -> Notifier:
    return memory_notifier()


@pytest.fixture
async def client(notifier: Notifier) -> AsyncIterator[httpx.AsyncClient]:
    async with notifier.http(READER) as open_client:
        yield open_client


async def tell(notifier: Notifier) -> None:
    """Tell backer-1 three things and backer-2 two."""
    backers = pledges(["backer-1", "backer-2"])
    await notifier.hear(*backers, verdict(2), update(2, 2), refunded("backer-1", 1))
    await settle(notifier)


async def test_inbox_newest_first(notifier: Notifier, client: httpx.AsyncClient) -> None:
    """A person sees what they were told, newest first, and nothing of anybody else."""
    await tell(notifier)
    body = (await client.get("/people/backer-1/inbox")).json()
    assert body["items"][0]["cause"] == "refund-succeeded/refund-1"
    assert len({item["notification_id"] for item in body["items"]}) == 3
    assert body["next_cursor"] is None
    ben = bearer(backer("backer-2"))
    other = (await client.get("/people/backer-2/inbox", headers=ben)).json()
    assert len(other["items"]) == 2
    nobody = bearer(backer("nobody"))
    assert (await client.get("/people/nobody/inbox", headers=nobody)).json()["items"] == []


async def test_inbox_by_cursor(notifier: Notifier, client: httpx.AsyncClient) -> None:
    """Following the cursor gives every notification once."""
    await tell(notifier)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await client.get("/people/backer-1/inbox", params={"limit": 1, "cursor": cursor})
        seen += [item["notification_id"] for item in answer.json()["items"]]
        cursor = answer.json()["next_cursor"]
    assert len(seen) == len(set(seen)) == 3


async def test_watermark(notifier: Notifier, client: httpx.AsyncClient) -> None:
    """What is older than the watermark is read, what is newer is not, and back is nowhere."""
    await tell(notifier)
    for up_to in (NOW.isoformat(), "2020-01-01T00:00:00Z"):
        answer = await client.put("/people/backer-1/inbox/read", json={"up_to": up_to})
        assert answer.json()["read_until"] == "2026-03-01T12:00:00Z"
    items = (await client.get("/people/backer-1/inbox")).json()["items"]
    assert [item["read"] for item in items] == [False, True, True]


async def test_completeness(notifier: Notifier, client: httpx.AsyncClient) -> None:
    """Each cause shows figures that add up, before and after everybody is told."""
    await notifier.hear(*pledges(["backer-1", "backer-2"]), verdict(2))
    await notifier.plan()
    route = f"/campaigns/{CAMPAIGN}/notices/verdict-reached/{CAMPAIGN}"
    before = (await client.get(route)).json()
    assert (before["audience"], before["pending"], before["complete"]) == (2, 2, False)
    await settle(notifier)
    after = (await client.get(route)).json()
    assert (after["delivered"], after["pending"], after["complete"]) == (2, 0, True)
    for body in (before, after):
        outcomes = ("delivered", "suppressed", "failed", "pending")
        assert sum(body[name] for name in outcomes) == body["audience"] + body["supplements"]
    listed = (await client.get(f"/campaigns/{CAMPAIGN}/notices")).json()["items"]
    assert listed == [after]


async def test_completeness_of_one_person(notifier: Notifier, client: httpx.AsyncClient) -> None:
    """A refund's notice is complete once its one person is told."""
    await notifier.hear(refunded("backer-1", 1))
    route = f"/campaigns/{CAMPAIGN}/notices/refund-succeeded/refund-1"
    assert (await client.get(route)).json()["complete"] is False
    await settle(notifier)
    body = (await client.get(route)).json()
    assert (body["complete"], body["audience"], body["delivered"]) == (True, 1, 1)


async def test_name_of_a_cause_is_its_address(
    notifier: Notifier, client: httpx.AsyncClient
) -> None:
    """Every listed cause is found under its name."""
    await tell(notifier)
    for notice in (await client.get(f"/campaigns/{CAMPAIGN}/notices")).json()["items"]:
        answer = await client.get(f"/campaigns/{CAMPAIGN}/notices/{notice['cause']}")
        assert answer.json() == notice


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/people/backer-1/inbox?cursor=nonsense", None, 422),
        ("GET", "/people/backer-1/inbox?cursor=2026-03-01T12:00:00~x", None, 422),
        ("GET", "/people/backer-1/inbox?cursor=9999-12-31T23:59:59-14:00~x", None, 422),
        ("GET", "/people/backer-1/inbox?limit=0", None, 422),
        ("GET", "/people/backer-1/inbox?limit=201", None, 422),
        ("PUT", "/people/backer-1/inbox/read", {"up_to": "2026-03-01T12:00:00"}, 422),
        ("PUT", "/people/backer-1/inbox/read", {"up_to": NOW.isoformat(), "more": 1}, 422),
        ("PUT", "/people/backer-1/inbox/read", {"up_to": "0001-01-01T00:00:00+14:00"}, 422),
        ("PUT", "/people/backer-1/inbox/read", {"up_to": "9999-12-31T23:59:59-14:00"}, 422),
        ("PUT", "/people/backer-1/inbox/read", {"up_to": 10**30}, 422),
        ("GET", "/campaigns/campaign-1/notices/verdict-reached/other", None, 404),
        ("GET", "/campaigns/other/notices/verdict-reached/campaign-1", None, 404),
        ("GET", "/campaigns/campaign-1/notices/unheard-of/campaign-1", None, 422),
        ("GET", "/nowhere", None, 404),
    ],
)
async def test_refusals(
    notifier: Notifier,
    client: httpx.AsyncClient,
    method: str,
    path: str,
    body: dict[str, object] | None,
    status: int,
) -> None:
    """Bad input gets a problem with a stable type, and another campaign's notice is not shown."""
    await tell(notifier)
    answer = await client.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"].startswith("/problems/")
