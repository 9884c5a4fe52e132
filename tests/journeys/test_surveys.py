"""Backers are asked, by whatever way they come, and after delivery they are asked again."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.sandbox.issuer.tokens import backer
from infra.servicekit.tests.forms import press
from infra.suite.checkout import Described
from tests.journeys.test_claims import ask
from tests.journeys.test_personal_links import own_page, visitor
from tests.world import CREATOR, World, assert_everybody_told_once, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAMPAIGN = "surveyed"
ADDRESS = f"zoe@{CAMPAIGN}.example"
SURVEY = f"/campaigns/{CAMPAIGN}/surveys/colours"
FEEDBACK = f"/campaigns/{CAMPAIGN}/surveys/feedback"
FORM: dict[str, Any] = {
    "language": "fr",
    "title": "Quelle couleur ?",
    "questions": [
        {
            "question_id": "colour",
            "kind": "choice",
            "words": "Quelle couleur ?",
            "options": ["rouge", "bleu"],
        },
    ],
}


async def answered_by_mail(world: World) -> None:
    """One who has no account answers from the mail: its link, two buttons, the form."""
    async with visitor() as browser:
        page = await own_page(browser, await world.link_in_mail(ADDRESS, "/personal"))
        page = await press(browser, page, "/mine/surveys/colours")
        assert page.status_code == 200, page.text
        page = await press(browser, page, ".*/answer", **{"q.colour": "rouge"})
    assert page.status_code == 200 and "your answer is kept" in page.text


@pytest.mark.row("S17")
@pytest.mark.row("S19")
async def test_backers_are_asked_and_what_they_say_is_counted(world: World) -> None:
    """Given an anonymous survey: all are told, six answer (one by mail), then they like it."""
    rows = backers(CAMPAIGN, 7)
    people = sorted({row.backer_id for row in rows})
    await world.checkout.describe([Described(people[5], ADDRESS, "Zoé", "en")])
    await world.launch_paid(CAMPAIGN, rows, goal=1_000, open_seconds=4)
    await world.verdict(CAMPAIGN)
    await world.backers_known(CAMPAIGN, rows)
    end = datetime.now(UTC) + timedelta(days=5)
    await ask(world, "PUT", SURVEY, CREATOR, FORM | {"closes_at": end.isoformat()})
    for _ in range(2):
        opened = await ask(world, "POST", f"{SURVEY}/opening", CREATOR)
    assert opened["audience_count"] == len(people)
    await world.told(CAMPAIGN, "survey-opened", f"{CAMPAIGN}:colours")
    told = await world.notifications()
    assert_everybody_told_once(told[f"survey-opened/{CAMPAIGN}:colours"], people)

    ballots = {person: secrets.token_urlsafe(32) for person in people[:5]}
    for colour in ("rouge", "bleu"):
        for person, ballot in ballots.items():
            answer = {"ballot": ballot, "values": {"colour": colour}}
            await ask(world, "PUT", f"{SURVEY}/answer", backer(person), answer)
    await answered_by_mail(world)
    results = await ask(world, "GET", f"{SURVEY}/results", CREATOR)
    assert results["questions"][0]["rows"] == [
        {"value": "rouge", "count": 1},
        {"value": "bleu", "count": 5},
    ]

    template = await ask(world, "GET", "/survey-templates/feedback", CREATOR)
    await ask(world, "PUT", FEEDBACK, CREATOR, template)
    await ask(world, "POST", f"{FEEDBACK}/opening", CREATOR)
    liked = {"ballot": secrets.token_urlsafe(32), "values": {"satisfied": 5, "again": "Oui"}}
    await ask(world, "PUT", f"{FEEDBACK}/answer", backer(people[0]), liked)
    hidden = await ask(world, "GET", f"{FEEDBACK}/results", CREATOR)
    assert hidden["answers"] == 1 and hidden["questions"][0]["hidden"]
    closed = await ask(world, "POST", f"{FEEDBACK}/closing", CREATOR)
    assert closed["state"] == "closed"
