"""Whoever wants to be forgotten is: no address, no words; money, counts and proof stay."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.sandbox.issuer.tokens import SERVICE, backer
from infra.suite.checkout import Described
from infra.suite.readings import eventually
from sosst_contracts.codec import tombstone
from sosst_contracts.platform import PersonDescribed
from tests.journeys.test_claims import ask
from tests.journeys.test_community import kinds_told
from tests.journeys.test_problems import REPORT, published
from tests.world import CREATOR, World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAMPAIGN = "forgotten"
ADDRESS = f"canary@{CAMPAIGN}.example"
NAME = "Zoë Canary"
COMMENT, CLAIM, ANSWER = "Canary in a comment", "Canary in a claim", "Canary in an answer"
SURVEY = {
    "language": "en",
    "title": "How?",
    "named": True,
    "questions": [{"question_id": "how", "kind": "text", "words": "How was it?"}],
}


def kept(world: World, service: str) -> str:
    """Return everything that stands in a service's database, as text."""
    with world.database(service) as database:
        names = database.list_collection_names()
        return "\n".join(str(document) for name in names for document in database[name].find())


async def written(world: World, person: str, pledge_id: str) -> None:
    """Given words of a person in a comment, a claim and a named answer."""
    who = backer(person)
    comment = f"/campaigns/{CAMPAIGN}/updates/news/comments/c1"

    async def commented() -> bool:
        said = await world.look.ask("PUT", "updates", comment, caller=who, body={"text": COMMENT})
        assert said.status_code in (200, 404), said.text
        return said.status_code == 200

    await eventually("updates knows who pledged", commented)
    claim = {"pledge_id": pledge_id, "reason": "other", "text": CLAIM}
    await ask(world, "PUT", f"/campaigns/{CAMPAIGN}/claims/k1", who, claim)
    survey = f"/campaigns/{CAMPAIGN}/surveys/s1"
    closes_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    await ask(world, "PUT", survey, CREATOR, SURVEY | {"closes_at": closes_at})
    await ask(world, "POST", f"{survey}/opening", CREATOR)
    await ask(world, "PUT", f"{survey}/answer", who, {"values": {"how": ANSWER}})


async def test_an_erased_person_is_forgotten_and_counted(world: World) -> None:
    """Given a backer who wrote everywhere, the platform's tombstone takes words and address."""
    rows = backers(CAMPAIGN, 4)
    person = rows[0].backer_id
    await world.checkout.describe([Described(person, ADDRESS, NAME, "en")])
    await world.until_known("notifier", f"/people/{person}", caller=SERVICE)
    await world.launch_paid(CAMPAIGN, rows, goal=1_000, open_seconds=3)
    verdict = await world.verdict(CAMPAIGN)
    await published(world, CAMPAIGN, "news", REPORT)
    await written(world, person, rows[0].pledge_id)
    before = {service: kept(world, service) for service in ("updates", "notifier")}
    assert ADDRESS in before["notifier"]
    assert all(words in before["updates"] for words in (COMMENT, CLAIM, ANSWER))

    await world.checkout.tell([tombstone(PersonDescribed, person)])

    async def forgotten() -> bool:
        words = (ADDRESS, NAME, COMMENT, CLAIM, ANSWER)
        places = kept(world, "updates") + kept(world, "notifier")
        return not any(one in places for one in words)

    await eventually("nothing that the person said is anywhere", forgotten)
    assert await world.look.get("notifier", f"/people/{person}", caller=SERVICE) is None
    page = await world.look.get("updates", f"/campaigns/{CAMPAIGN}/updates/news/comments")
    assert page is not None
    (marker,) = page["items"]
    assert (marker["text"], marker["author_id"], marker["erased"]) == (None, None, True)

    await published(world, CAMPAIGN, "later", REPORT)
    notice: dict[str, Any] = await world.told(CAMPAIGN, "update-published", f"{CAMPAIGN}:later")
    assert notice["complete"] and await world.verdict(CAMPAIGN) == verdict
    others = [row.backer_id for row in rows[1:]]
    for other in others:
        assert "update-published" in await kinds_told(world, other)
    world.assert_books_true()
