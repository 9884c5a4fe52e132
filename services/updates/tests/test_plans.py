"""Delivery plans from launch to the promise log, over the fakes and the real stores."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from infra.sandbox.issuer.tokens import creator
from infra.servicekit.tests.costs import Cost, cost_of
from servicekit.errors import Conflict, DuplicateKey
from servicekit.mongo import Database
from services.updates.tests.conftest import NOW, UpdatesService, memory_service
from services.updates.tests.routes import api_of, client_of
from services.updates.tests.test_handlers import publish, write
from sosst_contracts import funding
from sosst_contracts import updates as events
from sosst_contracts.event import Event
from sosst_contracts.testing import sample
from updates.adapters.plan_documents import plan_document
from updates.domain.delivery_plan import (
    Answer,
    DeliveryPlan,
    Move,
    PlanDecision,
    PromiseMoved,
    Provision,
    Step,
    move_with_update,
    promise,
)
from updates.domain.errors import Refused
from updates.domain.kinds import DelayNotice, Section
from updates.domain.plan_terms import PlanTerms
from updates.domain.schedule_change import DateMove, ScheduleChange
from updates.domain.update import Content, Update, UpdateState, UpdateText, Visibility
from updates.handlers.plans import answer_promise, move_promise, publish_plan
from updates.metrics import PROMISE_MOVES, PROMISES
from updates.sweeps.plans import AskAboutPromises, MeasurePromises

CAMPAIGN, REWARD = "campaign-1", "reward-1"
DAYS = {Step.START: date(2026, 6, 1), Step.END: date(2026, 6, 3)}
LATER = Move(REWARD, 1, Step.END, date(2026, 6, 20), "The hall burnt down.")


async def launched(service: UpdatesService, *, verdict: str | None = None) -> None:
    await service.hear((sample(funding.CampaignLaunched), 1))
    if verdict is not None:
        await service.hear((sample(funding.VerdictReached, verdict=verdict), 2))


async def planned(service: UpdatesService) -> DeliveryPlan:
    return await service.units.run(
        lambda unit: publish_plan(
            unit, CAMPAIGN, REWARD, 1, Provision.SERVICE, DAYS, "creator-1", NOW
        )
    )


async def plan_of(service: UpdatesService) -> DeliveryPlan:
    found = await service.units.run(lambda unit: unit.plans.load(CAMPAIGN))
    assert found is not None
    return found


async def told(service: UpdatesService) -> list[Event]:
    return [event for event in await service.published() if event.topic == "updates.plans"]


@pytest.mark.row("S10")
async def test_a_plan_is_asked_for_with_the_verdict(service: UpdatesService) -> None:
    """Once, and not of a campaign that has missed its goal."""
    await launched(service, verdict="goal_met")
    await service.hear((sample(funding.VerdictReached), 2))
    (asked,) = await told(service)
    assert isinstance(asked, events.PlanAsked) and asked.rewards_missing == 1
    assert asked.missing_from - asked.asked_at == timedelta(days=14)
    missed = memory_service()
    await launched(missed, verdict="goal_missed")
    assert await told(missed) == [] and (await plan_of(missed)).ended


@pytest.mark.row("S6")
async def test_a_plan_its_moves_and_its_log_are_saved_together(service: UpdatesService) -> None:
    """What was promised and moved comes back as it is, and is on the topic."""
    await launched(service)
    await planned(service)
    update = await explained(service, DAYS[Step.END])
    found = await plan_of(service)
    assert found.moves == 1 and found.line(REWARD, 1).promise(Step.END).slip_days == 17
    assert update.published_at is not None
    (entry,) = await service.units.run(lambda unit: unit.plans.log_page(CAMPAIGN, None, 10))
    assert (entry.old, entry.new, entry.update_id) == (DAYS[Step.END], LATER.day, "u1")
    published, on_topic = await told(service)
    assert isinstance(published, events.PlanPublished) and len(published.steps) == 2
    assert published.rewards_missing == 0
    assert isinstance(on_topic, events.PromiseMoved) and on_topic.new == LATER.day.isoformat()


@pytest.mark.row("S6")
async def test_days_and_the_update_that_explains_them_move_together(
    service: UpdatesService,
) -> None:
    """A day that has changed meanwhile moves nothing, and the update is not published."""
    await launched(service)
    await planned(service)
    with pytest.raises(Refused) as refused:
        await explained(service, DAYS[Step.START])
    assert refused.value.reason == "day-changed"
    found = await service.queries.update(CAMPAIGN, "u1")
    assert found is not None and found.state is UpdateState.DRAFT
    assert (await plan_of(service)).moves == 0


async def explained(service: UpdatesService, old: date) -> Update:
    """Publish a delay notice that moves the end of the reward from a day to a later one."""
    move = DateMove(REWARD, 1, "end", old, LATER.day, LATER.reason)
    sections = {
        Section.PROBLEM: "The hall burnt down.",
        Section.SOLUTION: "Another hall.",
        Section.ACTION_PLAN: "We move on Monday.",
    }
    text = UpdateText("fr", "Retard", "Nous changeons de salle.", sections)
    notice = DelayNotice(ScheduleChange((move,)))
    await write(service, Content("creator-1", notice, Visibility.PUBLIC, (text,)))
    await service.hear((sample(funding.PledgeCollected), 1))
    return await publish(service)


async def test_two_who_plan_at_once_lose_nothing(service: UpdatesService) -> None:
    """Who saved second has to look again; a number of the log is taken once."""
    await launched(service)
    stale = await plan_of(service)
    await planned(service)
    decision = promise(stale, REWARD, 2, Provision.SERVICE, DAYS, "creator-1", NOW)
    with pytest.raises(Conflict):
        await service.units.run(lambda unit: unit.plans.save(decision.plan))
    twice = _moved(await plan_of(service))
    await service.units.run(lambda unit: unit.plans.log(twice.moved))
    with pytest.raises(DuplicateKey):
        await service.units.run(lambda unit: unit.plans.log(twice.moved))


def _moved(plan: DeliveryPlan) -> PlanDecision:
    return move_with_update(plan, [LATER], "u7", "creator-1", NOW)


async def test_the_log_is_read_in_pages(service: UpdatesService) -> None:
    """Newest first, each entry on exactly one page, other campaigns' on none."""
    entries = [
        PromiseMoved(
            campaign, number, "r", 1, Step.END, NOW.date(), NOW.date(), "why", None, "c", NOW
        )
        for campaign in ("c1", "c2")
        for number in range(1, 6)
    ]
    await service.units.run(lambda unit: unit.plans.log(entries))
    seen: list[int] = []
    before: int | None = None
    while page := await service.units.run(
        lambda unit, before=before: unit.plans.log_page("c1", before, 2)
    ):
        seen += [one.number for one in page]
        before = seen[-1]
    assert seen == [5, 4, 3, 2, 1]


