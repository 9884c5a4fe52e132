"""Routes of delivery plans: promise, move, answer, and read with the promise log."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import FastAPI, Path, Query

from servicekit.access import Guard
from servicekit.auth import Principal
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork
from updates.domain.delivery_plan import (
    BATCHES_MAX,
    Answer,
    DeliveryPlan,
    Move,
    PromiseMoved,
    Provision,
    Step,
)
from updates.domain.plan_terms import PlanTerms
from updates.handlers.plans import answer_promise, load_plan, move_promise, publish_plan
from updates.http.callers import Callers, unknown_campaign
from updates.http.paths import CampaignId, Limit, RewardId
from updates.http.plan_models import AnswerBody, LogPage, MoveBody, PlanBody, PlanView
from updates.http.plan_views import log_entry_view, plan_view
from updates.ports.unit import UpdatesUnit

Batch = Annotated[int, Path(ge=1, le=BATCHES_MAX)]
Before = Annotated[int | None, Query(ge=1, description="`next_before` of the page before.")]
BATCH = "/campaigns/{campaign_id}/delivery-plan/{reward_id}/{batch}"


def add_plan_routes(
    api: FastAPI,
    guard: Guard,
    callers: Callers,
    units: UnitsOfWork[UpdatesUnit],
    clock: Clock,
    terms: PlanTerms,
) -> None:
    """Add them."""
    planner = guard.allow(callers.editor, unknown=unknown_campaign)

    async def answer(work: Callable[[UpdatesUnit], Awaitable[DeliveryPlan]]) -> PlanView:
        return plan_view(await units.run(work), clock.now(), terms)

    @api.put(BATCH)
    async def put_plan(
        caller: Annotated[Principal, planner],
        campaign_id: CampaignId,
        reward_id: RewardId,
        batch: Batch,
        body: PlanBody,
    ) -> PlanView:
        """Promise the days of a batch of a reward; what is promised is moved, not rewritten."""
        provision = Provision(body.provision)
        days = {Step(step): day for step, day in body.days.items()}
        by, now = caller.subject, clock.now()
        return await answer(
            lambda unit: publish_plan(
                unit, campaign_id, reward_id, batch, provision, days, by, now, terms
            )
        )

    @api.post(BATCH + "/moves")
    async def post_move(
        caller: Annotated[Principal, planner],
        campaign_id: CampaignId,
        reward_id: RewardId,
        batch: Batch,
        body: MoveBody,
    ) -> PlanView:
        """Move a day: earlier, or soon after it was promised; later needs a delay notice (409)."""
        step = Step(body.step)
        moved = Move(reward_id, batch, step, body.day, body.reason, body.dependents)
        by, now = caller.subject, clock.now()
        return await answer(lambda unit: move_promise(unit, campaign_id, moved, by, now, terms))

    @api.post(BATCH + "/answers")
    async def post_answer(
        caller: Annotated[Principal, planner],
        campaign_id: CampaignId,
        reward_id: RewardId,
        batch: Batch,
        body: AnswerBody,
    ) -> PlanView:
        """Say that a day stands, or that its step is done."""
        step, given = Step(body.step), Answer(body.answer)
        by, now = caller.subject, clock.now()
        return await answer(
            lambda unit: answer_promise(
                unit, campaign_id, reward_id, batch, step, given, by, now, terms
            )
        )

    @api.get("/campaigns/{campaign_id}/delivery-plan", dependencies=[guard.anybody()])
    async def read_plan(campaign_id: CampaignId) -> PlanView:
        """Show what is promised, how far it slipped, and what is past its day."""
        return await answer(lambda unit: load_plan(unit, campaign_id))

    @api.get("/campaigns/{campaign_id}/delivery-plan/log", dependencies=[guard.anybody()])
    async def read_log(
        campaign_id: CampaignId, before: Before = None, limit: Limit = 50
    ) -> LogPage:
        """Show every move of a promise, newest first."""

        async def work(unit: UpdatesUnit) -> list[PromiseMoved]:
            await load_plan(unit, campaign_id)
            return await unit.plans.log_page(campaign_id, before, limit)

        found = await units.run(work)
        behind = found[-1].number if len(found) == limit else None
        return LogPage(items=[log_entry_view(one) for one in found], next_before=behind)
