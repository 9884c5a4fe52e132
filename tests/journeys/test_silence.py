"""A creator who says nothing: reminded, asked, kept from the next money, and heard again."""

from datetime import timedelta

import pytest

from infra.sandbox.issuer.tokens import backer
from infra.suite.readings import eventually
from sosst_contracts.updates import SilenceStepReached
from tests.journeys.test_problems import REPORT, follow_up, gate_line, paid_once, posts, published
from tests.journeys.test_stages import SECOND_STAFF, ask, stage_due
from tests.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAMPAIGN = "hushed"


async def days_pass(world: World, days: int) -> None:
    """Move the day since which nothing was heard back, as if so many more had passed.

    The clock of this one campaign: the suite's own is every other campaign's too.
    """

    def moved() -> bool:
        with world.database("updates") as database:
            row = database["follow_ups"].find_one({"_id": CAMPAIGN})
            if row is None or row["silence"] is None:
                return False
            since = row["silence"]["steps"]["since"] - timedelta(days=days)
            earlier = {"silence.steps.since": since, "next_due": since}
            seen = {"_id": CAMPAIGN, "version": row["version"]}
            change = {"$set": earlier, "$inc": {"version": 1}}
            return database["follow_ups"].update_one(seen, change).modified_count == 1

    async def it_has() -> bool:
        return moved()

    await eventually(f"{days} days pass", it_has)


async def steps_are(world: World, *expected: str) -> None:
    async def told() -> bool:
        found = await posts(world, CAMPAIGN, SilenceStepReached)
        return [one["step"] for one in found] == list(expected)

    await eventually(f"the topic says {expected}", told)


@pytest.mark.row("S1")
async def test_a_long_silence_holds_the_next_stage_until_the_next_update(world: World) -> None:
    """Given a due stage, 37 days let backers ask, 60 hold it; one update, and it is paid."""
    rows = await paid_once(world, CAMPAIGN)
    path, approval = await stage_due(world, CAMPAIGN, 2)
    question = f"/campaigns/{CAMPAIGN}/silence/questions"
    anna = backer(rows[0].backer_id)
    early = await world.look.ask("POST", "updates", question, caller=anna)
    assert early.status_code == 409

    await days_pass(world, 38)
    await steps_are(world, "creator_reminded", "backers_may_ask")
    for _ in range(2):
        asked = await world.look.ask("POST", "updates", question, caller=anna)
        assert asked.json()["silence"]["askers"] == 1, asked.text
    assert (await gate_line(world, CAMPAIGN, 2, "silence"))["state"] != "blocked"

    await days_pass(world, 30)
    await world.stage_is(CAMPAIGN, 2, "held")
    line = await gate_line(world, CAMPAIGN, 2, "silence")
    assert (line["state"], line["who"]) == ("blocked", "creator")
    told = await posts(world, CAMPAIGN, SilenceStepReached)
    assert [one["askers"] for one in told[:3]] == [0, 0, 1]
    assert rows[0].backer_id not in str(told)

    await published(world, CAMPAIGN, "heard", REPORT)
    await world.stage_is(CAMPAIGN, 2, "due")
    await ask(world, "POST", path, SECOND_STAFF, approval)
    await world.stage_is(CAMPAIGN, 2, "paid")
    world.assert_books_true()
    watched = (await follow_up(world, CAMPAIGN))["silence"]
    assert (watched["step"], watched["askers"], watched["may_ask"]) == (None, 0, False)
