"""After a failure: old backers say what they want to hear, and hear that and nothing else."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from infra.sandbox.issuer.tokens import SERVICE, backer
from infra.servicekit.tests.forms import press
from infra.suite.checkout import Described
from infra.suite.readings import eventually
from tests.journeys.test_claims import ask
from tests.world import CREATOR, CURRENCY, World, assert_everybody_told_once, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADDRESS = "kim@failed.example"
NEWS: dict[str, Any] = {
    "kind": "news",
    "texts": [{"language": "en", "title": "We are still here", "details": "Come and see us."}],
    "parts": {
        "event": {
            "starts_at": "2030-04-01T18:00:00Z",
            "ends_at": "2030-04-01T20:00:00Z",
            "zone": "Europe/Paris",
            "place": "12 rue des Lampes",
        }
    },
}
WHY = {
    "language": "en",
    "title": "Why not?",
    "questions": [
        {
            "question_id": "why",
            "kind": "choice",
            "words": "What kept others away?",
            "options": ["price", "colour"],
        },
    ],
}
WORDS = {
    "language": "en",
    "strategy": "A smaller lamp at half the price.",
    "schedule": "Moulds in May, lamps in July.",
    "promotion": "A tour of twelve fairs.",
    "changes": "The price.",
}


async def kinds_told(world: World, person: str) -> list[str]:
    """Return what stands in a person's inbox."""
    path = f"/people/{person}/inbox"
    inbox = await world.look.get("notifier", path, caller=backer(person))
    return [item["kind"] for item in (inbox or {"items": []})["items"]]


async def chosen_by_mail(world: World) -> None:
    """Keep in touch, by the button behind the link of a mail; to look at it chooses nothing."""
    link = await world.link_in_mail(ADDRESS, "/personal")
    headers = {"Accept-Language": "en"}
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=30) as browser:
        for _ in range(2):
            page = await browser.get(link)
            assert "Nothing more" in page.text, page.text
        for _ in range(2):
            chosen = await press(browser, page, ".*choice=keep_in_touch")
            assert chosen.status_code == 200 and "All of its news" in chosen.text


async def news_told(world: World, people: list[str], keeps_in_touch: str) -> None:
    """News of what has failed: a notification for everybody, told to who wanted to hear it."""
    path = "/campaigns/failed/updates/open-day"
    for method, where, body in (("PUT", path, NEWS), ("POST", f"{path}/publish", None)):
        answer = await world.look.ask(method, "updates", where, caller=CREATOR, body=body)
        assert answer.status_code == 200, answer.text
    notice = await world.told("failed", "update-published", "failed:open-day")
    assert (notice["audience"], notice["delivered"], notice["suppressed"]) == (5, 1, 4)
    told = await world.notifications()
    assert_everybody_told_once(told["update-published/failed:open-day"], people)
    heard = [person for person in people if "update-published" in await kinds_told(world, person)]
    assert heard == [keeps_in_touch]
    calendar = await world.look.ask("GET", "updates", f"{path}/event.ics", caller=None)
    assert calendar.status_code == 200 and "DTSTART:20300401T180000Z" in calendar.text
    feed = await world.look.get("updates", "/campaigns/failed/feed.json", caller=None)
    assert feed is not None
    assert [one["title"] for one in feed["items"]] == ["We are still here"]
    # What a link to it is shown as, where somebody shares it.
    shared = await world.look.get("updates", f"{path}/open-graph", caller=None)
    assert shared is not None
    assert (shared["type"], shared["title"]) == ("article", "We are still here")
    assert shared["url"].endswith(path)


async def backers_say_why(world: World, people: list[str]) -> None:
    """The creator asks, all of them answer, and the survey is closed."""
    survey = "/campaigns/failed/surveys/why"
    end = (datetime.now(UTC) + timedelta(days=5)).isoformat()
    await ask(world, "PUT", survey, CREATOR, WHY | {"closes_at": end})
    await ask(world, "POST", f"{survey}/opening", CREATOR)
    for person in people:
        said = {"ballot": secrets.token_urlsafe(32), "values": {"why": "price"}}
        await ask(world, "PUT", f"{survey}/answer", backer(person), said)
    await ask(world, "POST", f"{survey}/closing", CREATOR)


async def a_letter_cites_what_backers_said(world: World) -> None:
    """Anybody reads it beside the differences; the counts are the closed survey's."""
    letter = "/campaigns/another-try/relaunch-letter"
    await world.until_known("updates", "/campaigns/another-try")
    await ask(world, "PUT", letter, CREATOR, {"texts": [WORDS], "surveys": ["why"]})
    read = await world.look.get("updates", letter, caller=None)
    assert read is not None and read["relaunch_of"] == "failed"
    differences = {one["field"]: one["new"] for one in read["differences"]}
    assert differences["title"] == "A smaller lamp" and differences["goal"] == "1000"
    assert read["surveys"][0]["questions"][0]["rows"] == [
        {"value": "price", "count": 5},
        {"value": "colour", "count": 0},
    ]


@pytest.mark.row("S15")
@pytest.mark.row("S16")
async def test_a_relaunch_is_told_to_old_backers_who_agreed(world: World) -> None:
    """Given a missed goal, news and a relaunch are told to who asked for them, to nobody else.

    A letter says what is different, with what a survey of the old backers came to.
    """
    rows = backers("failed", 5)
    people = [row.backer_id for row in rows]
    await world.checkout.describe([Described(people[1], ADDRESS, "Kim", "en")])
    await world.until_known("notifier", f"/people/{people[1]}", caller=SERVICE)
    await world.launch_paid("failed", rows, goal=10_000_000, open_seconds=3)
    await world.verdict("failed")
    await world.told("failed", "verdict-reached", "failed")
    await chosen_by_mail(world)
    for person, choice in ((people[0], "relaunch"), (people[2], "nothing")):
        answer = await world.look.ask(
            "PUT",
            "notifier",
            f"/people/{person}/consents/failed",
            caller=backer(person),
            body={"choice": choice},
        )
        answer.raise_for_status()
    await world.backers_known("failed", rows)
    await news_told(world, people, people[1])
    await backers_say_why(world, people)
    again = {
        "creator_id": CREATOR.subject,
        "title": "A smaller lamp",
        "goal": {"amount": 1_000, "currency": CURRENCY},
        "deadline": (datetime.now(UTC) + timedelta(minutes=5)).isoformat(),
        "relaunch_of": "failed",
    }

    async def launched() -> bool:
        answer = await world.look.ask(
            "PUT", "funding", "/campaigns/another-try", caller=SERVICE, body=again
        )
        return answer.status_code in (200, 201)

    await eventually("it is launched again", launched)
    await a_letter_cites_what_backers_said(world)

    async def told() -> bool:
        return all(["campaign-launched" in await kinds_told(world, who) for who in people[:2]])

    await eventually("who agreed is told", told)
    everybody = [await kinds_told(world, person) for person in people]
    assert [kinds.count("campaign-launched") for kinds in everybody] == [1, 1, 0, 0, 0]
    assert all("verdict-reached" in kinds for kinds in everybody)
