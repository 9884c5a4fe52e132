"""People talk below an update; what is hidden is appealed against, and decided by somebody else."""

from typing import Any

import pytest

from infra.sandbox.issuer.tokens import Caller, backer
from infra.suite.readings import eventually
from tests.journeys.test_claims import ask
from tests.journeys.test_community import kinds_told
from tests.journeys.test_problems import REPORT, published
from tests.journeys.test_stages import FIRST_STAFF, SECOND_STAFF
from tests.world import CREATOR, World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAMPAIGN = "talked"
COMMENTS = f"/campaigns/{CAMPAIGN}/updates/news/comments"
HIDING = f"{COMMENTS}/question/hiding"
WORDS = "When does the lamp leave?"


async def shown(world: World, caller: Caller | None = None) -> list[tuple[str, str | None]]:
    """Return the comments as a caller reads them, newest first."""
    page = await world.look.get("updates", COMMENTS, caller=caller)
    return [(one["comment_id"], one["text"]) for one in (page or {"items": []})["items"]]


async def appeals(world: World) -> list[str]:
    queue = await world.look.pages("updates", "/queues/appeals")
    return [one["comment_id"] for one in queue if one["campaign_id"] == CAMPAIGN]


async def facts(world: World) -> list[dict[str, Any]]:
    """Return what the topic says of the campaign's comments."""
    events = [fact.event for fact in await world.look.events("updates.posts")]
    ours = [one for one in events if one.key == CAMPAIGN and one.name.startswith("comment-")]
    return [{"name": one.name, **one.model_dump()} for one in ours]


@pytest.mark.row("S20")
async def test_a_question_is_answered_hidden_and_shown_again(world: World) -> None:
    """Given an update, a backer asks, the creator answers, staff hide, another person restores."""
    rows = backers(CAMPAIGN, 5)
    person = backer(rows[0].backer_id)
    await world.launch_paid(CAMPAIGN, rows, goal=1_000, open_seconds=3)
    await world.verdict(CAMPAIGN)
    await published(world, CAMPAIGN, "news", REPORT)
    question, answer = {"text": WORDS}, {"text": "On Monday.", "answers": "question"}

    async def written() -> bool:
        path = f"{COMMENTS}/question"
        said = await world.look.ask("PUT", "updates", path, caller=person, body=question)
        assert said.status_code in (200, 404), said.text
        return said.status_code == 200

    await eventually("updates knows who pledged", written)
    assert await written(), "the same again is the same"
    stranger = backer("nobody")
    refused = await world.look.ask(
        "PUT", "updates", f"{COMMENTS}/other", caller=stranger, body=question
    )
    assert refused.status_code == 404
    await ask(world, "PUT", f"{COMMENTS}/answer", CREATOR, answer)
    assert await shown(world) == [("answer", "On Monday."), ("question", WORDS)]

    async def told() -> bool:
        people = (CREATOR.subject, person.subject)
        return all(["comment-added" in await kinds_told(world, one) for one in people])

    await eventually("the creator is told of the question, its writer of the answer", told)

    await ask(world, "PUT", HIDING, FIRST_STAFF, {"reason": "off_topic", "note": "Not here."})
    assert await shown(world) == [("answer", "On Monday."), ("question", None)]
    assert ("question", WORDS) in await shown(world, person)
    await ask(world, "PUT", f"{HIDING}/appeal", person, {"words": "It is about the lamp."})
    assert await appeals(world) == ["question"]
    ruling = {"upheld": False, "words": "It is."}
    same = await world.look.ask(
        "PUT", "updates", f"{HIDING}/ruling", caller=FIRST_STAFF, body=ruling
    )
    assert same.status_code == 409 and same.json()["type"] == "/problems/same-person"
    await ask(world, "PUT", f"{HIDING}/ruling", SECOND_STAFF, ruling)
    assert ("question", WORDS) in await shown(world) and await appeals(world) == []

    async def on_the_topic() -> bool:
        names = [one["name"] for one in await facts(world)]
        return names == ["comment-added", "comment-added", "comment-hidden", "comment-restored"]

    await eventually("the topic has each of it once, in order", on_the_topic)
    assert WORDS not in str(await facts(world)), "no topic carries what people write"
