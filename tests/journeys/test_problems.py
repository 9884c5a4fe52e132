"""What creators say when things go wrong, and what follows from it for everybody's money."""

from datetime import datetime
from typing import Any

import pytest

from infra.sandbox.issuer.tokens import SERVICE
from infra.suite.checkout import Described
from infra.suite.readings import eventually
from sosst_contracts.event import Event
from sosst_contracts.updates import LetterAsked, ProblemGraded, RecoveryPlanMissing
from tests.journeys.test_community import kinds_told
from tests.journeys.test_stages import FIRST_STAFF, SECOND_STAFF, ask, stage_due
from tests.journeys.test_stopped_money import switch
from tests.world import CREATOR, World, assert_everybody_told_once, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")


def written(kind: str, sections: tuple[str, ...], **more: Any) -> dict[str, Any]:
    """Return a draft of the kind, in French and English."""
    said = {section: f"{section}: voici." for section in sections}
    texts = [
        {"language": language, "title": f"{kind}", "details": "Voici.", "sections": said}
        for language in ("fr", "en")
    ]
    return {"kind": kind, "texts": texts, **more}


REPORT = written("progress_report", ("current_work", "production"))
THANKS = written("thank_you", (), parts={"occasion": "milestone", "subject": "funded"})
EMERGENCY = written(
    "emergency",
    ("problem", "next_steps"),
    parts={"severity": "critical", "happened_on": "2026-01-01"},
)
LETTER = written(
    "failure_letter",
    ("thanks", "future_plans", "stay_in_touch"),
    parts={"reasons": ["market_demand", "lack_of_promotion"]},
)
DELAY = written(
    "delay_notice", ("problem", "solution", "action_plan"), parts={"schedule": {"moves": []}}
)


def plan_for(emergency: str) -> dict[str, Any]:
    parts = {"answers": emergency, "schedule": {"moves": []}}
    return written("recovery_plan", ("cause", "solution"), parts=parts)


async def published(
    world: World, campaign_id: str, update_id: str, draft: dict[str, Any]
) -> dict[str, Any]:
    """Write and publish it as the creator, an emergency with its effects confirmed."""
    path = f"/campaigns/{campaign_id}/updates/{update_id}"

    async def taken() -> bool:
        response = await world.look.ask("PUT", "updates", path, caller=CREATOR, body=draft)
        # Until updates has read the verdict there is nothing of some kinds to say.
        assert response.status_code in (200, 404, 409), response.text
        return response.status_code == 200

    await eventually(f"{update_id} is written", taken)
    answer = await world.look.ask("POST", "updates", f"{path}/publish", caller=CREATOR)
    if answer.status_code == 409:
        body = {"confirm": answer.json()["effects"]}
        answer = await world.look.ask(
            "POST", "updates", f"{path}/publish", caller=CREATOR, body=body
        )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def follow_up(world: World, campaign_id: str) -> dict[str, Any]:
    found = await world.look.get("updates", f"/campaigns/{campaign_id}", caller=None)
    assert found is not None
    owed: dict[str, Any] = found["follow_up"]
    return owed


async def posts(world: World, campaign_id: str, kind: type[Event]) -> list[dict[str, Any]]:
    """Return what the posts' topic says of a campaign in one kind of event."""
    found = [fact.event for fact in await world.look.events("updates.posts")]
    return [one.model_dump() for one in found if type(one) is kind and one.key == campaign_id]


async def gate_line(world: World, campaign_id: str, stage: int, name: str) -> dict[str, Any]:
    found = await world.look.get("payouts", f"/campaigns/{campaign_id}/stages")
    assert found is not None
    lines = found["stages"][stage - 1]["gate"]
    return next(line for line in lines if line["name"] == name)


async def transfers_to(world: World, campaign_id: str) -> int:
    """Return how many transfers have reached the account that the campaign's money goes to."""
    given = await world.look.get("payouts", f"/campaigns/{campaign_id}/destination")
    assert given is not None
    book = (await world.suite.provider.book())["accounts"][given["account"]]["eur"]
    count: int = book["by_type"]["payment"]["count"]
    return count


async def paid_once(world: World, campaign_id: str) -> list[Any]:
    """Given a met campaign whose first stage is paid; return its pledges."""
    rows = backers(campaign_id, 10)
    total = sum(row.amount for row in rows)
    await world.launch_paid(campaign_id, rows, goal=total, open_seconds=4)
    account = await world.suite.provider.create_account()
    await world.give_destination(campaign_id, account["id"])
    await world.stage_is(campaign_id, 1, "paid")
    return rows


