"""An inbox: what is unread is counted, what is hidden left out, and neither costs what is old."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import backer
from infra.servicekit.tests.costs import Cost, cost_of
from notifier.handlers.people import erase_person
from servicekit.mongo import Database
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    Notifier,
    pledges,
    refunded,
    settle,
    update,
)
from services.notifier.tests.conftest import mongo_notifier

ANNA = backer("anna")
INBOX = "/people/anna/inbox"


@pytest.fixture
async def client(notifier: Notifier) -> AsyncIterator[httpx.AsyncClient]:
    async with notifier.http(ANNA) as made:
        yield made


async def tell(notifier: Notifier) -> None:
    """Tell Anna of an update and of three refunds behind it, Ben of the update alone."""
    await notifier.hear(*pledges(["anna", "ben"]), update(2, 2))
    await notifier.hear(*(refunded("anna", number) for number in (1, 2, 3)))
    await settle(notifier)


async def test_unread_and_hidden(notifier: Notifier, client: httpx.AsyncClient) -> None:
    """Read by the watermark, hidden one by one and shown again; whoever is erased hid nothing."""
    await tell(notifier)
    page = (await client.get(INBOX)).json()
    newest, *_, oldest = [one["notification_id"] for one in page["items"]]
    assert (page["unread"], len(page["items"])) == (4, 4)
    for _ in range(2):
        for one in (newest, oldest):
            assert (await client.put(f"{INBOX}/hidden/{one}")).json()["hidden"] is True
    page = (await client.get(INBOX, params={"limit": 4})).json()
    assert (page["unread"], len(page["items"])) == (2, 2) and page["next_cursor"]
    await client.put(f"{INBOX}/read", json={"up_to": (NOW + timedelta(seconds=1)).isoformat()})
    assert (await client.get(INBOX)).json()["unread"] == 1
    await client.delete(f"{INBOX}/hidden/{newest}")
    page = (await client.get(INBOX)).json()
    assert (page["unread"], len(page["items"])) == (2, 3)
    await notifier.units.run(lambda unit: erase_person(unit, "anna", NOW))
    assert (await client.get(INBOX)).json()["unread"] == 4


async def test_only_what_one_was_told_can_be_hidden(
    notifier: Notifier, client: httpx.AsyncClient
) -> None:
    """Another's notification, one that never was, and what is no id: like none."""
    await tell(notifier)
    ben = bearer(backer("ben"))
    theirs = (await client.get("/people/ben/inbox", headers=ben)).json()["items"]
    for one in (theirs[0]["notification_id"], "0" * 32, "f" * 32):
        assert (await client.put(f"{INBOX}/hidden/{one}")).status_code == 404
    assert (await client.put(f"{INBOX}/hidden/nonsense")).status_code == 422
    shown = (await client.get("/people/ben/inbox", headers=ben)).json()
    assert (shown["unread"], len(shown["items"])) == (1, 1)


async def test_what_is_unread_of_ten_thousand_is_counted_to_a_hundred(database: Database) -> None:
    """By the inbox's index, no further than what is said; of what others were told nothing."""
    await database.collection("chunks").insert_many(
        [
            {
                "_id": f"{person}-{number}",
                "recipients": [person],
                "campaign_id": CAMPAIGN,
                "caused_at": NOW + timedelta(seconds=number),
                "state": "done",
            }
            for number in range(10_000)
            for person in ("anna", "ben")
        ]
    )
    queries, read_until = mongo_notifier(database).queries, NOW + timedelta(seconds=5_000)
    cost = await cost_of(database, lambda: queries.unread("anna", read_until, 100), "chunks")
    assert cost == Cost(documents=100, keys=100, returned=1)
