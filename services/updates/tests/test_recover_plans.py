"""Promises after a restored backup: as the topic has them, and nobody is asked about them again."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from services.updates.tests.conftest import NOW, memory_service
from services.updates.tests.test_plans import (
    CAMPAIGN,
    DAYS,
    LATER,
    REWARD,
    explained,
    launched,
    plan_of,
    planned,
)
from services.updates.tests.test_plans import told as told_of_plans
from services.updates.tests.test_recover import told
from sosst_contracts import updates as events
from updates.domain.delivery_plan import Answer, DeliveryPlan, Move, Step
from updates.handlers.plans import answer_promise, move_promise
from updates.handlers.recover_plans import plans_again
from updates.sweeps.plans import AskAboutPromises
from updates.wire.plans import plans_told_from


def promised(plan: DeliveryPlan) -> DeliveryPlan:
    """Return what backers rely on; how often it was saved and when held days end is not it."""
    lines = tuple(
        replace(line, promises=tuple(replace(one, held=one.day) for one in line.promises))
        for line in plan.lines
    )
    return replace(plan, lines=lines, version=0)


@pytest.mark.trap(23)
@pytest.mark.parametrize("behind", ["launch", "plan"])
async def test_promises_moves_and_answers_come_back_and_nobody_is_asked_again(behind: str) -> None:
    """Whatever the backup had of them; brought back twice they are the same."""
    lived, restored = memory_service(), memory_service()
    for service in (lived, restored):
        await launched(service, verdict="goal_met")
        if behind == "plan" or service is lived:
            await planned(service)
    await explained(lived, DAYS[Step.END])
    earlier = Move(REWARD, 1, Step.START, date(2026, 5, 30), "The hall is free.")
    await lived.units.run(lambda unit: move_promise(unit, CAMPAIGN, earlier, "creator-1", NOW))
    ask = AskAboutPromises(lived.units, lived.plan_queries)
    asked_at = await ask.oldest_due()
    assert asked_at is not None and await ask(asked_at) == 1
    about = (CAMPAIGN, REWARD, 1, Step.START, Answer.CONFIRMED, "creator-1", asked_at)
    await lived.units.run(lambda unit: answer_promise(unit, *about))
    done = (CAMPAIGN, REWARD, 1, Step.END, Answer.DONE, "creator-1", asked_at)
    await lived.units.run(lambda unit: answer_promise(unit, *done))

    before = len(await told_of_plans(restored))
    facts = plans_told_from(await told(lived))
    first, again = [await plans_again(restored.units, facts) for _ in range(2)]

    assert "2 moves brought back" in first[0] and "there already" in again[0]
    assert promised(await plan_of(restored)) == promised(await plan_of(lived))
    log = await restored.units.run(lambda unit: unit.plans.log_page(CAMPAIGN, None, 10))
    assert [one.new for one in log] == [earlier.day, LATER.day]
    assert len(await told_of_plans(restored)) == before
    sweep = AskAboutPromises(restored.units, restored.plan_queries)
    assert await sweep(asked_at + timedelta(hours=1)) == 0
    questions = [one for one in await told_of_plans(lived) if isinstance(one, events.PromiseDue)]
    assert len(questions) == 1
