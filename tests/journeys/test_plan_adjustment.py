"""« Ajuster le plan du projet en fonction des retours »: asked, heard, changed, and said so."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.sandbox.issuer.tokens import SERVICE, backer
from infra.sandbox.mail.client import MailClient
from infra.suite.checkout import Described, Launch
from infra.suite.readings import eventually
from sosst_contracts.updates import PromiseMoved, UpdatePublished
from tests.journeys.test_claims import ask
from tests.journeys.test_community import kinds_told
from tests.world import CREATOR, CURRENCY, World, assert_everybody_told_once, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAMPAIGN = "adjusted"
ADDRESS = f"lou@{CAMPAIGN}.example"
PAGE = f"/campaigns/{CAMPAIGN}"
PLAN, SURVEY, UPDATE = f"{PAGE}/delivery-plan", f"{PAGE}/surveys/case", f"{PAGE}/updates/no-case"
DAYS = {"production": "2030-03-01", "packaging": "2030-04-01", "delivery": "2030-05-01"}
ASKED: dict[str, Any] = {
    "language": "fr",
    "title": "La housse ou trois semaines ?",
    "questions": [
        {
            "question_id": "case",
            "kind": "choice",
            "words": "Sans housse, la lampe part trois semaines plus tôt.",
            "options": ["avec housse", "sans housse"],
        },
    ],
}
WHY = "Sans housse, comme cinq d'entre vous sur six l'ont choisi."
ADJUSTMENT: dict[str, Any] = {
    "kind": "plan_adjustment",
    "parts": {"survey_id": "case"},
    "texts": [
        {
            "language": "fr",
            "title": "Sans housse, et plus tôt",
            "details": "Vous avez répondu.",
            "sections": {"backers_said": "Cinq sur six : sans housse.", "changes": WHY},
        },
        {
            "language": "en",
            "title": "No case, and sooner",
            "details": "You have answered.",
            "sections": {"backers_said": "Five of six: no case.", "changes": "No case."},
        },
    ],
}


async def promised_to_backers(world: World) -> list[str]:
    """Given a met goal and a plan that promises the reward's days; return the backers."""
    rows = backers(CAMPAIGN, 6)
    await world.checkout.describe([Described(rows[0].backer_id, ADDRESS, "Lou", "en")])
    await world.until_known("notifier", f"/people/{rows[0].backer_id}", caller=SERVICE)
    records = await world.checkout.charge(CAMPAIGN, rows)
    rewards = (("lamp", "A lamp"),)
    launch = Launch(CAMPAIGN, CREATOR.subject, "A lamp", 1_000, CURRENCY, 3, rewards=rewards)
    await world.checkout.launch(launch)
    await world.checkout.tell(records)
    await world.verdict(CAMPAIGN)
    people = await world.backers_known(CAMPAIGN, rows)

    async def plan_asked() -> bool:
        plan = await world.look.get("updates", PLAN, caller=None)
        return plan is not None and plan["asked_at"] is not None

    await eventually("the plan is asked for", plan_asked)
    body = {"provision": "product", "days": DAYS}
    await ask(world, "PUT", f"{PLAN}/lamp/1", CREATOR, body)
    return people


async def asked_and_heard(world: World, people: list[str]) -> None:
    """When the creator asks and closes what was asked; what they said is counted."""
    end = (datetime.now(UTC) + timedelta(days=5)).isoformat()
    await ask(world, "PUT", SURVEY, CREATOR, ASKED | {"closes_at": end})
    await ask(world, "POST", f"{SURVEY}/opening", CREATOR)
    for number, person in enumerate(people):
        said = "sans housse" if number else "avec housse"
        answer = {"ballot": secrets.token_urlsafe(32), "values": {"case": said}}
        await ask(world, "PUT", f"{SURVEY}/answer", backer(person), answer)
    await ask(world, "POST", f"{SURVEY}/closing", CREATOR)
    results = await ask(world, "GET", f"{SURVEY}/results", CREATOR)
    counts = {row["value"]: row["count"] for row in results["questions"][0]["rows"]}
    assert counts == {"avec housse": 1, "sans housse": 5}