@pytest.mark.row("S10")
async def test_questions_are_asked_once_whoever_sweeps(service: UpdatesService) -> None:
    """Two instances, and a sweep that comes late, ask each question once."""
    await launched(service)
    await planned(service)
    ask = AskAboutPromises(service.units, service.plan_queries)
    due = await ask.oldest_due()
    assert due is not None and await ask(due - timedelta(seconds=1)) == 0
    late = due + timedelta(hours=5)
    assert [await ask(late) for _ in range(2)] == [1, 0]
    (question,) = [one for one in await told(service) if isinstance(one, events.PromiseDue)]
    assert (question.step, question.days_before, question.due_at) == ("start", 30, due)
    assert await ask.oldest_due() == due + timedelta(days=2)


async def test_a_question_that_the_terms_know_no_more_is_let_go(service: UpdatesService) -> None:
    """Nobody is asked it, and the plan waits for the next one: the sweep is not held up by it."""
    await launched(service)
    await planned(service)
    ask = AskAboutPromises(service.units, service.plan_queries, PlanTerms(asked_before=(3,)))
    due = await ask.oldest_due()
    assert due is not None and await ask(due) == 0
    assert [one for one in await told(service) if isinstance(one, events.PromiseDue)] == []
    later = await ask.oldest_due()
    assert later is not None and later - due == timedelta(days=27) and await ask(later) == 1


