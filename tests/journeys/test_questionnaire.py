"""A backer says size and address once, and only who sends the reward reads it, on record."""

from dataclasses import replace
from typing import Any

import pytest

from infra.sandbox.issuer.tokens import Caller, backer
from infra.suite.checkout import Launch
from infra.suite.readings import eventually
from sosst_contracts.updates import QuestionnaireAsked
from tests.world import CREATOR, CURRENCY, World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAMPAIGN = "questioned"
ONE = f"/campaigns/{CAMPAIGN}/questionnaires/lamp"
CANARY = "Allée des Canaris 7"
DAYS = {"production": "2030-03-01", "packaging": "2030-04-01", "delivery": "2030-05-01"}
ASKED = {"options": [{"option_id": "size", "words": "Size?", "choices": ["small", "large"]}]}
REPLY = {
    "choices": {"size": "large"},
    "address": {"name": "Anna", "lines": [CANARY], "city": "Paris", "country": "FR"},
}


async def said(world: World, method: str, path: str, body: Any, caller: Caller) -> str:
    response = await world.look.ask(method, "updates", path, caller=caller, body=body)
    assert response.status_code == 200, response.text
    return response.text


@pytest.mark.row("S10")
async def test_what_a_backer_chose_reaches_whoever_sends_it_and_nobody_else(world: World) -> None:
    """Given a met goal, each is asked once, replies, and is in a file once rewards are prepared."""
    rows = [replace(row, reward_id="lamp") for row in backers(CAMPAIGN, 10)]
    people = sorted({row.backer_id for row in rows})
    records = await world.checkout.charge(CAMPAIGN, rows)
    rewards = (("lamp", "A lamp"),)
    await world.checkout.launch(
        Launch(CAMPAIGN, CREATOR.subject, "A lamp", 1_000, CURRENCY, 3, rewards=rewards)
    )
    await world.checkout.tell(records)
    await world.verdict(CAMPAIGN)

    async def asked() -> bool:
        answer = await world.look.ask("PUT", "updates", ONE, caller=CREATOR, body=ASKED)
        assert answer.status_code in (200, 404, 409), answer.text
        return answer.status_code == 200

    await eventually("updates knows the verdict, and asks", asked)

    async def on_the_topic() -> bool:
        events = [fact.event for fact in await world.look.events("updates.surveys")]
        ours = [one for one in events if isinstance(one, QuestionnaireAsked)]
        told = [who for one in ours if one.campaign_id == CAMPAIGN for who in one.backers]
        assert len(told) == len(set(told))
        return sorted(told) == people

    await eventually("every backer is asked, once", on_the_topic)
    pledge, person = f"{CAMPAIGN}-pledge-0", backer(f"{CAMPAIGN}-backer-0")
    mine = f"/campaigns/{CAMPAIGN}/pledges/{pledge}/reply"
    await said(world, "PUT", mine, REPLY, person)
    plan = f"/campaigns/{CAMPAIGN}/delivery-plan/lamp/1"
    await said(world, "PUT", plan, {"provision": "product", "days": DAYS}, CREATOR)
    export = f"{ONE}/exports/first"
    early = await world.look.ask("PUT", "updates", export, caller=CREATOR)
    assert early.status_code == 409
    await said(world, "POST", f"{plan}/answers", {"step": "production", "answer": "done"}, CREATOR)
    assert CANARY in await said(world, "PUT", export, None, CREATOR)
    assert CREATOR.subject in await said(world, "GET", f"{ONE}/exports", None, CREATOR)
    with world.database("updates") as database:
        rows = [row for name in database.list_collection_names() for row in database[name].find()]
    facts = [fact.event for fact in await world.look.events("updates.surveys")]
    assert CANARY not in str(rows) and CANARY not in str(facts)
