"""A delivery plan is asked for at the verdict, promised, and moves only with its explanation."""

from typing import Any

import pytest

from infra.suite.checkout import Launch
from infra.suite.readings import eventually
from sosst_contracts.updates import PlanAsked, PlanPublished, PromiseMoved
from tests.journeys.test_problems import published, written
from tests.world import CREATOR, CURRENCY, World, assert_everybody_told_once, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLAN = "/campaigns/promised/delivery-plan"
DAYS = {"production": "2030-03-01", "packaging": "2030-04-01", "delivery": "2030-05-01"}


async def answered(world: World, method: str, path: str, body: object) -> tuple[int, Any]:
    response = await world.look.ask(method, "updates", path, caller=CREATOR, body=body)
    return response.status_code, response.json()


async def met_with_a_reward(world: World) -> list[str]:
    """A campaign with one reward that has met its goal; return its backers."""
    rows = backers("promised", 10)
    records = await world.checkout.charge("promised", rows)
    rewards = (("lamp", "A lamp"),)
    launch = Launch("promised", CREATOR.subject, "A lamp", 1_000, CURRENCY, 3, rewards=rewards)
    await world.checkout.launch(launch)
    await world.checkout.tell(records)
    await world.verdict("promised")
    return sorted({row.backer_id for row in rows})


@pytest.mark.row("S6")
@pytest.mark.row("S10")
async def test_a_promised_day_moves_with_the_update_that_explains_it(world: World) -> None:
    """Given a plan, a later day waits for a delay notice, whose publication moves and logs it."""
    people = await met_with_a_reward(world)

    async def plan_asked() -> bool:
        plan = await world.look.get("updates", PLAN, caller=None)
        return plan is not None and plan["asked_at"] is not None

    await eventually("the plan is asked for", plan_asked)
    body = {"provision": "product", "days": DAYS}
    status, plan = await answered(world, "PUT", f"{PLAN}/lamp/1", body)
    assert status == 200 and plan["missing_rewards"] == []
    done = {"step": "production", "answer": "done"}
    assert (await answered(world, "POST", f"{PLAN}/lamp/1/answers", done))[0] == 200

    moved = {"reward_id": "lamp", "step": "delivery", "reason": "The mould broke."}
    moves = [moved | {"old": DAYS["delivery"], "new": "2030-06-15"}]
    sections = ("problem", "solution", "action_plan")
    delay = written("delay_notice", sections, parts={"schedule": {"moves": moves}})
    await published(world, "promised", "late", delay)

    await world.told("promised", "update-published", "promised:late")
    told = await world.notifications()
    assert_everybody_told_once(told["update-published/promised:late"], people)
    shown = await world.look.get("updates", PLAN, caller=None)
    assert shown is not None
    delivery = shown["lines"][0]["promises"][2]
    assert (delivery["day"], delivery["slip_days"]) == ("2030-06-15", 45)
    log = await world.look.get("updates", f"{PLAN}/log", caller=None)
    assert log is not None
    assert [(one["update_id"], one["reason"]) for one in log["items"]] == [
        ("late", "The mould broke.")
    ]

    async def on_the_topic() -> bool:
        events = [one.event for one in await world.look.events("updates.plans")]
        ours = [type(one) for one in events if one.key == "promised"]
        return {PlanAsked, PlanPublished, PromiseMoved} <= set(ours)

    await eventually("it is on the topic", on_the_topic)
