"""The project view: the same from facts in any order, joined, and nothing private in it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import creator
from servicekit.errors import DependencyAway
from servicekit.memory import MemoryDatabase
from servicekit.mongo import Database
from services.updates.tests.conftest import NOW, UpdatesService, memory_service
from services.updates.tests.fakes_view import MemoryViewGate, MemoryViewSources
from services.updates.tests.histories import PEOPLE, Placed, a_history
from services.updates.tests.routes import api_of, client_of
from services.updates.tests.test_claims import opened
from services.updates.tests.test_stores import update
from sosst_contracts import funding, payouts
from sosst_contracts.testing import sample
from updates.adapters.mongo_view import SHUT, MongoViewSources
from updates.adapters.queries import MongoQueries
from updates.domain.delivery_plan import DeliveryPlan
from updates.domain.project import Project
from updates.domain.stage_seen import Decision, StageStanding
from updates.metrics import VIEW_GATE_SHUT
from updates.ports.project_parts import Counts
from updates.ports.view import ViewSources
from updates.sweeps.view import MeasureView

CAMPAIGN = "campaign-1"


async def seen(service: UpdatesService) -> Project:
    project = await service.queries.project(CAMPAIGN)
    assert project is not None
    return replace(project, version=0)


def in_order(history: dict[str, list[Placed]]) -> list[Placed]:
    return [fact for facts in history.values() for fact in facts]


@given(st.randoms(use_true_random=False))
@settings(max_examples=40)
async def test_the_view_is_the_same_however_its_facts_arrive(draw: Random) -> None:
    """Shuffled over topics and within them, doubled, one by one: what waits is taken up."""
    facts = in_order(a_history(draw))
    straight, shuffled = memory_service(), memory_service()
    await straight.hear(*facts)
    arriving = facts + draw.sample(facts, len(facts) // 2)
    draw.shuffle(arriving)
    await shuffled.hear(*arriving)
    assert await seen(shuffled) == await seen(straight)


async def test_stages_are_shown_from_their_plan_to_their_end() -> None:
    """Planned, then where the last fact has them, with the decision about their milestone."""
    service = memory_service()
    await service.hear((sample(payouts.PlanScheduled), 1))
    planned = (await seen(service)).stages
    assert planned and {one.standing for one in planned} == {StageStanding.PLANNED}
    about = {"stage": 2, "kind": "second", "amount": 700}
    await service.hear(
        (sample(payouts.MilestoneRejected, stage=2, revision=1), 2),
        (sample(payouts.MilestoneApproved, stage=2, revision=2), 3),
        (sample(payouts.StageDue, **about), 4),
        (sample(payouts.StageHeld, **about, reason="asked by Anna Lind"), 5),
    )
    second = (await seen(service)).stages[1]
    assert (second.number, second.standing, second.amount) == (2, StageStanding.HELD, 700)
    assert second.milestone is not None
    assert (second.milestone.decision, second.milestone.revision) == (Decision.APPROVED, 2)


@pytest.fixture
async def page() -> AsyncIterator[tuple[UpdatesService, httpx.AsyncClient]]:
    """The route as strangers see it, and the service behind it."""
    service = memory_service()
    async with client_of(api_of(service)) as client:
        yield service, client


async def test_the_page_joins_what_all_services_say(
    page: tuple[UpdatesService, httpx.AsyncClient],
) -> None:
    """Verdict, money, stages, chargebacks, plan and counts, each as of when."""
    service, client = page
    facts = in_order(a_history(Random(7)))
    await service.hear(*facts)
    claim = opened()
    await service.units.run(lambda unit: unit.claims.save(claim))
    await service.units.run(lambda unit: unit.updates.save(update("u1")))
    view: dict[str, Any] = (await client.get(f"/campaigns/{CAMPAIGN}")).json()
    project = await seen(service)
    assert (view["verdict"], view["decided_at"]) == ("goal_met", "2026-03-01T12:00:00Z")
    assert view["figures"]["refunds"] == project.figures.refunds
    assert [one["number"] for one in view["stages"]] == [one.number for one in project.stages]
    assert sum(view["disputes"].values()) == len(project.disputes)
    assert view["counts"] == {
        "updates": {"progress_report": 1},
        "surveys": {},
        "claims_open": 1,
        "claims_ended": 0,
    }
    assert view["delivery_plan"] is not None and view["promise_log"] == []
    assert {topic: one["sequence"] for topic, one in view["as_of"].items()} == {
        event.topic: sequence for event, sequence in facts
    }


async def test_nothing_private_is_in_the_public_page(
    page: tuple[UpdatesService, httpx.AsyncClient],
) -> None:
    """No backer, no reason of a hold or a rejection, no word of a claim."""
    service, client = page
    await service.hear(*in_order(a_history(Random(8))))
    about = {"stage": 2, "kind": "second"}
    stages = [
        sample(payouts.StageHeld, **about, reason="canary-hold"),
        sample(payouts.MilestoneRejected, stage=2, reason="canary-rejected"),
    ]
    known = (await seen(service)).as_of[payouts.StageHeld.topic].sequence
    await service.hear(*[(one, known + number) for number, one in enumerate(stages, start=1)])
    claim = opened()
    claim = replace(claim, subject=replace(claim.subject, backer_id="canary-backer"))
    await service.units.run(lambda unit: unit.claims.save(claim))
    public = (await client.get(f"/campaigns/{CAMPAIGN}")).text
    assert "canary" not in public
    assert not [person for person in PEOPLE if f'"{person}"' in public]
    assert '"standing":"held"' in public and '"decision":"rejected"' in public


async def test_parts_of_the_view_are_counted_and_promised(service: UpdatesService) -> None:
    """Published updates by kind, claims open or not; no plan where there is none."""
    await service.units.run(lambda unit: unit.updates.save(update("u1")))
    await service.units.run(lambda unit: unit.claims.save(opened()))
    assert await service.queries.counts(CAMPAIGN) == Counts({"progress_report": 1}, {}, 1, 0)
    assert await service.queries.counts("campaign-2") == Counts({}, {}, 0, 0)
    assert (await service.queries.promised(CAMPAIGN, 5)).plan is None
    await service.units.run(lambda unit: unit.plans.save(DeliveryPlan(CAMPAIGN, "UTC")))
    assert (await service.queries.promised(CAMPAIGN, 5)).plan is not None


async def test_a_shut_gate_holds_whoever_moves_or_counts_the_view(
    page: tuple[UpdatesService, httpx.AsyncClient],
) -> None:
    """Reading goes on; publishing and its preview are asked to come again."""
    service, client = page
    await service.hear((sample(funding.CampaignLaunched), 1))
    draft = replace(update("u1"), published_at=None, audience=None)
    await service.units.run(lambda unit: unit.updates.save(draft))

    async def shut(unit: Any) -> None:
        unit.view.shut()

    await service.units.run(shut)
    with pytest.raises(DependencyAway):
        await service.units.run(lambda unit: unit.view.pass_through())
    assert (await client.get(f"/campaigns/{CAMPAIGN}")).status_code == 200
    audience = await client.get(
        f"/campaigns/{CAMPAIGN}/updates/u1/audience", headers=bearer(creator("creator-1"))
    )
    assert audience.status_code == 503


class Topic:
    """A topic that goes to `end`, read up to `reached`."""

    def __init__(self, end: int, reached: int) -> None:
        self.end, self.reached = end, reached

    async def ends(self) -> dict[int, int]:
        return {0: self.end}

    async def committed(self) -> dict[int, int]:
        return {0: self.reached}


@pytest.fixture(params=["memory", "mongodb"])
def sources(request: pytest.FixtureRequest) -> ViewSources:
    if request.param == "memory":
        return MemoryViewSources(MemoryDatabase())
    database: Database = request.getfixturevalue("database")
    return MongoViewSources(database)


async def test_a_source_is_whole_as_long_as_it_is_read_to_its_end(sources: ViewSources) -> None:
    """Behind it, the instant stays where it was: that is how old the view is."""
    topic = Topic(end=5, reached=5)
    measure = MeasureView({"funding.pledges": topic}, sources)
    await measure(NOW)
    topic.end = 6
    await measure(NOW + timedelta(minutes=1))
    assert await sources.whole_at() == {"funding.pledges": NOW}
    topic.reached = 6
    await measure(NOW + timedelta(minutes=2))
    assert await sources.whole_at() == {"funding.pledges": NOW + timedelta(minutes=2)}


class Away(Topic):
    """A topic whose broker does not answer."""

    async def ends(self) -> dict[int, int]:
        raise DependencyAway("no broker")


async def test_a_shut_gate_is_measured_also_without_a_broker(
    service: UpdatesService, request: pytest.FixtureRequest
) -> None:
    """While it is shut nothing is published, and somebody is to be woken."""
    sources: ViewSources
    if isinstance(service.queries, MongoQueries):
        database: Database = request.getfixturevalue("database")
        sources, gate = MongoViewSources(database), database.collection("view_gate")
        await gate.insert_one(dict(SHUT))
    else:
        shared = MemoryDatabase()
        sources = MemoryViewSources(shared)
        MemoryViewGate(shared).shut()
    with pytest.raises(DependencyAway):
        await MeasureView({"funding.pledges": Away(1, 1)}, sources)(NOW)
    assert VIEW_GATE_SHUT._value.get() == 1
    await MeasureView({}, MemoryViewSources(MemoryDatabase()))(NOW)
    assert VIEW_GATE_SHUT._value.get() == 0