@pytest.mark.row("S7")
async def test_an_emergency_holds_the_stage_until_its_plan_and_a_person(world: World) -> None:
    """Given a due stage, an emergency holds it; with a plan staff lift it, and it is paid."""
    rows = await paid_once(world, "burnt")
    path, approval = await stage_due(world, "burnt", 2)

    await published(world, "burnt", "fire", EMERGENCY)
    await world.stage_is("burnt", 2, "held")

    line = await gate_line(world, "burnt", 2, "emergency")
    assert (line["state"], line["who"]) == ("blocked", "creator") and "fire" in line["why"]
    holds = await world.look.get("payouts", "/campaigns/burnt/holds")
    assert holds is not None
    hold = f"/campaigns/burnt/holds/{holds['holds'][0]['hold_id']}"
    refused = await world.look.ask("DELETE", "payouts", hold, caller=FIRST_STAFF)
    assert refused.json()["type"] == "/problems/no-recovery-plan"
    await published(world, "burnt", "plan", plan_for("fire"))

    async def answered() -> bool:
        return "update plan" in (await gate_line(world, "burnt", 2, "emergency"))["why"]

    await eventually("payouts has read the plan", answered)
    await ask(world, "DELETE", hold, FIRST_STAFF, None)
    await world.stage_is("burnt", 2, "due")
    await ask(world, "POST", path, SECOND_STAFF, approval)
    await world.stage_is("burnt", 2, "paid")
    world.assert_books_true()
    await published(world, "burnt", "over", {**REPORT, "resolves": ["fire"]})
    (problem,) = (await follow_up(world, "burnt"))["problems"]
    assert (problem["recovery_plan"], problem["resolved_by"]) == ("plan", "over")
    people = sorted({row.backer_id for row in rows})
    await world.told("burnt", "update-published", "burnt:fire")
    assert_everybody_told_once((await world.notifications())["update-published/burnt:fire"], people)


@pytest.mark.row("S7")
@pytest.mark.row("S9")
async def test_an_emergency_between_approval_and_transfer_keeps_the_money_in(world: World) -> None:
    """Given an approved stage whose money waits, its approval falls, and no transfer is made."""
    await paid_once(world, "flooded")
    path, approval = await stage_due(world, "flooded", 2)
    who = ("--campaign", "flooded", "--by", "sre-1", "--why", "a look")
    await switch(world, "on", "stop-money", *who)
    await ask(world, "POST", path, SECOND_STAFF, approval)
    await world.stage_is("flooded", 2, "approved")

    await published(world, "flooded", "flood", EMERGENCY)
    await world.stage_is("flooded", 2, "held")
    await switch(world, "off", "stop-money", *who)

    assert await transfers_to(world, "flooded") == 1
    await published(world, "flooded", "plan-of-flood", plan_for("flood"))

    async def answered() -> bool:
        return "update plan-of-flood" in (await gate_line(world, "flooded", 2, "emergency"))["why"]

    await eventually("payouts has read the plan", answered)
    holds = await world.look.get("payouts", "/campaigns/flooded/holds")
    assert holds is not None
    hold = f"/campaigns/flooded/holds/{holds['holds'][0]['hold_id']}"
    await ask(world, "DELETE", hold, FIRST_STAFF, None)
    fallen = await world.stage_is("flooded", 2, "due")
    assert (fallen["approval"], fallen["attempts"]) == (None, 0)
    await ask(world, "POST", path, SECOND_STAFF, approval)
    await world.stage_is("flooded", 2, "paid")
    assert await transfers_to(world, "flooded") == 2
    world.assert_books_true()


@pytest.mark.row("S7")
async def test_an_emergency_without_a_plan_is_said_to_have_none(world: World) -> None:
    """Given an emergency, its term ends without a plan: all are told so once, and it is held on."""
    staff = "adrift-staff"
    await world.checkout.describe([Described(staff, None, "Mia", "en", roles=("staff",))])
    await world.until_known("notifier", f"/people/{staff}", caller=SERVICE)
    rows = await paid_once(world, "adrift")
    await stage_due(world, "adrift", 2)
    await published(world, "adrift", "storm", EMERGENCY)
    await world.stage_is("adrift", 2, "held")

    async def missing() -> list[dict[str, Any]] | None:
        return await posts(world, "adrift", RecoveryPlanMissing) or None

    (fact,) = await eventually("no plan came", missing)
    subject = f"adrift:storm-{int(fact['due_at'].timestamp())}"
    notice = await world.told("adrift", "recovery-plan-missing", subject)
    people = sorted({row.backer_id for row in rows})
    assert notice["audience"] == notice["delivered"] == fact["audience_count"] == len(people)
    cause = f"recovery-plan-missing/{subject}"
    assert_everybody_told_once((await world.notifications())[cause], people)
    await world.told_in_roles(cause, {("creator", CREATOR.subject), ("staff", staff)})
    assert (await kinds_told(world, people[0])).count("recovery-plan-missing") == 1
    assert await posts(world, "adrift", RecoveryPlanMissing) == [fact]
    assert (await gate_line(world, "adrift", 2, "emergency"))["state"] == "blocked"
    (problem,) = (await follow_up(world, "adrift"))["problems"]
    assert datetime.fromisoformat(problem["plan_due_at"]) == fact["due_at"]
    assert problem["plan_missing"]["en"] == "No recovery plan came in time."
    assert problem["declared_promptly"] is None
    queue = await world.look.pages("updates", "/queues/follow-ups")
    (waiting,) = [one for one in queue if one["campaign_id"] == "adrift"]
    assert (waiting["problems"], waiting["silence"]) == ([problem], None)
    assert datetime.fromisoformat(waiting["waiting_since"]) == fact["due_at"]
    await published(world, "adrift", "ashore", plan_for("storm"))
    queue = await world.look.pages("updates", "/queues/follow-ups")
    assert "adrift" not in [one["campaign_id"] for one in queue]