async def test_promised_days_and_moves_are_measured(service: UpdatesService) -> None:
    """A day is past once it is so in every zone; what is done or has ended is promised no more."""
    await launched(service)
    await planned(service)
    measure = MeasurePromises(service.plan_queries)

    async def measured(day: date, hour: int) -> tuple[float, ...]:
        await measure(datetime(day.year, day.month, day.day, hour, tzinfo=UTC))
        gauges = (PROMISES.labels("ahead"), PROMISES.labels("past"))
        moves = (PROMISE_MOVES.labels("earlier"), PROMISE_MOVES.labels("later"))
        return tuple(one._value.get() for one in (*gauges, *moves))

    assert await measured(date(2026, 6, 2), 11) == (2, 0, 0, 0)
    assert await measured(date(2026, 6, 2), 12) == (1, 1, 0, 0)
    later = _moved(await plan_of(service))
    await service.units.run(lambda unit: unit.plans.log(later.moved))
    begun = (CAMPAIGN, REWARD, 1, Step.START, Answer.DONE, "creator-1", NOW)
    await service.units.run(lambda unit: answer_promise(unit, *begun))
    assert await measured(date(2026, 6, 2), 12) == (1, 0, 0, 1)
    ended = replace(await plan_of(service), ended=True)
    await service.units.run(lambda unit: unit.plans.save(ended))
    assert await measured(date(2026, 6, 2), 12) == (0, 0, 0, 1)


async def test_due_plans_stand_on_their_index(
    mongodb_service: UpdatesService, database: Database
) -> None:
    """The sweep reads what it asks for, however many plans are due or wait for another year."""
    often = [None, NOW + timedelta(days=365), NOW]
    dues = [at and at - timedelta(seconds=number) for number in range(300) for at in often]
    rows = [plan_document(DeliveryPlan(f"c{number}", "UTC")) for number in range(len(dues))]
    plans = [row | {"next_due": due} for row, due in zip(rows, dues, strict=True)]
    await database.collection("plans").insert_many(plans)
    queries = mongodb_service.plan_queries
    assert await cost_of(database, lambda: queries.due_plans(NOW, 10)) == Cost(10, 10, 10)
    assert await cost_of(database, queries.oldest_due_plan) == Cost(1, 1, 1)


@pytest.mark.row("S10")
async def test_the_page_says_by_itself_what_is_late() -> None:
    """« Date dépassée depuis N jours », the slip, and what is missing, without anybody's doing."""
    service = memory_service()
    await launched(service, verdict="goal_met")
    async with client_of(api_of(service), creator("creator-1")) as client:
        path = "/campaigns/campaign-1/delivery-plan"
        assert (await client.get(path)).json()["notice"] is None
        service.clock.advance(days=14)
        missing = (await client.get(path)).json()
        assert missing["notice"]["fr"].startswith("L'initiateur n'a pas encore publié")
        batch = f"{path}/reward-1/1"
        days = {"start": "2026-06-01", "end": "2026-06-03"}
        put = await client.put(batch, json={"provision": "service", "days": days})
        assert put.status_code == 200 and put.json()["notice"] is None
        later = {"step": "end", "day": "2026-06-20", "reason": "The hall burnt down."}
        assert (await client.post(f"{batch}/moves", json=later)).status_code == 200
        service.clock.advance(hours=1)
        refused = await client.post(f"{batch}/moves", json=later | {"day": "2026-06-21"})
        assert refused.status_code == 409
        assert refused.json()["type"] == "/problems/later-needs-update"
        service.clock.advance(days=100)
        start, end = (await client.get(path)).json()["lines"][0]["promises"]
        assert (end["slip_days"], end["overdue_days"], start["overdue_days"]) == (17, 3, 22)
        assert end["notice"]["fr"] == "Date dépassée depuis 3 jours"
        done = await client.post(f"{batch}/answers", json={"step": "end", "answer": "done"})
        assert done.json()["lines"][0]["promises"][1]["notice"] is None
        log = (await client.get(f"{path}/log")).json()
        assert [(one["days"], one["reason"]) for one in log["items"]] == [
            (17, "The hall burnt down.")
        ]
        for wrong in ({"provision": "gift", "days": days}, {"provision": "product", "days": days}):
            assert (await client.put(f"{path}/reward-1/2", json=wrong)).status_code == 422
        known = {"provision": "service", "days": days}
        assert (await client.put(f"{path}/other/1", json=known)).status_code == 404


async def test_a_move_without_an_update_is_a_command_of_its_own() -> None:
    """Earlier days are told too, without an update."""
    service = memory_service()
    await launched(service)
    await planned(service)
    earlier = Move(REWARD, 1, Step.START, date(2026, 5, 30), "The hall is free.")
    at = NOW + timedelta(days=1)
    await service.units.run(lambda unit: move_promise(unit, CAMPAIGN, earlier, "creator-1", at))
    (*_, moved) = await told(service)
    assert isinstance(moved, events.PromiseMoved) and moved.update_id is None