@pytest.mark.row("S18")
async def test_a_plan_follows_what_backers_said_and_they_are_told_so(world: World) -> None:
    """Given answers, when the plan is moved by them and an adjustment says so: all can see both.

    It names the survey that it answers, and none that nobody was asked.
    """
    people = await promised_to_backers(world)
    await asked_and_heard(world, people)

    move = {"step": "delivery", "day": "2030-04-10", "reason": WHY}
    await ask(world, "POST", f"{PLAN}/lamp/1/moves", CREATOR, move)
    await ask(world, "PUT", UPDATE, CREATOR, ADJUSTMENT | {"parts": {"survey_id": "other"}})
    refused = await world.look.ask("POST", "updates", f"{UPDATE}/publish", caller=CREATOR)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/survey-unasked")
    silent = {**ADJUSTMENT["texts"][0], "sections": {"backers_said": "Cinq sur six."}}
    untold = await world.look.ask(
        "PUT", "updates", UPDATE, caller=CREATOR, body=ADJUSTMENT | {"texts": [silent]}
    )
    assert (untold.status_code, untold.json()["type"]) == (422, "/problems/missing-part")
    await ask(world, "PUT", UPDATE, CREATOR, ADJUSTMENT)
    for _ in range(2):
        await ask(world, "POST", f"{UPDATE}/publish", CREATOR)

    notice = await world.told(CAMPAIGN, "update-published", f"{CAMPAIGN}:no-case")
    assert notice["audience"] == notice["delivered"] == len(people)
    told = await world.notifications()
    assert_everybody_told_once(told[f"update-published/{CAMPAIGN}:no-case"], people)
    for person in people:
        assert (await kinds_told(world, person)).count("update-published") == 1
    await told_by_mail(world)
    await shown_to_everybody(world)
    await said_on_the_topics(world)


async def told_by_mail(world: World) -> None:
    """One who reads English has it in English, once."""
    assert world.suite.mail is not None
    mailbox = MailClient(world.suite.mail.url)

    async def read() -> list[str]:
        mails = [await mailbox.mail(one["number"]) for one in await mailbox.mails(ADDRESS)]
        texts = [mail.get_body(("plain",)) for mail in mails]
        found = [text.get_content() for text in texts if text is not None]
        return [words for words in found if "No case, and sooner" in words]

    (words,) = await eventually("a mail tells of the adjustment", read)
    assert UPDATE in words


async def shown_to_everybody(world: World) -> None:
    """Who has no account sees what was said, what changes, and the day that moved for it."""
    page = await world.look.get("updates", PAGE, caller=None)
    assert page is not None and page["counts"]["updates"] == {"plan_adjustment": 1}
    (shown,) = page["updates"]
    assert shown["parts"] == {"survey_id": "case"}
    assert [text["sections"]["changes"] for text in shown["texts"]] == [WHY, "No case."]
    (line,) = page["delivery_plan"]["lines"]
    assert [one["slip_days"] for one in line["promises"]] == [0, 0, -21]
    (moved,) = page["promise_log"]
    assert (moved["old"], moved["new"], moved["reason"]) == (DAYS["delivery"], "2030-04-10", WHY)


async def said_on_the_topics(world: World) -> None:
    """Other services learn the day and the survey; of what anybody answered nothing."""

    async def both() -> tuple[PromiseMoved, UpdatePublished] | None:
        plans = [fact.event for fact in await world.look.events("updates.plans")]
        posts = [fact.event for fact in await world.look.events("updates.posts")]
        moves = [e for e in plans if isinstance(e, PromiseMoved) and e.campaign_id == CAMPAIGN]
        told = [e for e in posts if isinstance(e, UpdatePublished) and e.campaign_id == CAMPAIGN]
        return (moves[0], told[0]) if moves and told else None

    moved, told = await eventually("both are on the topics", both)
    assert (moved.new, told.kind, told.survey_id) == ("2030-04-10", "plan_adjustment", "case")
