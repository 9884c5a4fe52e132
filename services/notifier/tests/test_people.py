"""Who people are: by topic and over HTTP, the latest holds; an erasure leaves only the counts."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import SERVICE, backer
from notifier.domain.person import Person, PersonRole, describe, erase
from notifier.handlers.people import erase_person
from notifier.handlers.recover import RecoverNotifier
from notifier.wire.erasures import erasures_from
from servicekit.own_topics import Unexplained
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    Notifier,
    described,
    memory_notifier,
    refunded,
    settle,
)
from sosst_contracts.codec import tombstone
from sosst_contracts.notifier import PersonErased
from sosst_contracts.platform import PersonDescribed

ANNA = Person("anna", NOW, "anna@example.org", "Anna", "fr", "Europe/Paris")
LATER = NOW + timedelta(hours=1)
BODY = {"address": "anna@example.org", "language": "de-AT", "zone": "Europe/Vienna"}


async def told_erased(notifier: Notifier) -> list[str]:
    return [e.person_id for e in await notifier.facts() if isinstance(e, PersonErased)]


class Mailed:
    """A topic of deliveries on which nothing stands."""

    async def pages(self) -> AsyncIterator[list[str]]:
        for nothing in ():
            yield nothing


async def no_endpoints() -> list[str]:
    return []


async def person(notifier: Notifier, person_id: str = "anna") -> Person | None:
    return (await notifier.units.run(lambda unit: unit.people.load([person_id]))).get(person_id)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    notifier = memory_notifier()
    async with notifier.http() as open_client:
        yield open_client


def test_the_latest_word_holds() -> None:
    """An older one changes nothing, one of the same instant does; an erasure ends what was."""
    moved = replace(ANNA, zone="Asia/Tokyo")
    assert describe(None, ANNA) == ANNA and describe(ANNA, moved) == moved
    assert describe(ANNA, replace(moved, described_at=NOW - timedelta(seconds=1))) == ANNA
    gone = erase(ANNA, NOW)
    assert describe(gone, ANNA) == gone
    assert describe(gone, replace(ANNA, described_at=LATER)).address == ANNA.address


@pytest.mark.parametrize(
    ("language", "ours"), [("fr-CA", "fr"), ("EN", "en"), ("de", "fr"), ("", "fr"), ("fra", "fr")]
)
def test_our_words_are_french_or_english(language: str, ours: str) -> None:
    """Whoever reads neither is written to in French."""
    assert replace(ANNA, language=language).our_language == ours


@pytest.mark.parametrize("zone", ["", "Nowhere/City", "Europe", "../etc/passwd", "x" * 300])
def test_a_zone_that_nobody_knows_is_utc(zone: str) -> None:
    """A person whose zone cannot be read still has a morning."""
    assert NOW.astimezone(replace(ANNA, zone=zone).clock_zone).hour == NOW.hour


async def test_people_are_kept_as_they_were_told(notifier: Notifier) -> None:
    """Whole, by topic; known roles only; those with a role are found in order."""
    staff = [described(name, roles=["staff"]) for name in ("zoe", "ben")]
    await notifier.hear(described(address="a@example.org", roles=["staff", "backer"]), *staff)
    found = await person(notifier)
    assert found is not None and found.address == "a@example.org" and not found.erased
    assert found.roles == {PersonRole.STAFF, PersonRole.BACKER} and found.described_at == NOW

    async def with_role(role: PersonRole) -> list[str]:
        return await notifier.units.run(lambda unit: unit.people.with_role(role))

    assert await with_role(PersonRole.STAFF) == ["anna", "ben", "zoe"]
    assert await with_role(PersonRole.CREATOR) == []


async def test_an_erasure_takes_address_and_words_and_leaves_the_counts(notifier: Notifier) -> None:
    """By topic, twice: the notification is still counted, what it said is gone; others' stays."""
    await notifier.hear(described(address="a@example.org"), refunded("anna", 1), refunded("ben", 2))
    await settle(notifier)
    await notifier.queries.mark_read("anna", NOW)
    for _ in range(2):
        await notifier.hear(tombstone(PersonDescribed, "anna"))
    found = await person(notifier)
    assert found is not None and found.erased and found.address is None
    assert await told_erased(notifier) == ["anna"]
    assert await notifier.queries.read_until("anna") is None
    [entry] = await notifier.queries.inbox("anna", None, 5)
    assert entry.chunk.told.content == {} and entry.chunk.told.campaign_id == CAMPAIGN
    [other] = await notifier.queries.inbox("ben", None, 5)
    assert other.chunk.told.content["refund_id"] == "refund-2"
    # The platform may describe the same person again, and only what is newer counts.
    await notifier.hear(described(address="old@example.org"))
    assert await person(notifier) == found
    await notifier.hear(described(address="new@example.org", described_at=LATER))
    assert (await person(notifier) or ANNA).address == "new@example.org"