@pytest.mark.row("S7")
async def test_a_delay_that_staff_raise_is_told_as_an_emergency(world: World) -> None:
    """Given a delay, staff raise it: the next stage is held, and every backer is told, once."""
    rows = await paid_once(world, "worse")
    await stage_due(world, "worse", 2)
    await published(world, "worse", "late", DELAY)
    path = "/campaigns/worse/problems/late/grade"
    body = {"kind": "emergency", "severity": "critical", "reason": "The supplier is insolvent."}
    for _ in range(2):
        answer = await world.look.ask("POST", "updates", path, caller=FIRST_STAFF, body=body)
        assert answer.status_code == 200, answer.text
    await world.stage_is("worse", 2, "held")
    (graded,) = await posts(world, "worse", ProblemGraded)
    people = sorted({row.backer_id for row in rows})
    assert graded["audience_count"] == len(people)
    subject = f"worse:late-{int(graded['graded_at'].timestamp() * 1_000)}"
    await world.told("worse", "problem-graded", subject)
    notifications = await world.notifications()
    assert_everybody_told_once(notifications[f"problem-graded/{subject}"], people)


@pytest.mark.row("S5")
async def test_a_delay_is_an_open_problem_until_it_is_resolved(world: World) -> None:
    """Given a delay notice, the page shows the problem; a later report ends it."""
    rows = await paid_once(world, "slow")
    await published(world, "slow", "late", DELAY)
    (problem,) = (await follow_up(world, "slow"))["problems"]
    assert (problem["kind"], problem["resolved_by"]) == ("delay_notice", None)
    await published(world, "slow", "on-time", {**REPORT, "resolves": ["late"]})
    (problem,) = (await follow_up(world, "slow"))["problems"]
    assert (problem["resolved_by"], problem["hours_open"]) == ("on-time", 0)
    people = sorted({row.backer_id for row in rows})
    await world.told("slow", "update-published", "slow:late")
    assert_everybody_told_once((await world.notifications())["update-published/slow:late"], people)


@pytest.mark.row("S2")
@pytest.mark.row("S3")
async def test_a_report_and_a_letter_of_thanks_reach_every_backer(world: World) -> None:
    """Given a met goal, thanks are asked for; a report with its sections and a letter are told."""
    rows = backers("thankful", 10)
    total = sum(row.amount for row in rows)
    await world.launch_paid("thankful", rows, goal=total, open_seconds=4)
    await world.verdict("thankful")

    async def asked() -> list[dict[str, Any]] | None:
        return await posts(world, "thankful", LetterAsked) or None

    (prompt,) = await eventually("thanks are asked for", asked)
    assert (prompt["kind"], prompt["occasion"]) == ("thank_you", "verdict")
    report = await published(world, "thankful", "report", REPORT)
    assert report["texts"][0]["sections"]["production"] == "production: voici."
    await published(world, "thankful", "thanks", THANKS)
    people = sorted({row.backer_id for row in rows})
    for update_id in ("report", "thanks"):
        await world.told("thankful", "update-published", f"thankful:{update_id}")
        told = await world.notifications()
        assert_everybody_told_once(told[f"update-published/thankful:{update_id}"], people)


@pytest.mark.row("S14")
@pytest.mark.trap(25)
async def test_a_failure_letter_reaches_everybody_although_all_are_refunded(world: World) -> None:
    """Given a missed goal and every pledge refunded, the letter is asked for and told to all."""
    rows = backers("unloved", 12)
    await world.launch_paid("unloved", rows, goal=10_000_000, open_seconds=3)
    await world.refunded("unloved", rows)

    async def asked() -> list[dict[str, Any]] | None:
        return await posts(world, "unloved", LetterAsked) or None

    (prompt, *_) = await eventually("the letter is asked for", asked)
    assert (prompt["kind"], prompt["number"]) == ("failure_letter", 1)
    await published(world, "unloved", "sorry", LETTER)

    notice = await world.told("unloved", "update-published", "unloved:sorry")
    people = sorted({row.backer_id for row in rows})
    assert notice["audience"] == notice["delivered"] == len(people)
    told = await world.notifications()
    assert_everybody_told_once(told["update-published/unloved:sorry"], people)
    assert (await follow_up(world, "unloved"))["unexplained"] is None