async def test_each_erasure_is_told_once_to_whoever_keeps_something(notifier: Notifier) -> None:
    """Also of a person of whom nothing was ever said here, and again of who came back."""
    for _ in range(2):
        await notifier.hear(tombstone(PersonDescribed, "zoe"))
    await notifier.hear(described("zoe"))
    known = await person(notifier, "zoe")
    assert known is not None and not known.erased
    await notifier.hear(tombstone(PersonDescribed, "zoe"))
    assert await told_erased(notifier) == ["zoe", "zoe"]


async def test_who_asks_again_to_be_erased_is_told_of_again(notifier: Notifier) -> None:
    """A token may outlive its person: what was said elsewhere since the first time goes, too."""
    for at in (NOW, LATER):
        await notifier.units.run(lambda unit, at=at: erase_person(unit, "zoe", at))
    assert await told_erased(notifier) == ["zoe", "zoe"]


@pytest.mark.trap(23)
async def test_a_restored_backup_erases_again_who_was_erased_by_its_own_topic(
    notifier: Notifier,
) -> None:
    """An erasure over HTTP stands on no other topic; nobody is told of it again."""
    lived = memory_notifier()
    await lived.units.run(lambda unit: erase_person(unit, "anna", NOW))
    [row] = await lived.outbox.page(10)
    lost = [Unexplained(row.record, "anna", row.sequence, "no row")]
    await notifier.hear(described(address="a@example.org"))
    recovery = RecoverNotifier(notifier.units, Mailed(), no_endpoints, erasures_from)
    for line in ("1 people are erased again", "0 mails that a server had taken are not sent again"):
        assert (await recovery.roll_forward(lost))[-1] == line
    found = await person(notifier)
    assert found is not None and found.erased and await told_erased(notifier) == []


async def test_a_person_and_the_platform_say_the_same_thing(client: httpx.AsyncClient) -> None:
    """Natural key: whoever says it last is right; people cannot make themselves staff."""
    told = BODY | {"roles": ["staff"], "described_at": NOW.isoformat()}
    answer = await client.put("/people/anna", json=told, headers=bearer(SERVICE))
    assert answer.json()["roles"] == ["staff"]
    own = await client.put(
        "/people/anna", json=BODY | {"zone": "UTC"}, headers=bearer(backer("anna"))
    )
    assert (own.json()["zone"], own.json()["roles"]) == ("UTC", ["staff"])
    refused = await client.put("/people/anna", json=told, headers=bearer(backer("anna")))
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/roles-are-told")
    older = BODY | {"described_at": "2026-02-01T00:00:00Z", "zone": "Asia/Tokyo"}
    again = await client.put("/people/anna", json=older, headers=bearer(SERVICE))
    assert again.json() == own.json()


async def test_an_erased_person_is_unknown(client: httpx.AsyncClient) -> None:
    """Erasing again is the same; a description of before brings nothing back."""
    told = BODY | {"described_at": NOW.isoformat()}
    await client.put("/people/anna", json=told, headers=bearer(SERVICE))
    for _ in range(2):
        answer = await client.delete("/people/anna", headers=bearer(backer("anna")))
        assert answer.json() == {"person_id": "anna", "erased": True}
    await client.put("/people/anna", json=told, headers=bearer(SERVICE))
    assert (await client.get("/people/anna", headers=bearer(SERVICE))).status_code == 404


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "no address"},
        {"address": "a@example.org\nBcc: all@example.org"},
        {"address": "anna@example.org, ben@example.org"},
        {"display_name": "Anna\r\nX-Spam: no"},
        {"zone": "Nowhere/City"},
        {"language": "fr_FR"},
        {"roles": ["god"]},
        {"more": 1},
    ],
    ids=str,
)
async def test_what_no_mail_can_be_sent_to_is_refused(
    client: httpx.AsyncClient, changes: dict[str, object]
) -> None:
    """No line breaks, no lists, no unknown zones."""
    answer = await client.put("/people/anna", json=BODY | changes, headers=bearer(SERVICE))
    assert answer.status_code == 422
