"""Routes by which people decide about stages: evidence, milestones, approvals, retries, holds."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import FastAPI, Path

from payouts.domain.holds import Hold, HoldKind
from payouts.domain.stage import Stage
from payouts.handlers.approvals import Asked, approve_stage, concern_of
from payouts.handlers.holds import place_hold, release_hold
from payouts.handlers.milestones import MilestoneDecision, decide_milestone, take_evidence
from payouts.handlers.pay_stages import PayStages
from payouts.handlers.retries import try_stage_again
from payouts.http.models import (
    ApprovalBody,
    EvidenceBody,
    HoldBody,
    HoldsView,
    Identifier,
    MilestoneBody,
    StageView,
    TryAgainBody,
)
from payouts.http.paths import CampaignId
from payouts.http.views import holds_view, stage_view
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.access import Guard, Owner
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork

StageNumber = Annotated[int, Path(ge=1, le=99)]
HoldId = Annotated[Identifier, Path()]
Answer = TypeVar("Answer")


def add_people_routes(
    api: FastAPI,
    guard: Guard,
    units: UnitsOfWork[PayoutsUnit],
    queries: Queries,
    stages: PayStages,
    clock: Clock,
    creator: Owner,
    unknown: Callable[[], Problem],
) -> None:
    """Add them; `unknown` is what is said of a campaign that is not the caller's."""

    async def decided(work: Callable[[PayoutsUnit], Awaitable[Answer]]) -> Answer:
        return await units.run(work)

    async def shown(stage: Stage) -> StageView:
        return stage_view(*await stages.explain(stage.campaign_id, stage.number))

    by_creator = guard.allow(creator, unknown=unknown)
    by_staff = guard.allow(Role.STAFF)

    @api.put("/campaigns/{campaign_id}/stages/{stage}/evidence")
    async def put_evidence(
        campaign_id: CampaignId,
        stage: StageNumber,
        body: EvidenceBody,
        caller: Annotated[Principal, by_creator],
    ) -> StageView:
        """Show that the stage's milestone is reached; other evidence is the next revision."""
        now, evidence = clock.now(), body.evidence
        return await shown(
            await decided(
                lambda unit: take_evidence(unit, campaign_id, stage, evidence, caller.subject, now)
            )
        )

    @api.post("/campaigns/{campaign_id}/stages/{stage}/milestone")
    async def post_milestone(
        campaign_id: CampaignId,
        stage: StageNumber,
        body: MilestoneBody,
        caller: Annotated[Principal, by_staff],
    ) -> StageView:
        """Approve or reject the evidence; the same decision again changes nothing."""
        decision = MilestoneDecision(body.revision, caller.subject, body.reason)
        owner, now = await queries.creator(campaign_id), clock.now()
        return await shown(
            await decided(
                lambda unit: decide_milestone(unit, campaign_id, stage, decision, owner, now)
            )
        )

    @api.post("/campaigns/{campaign_id}/stages/{stage}/approvals")
    async def post_approval(
        campaign_id: CampaignId,
        stage: StageNumber,
        body: ApprovalBody,
        caller: Annotated[Principal, by_staff],
    ) -> StageView:
        """Allow the payment as it was shown; above the limit a second person must as well."""
        asked = Asked(**body.model_dump(), by=caller.subject)
        concerned = await concern_of(queries, campaign_id, caller.subject)
        limit, now = stages.approval_limit, clock.now()
        return await shown(
            await decided(
                lambda unit: approve_stage(unit, campaign_id, stage, asked, concerned, limit, now)
            )
        )

    @api.post("/campaigns/{campaign_id}/stages/{stage}/retry")
    async def post_stage_retry(
        campaign_id: CampaignId,
        stage: StageNumber,
        body: TryAgainBody,
        caller: Annotated[Principal, by_staff],
    ) -> StageView:
        """Have a stage tried again whose tries are used up, after the last attempt shown."""
        after, by, now = body.after_attempt, caller.subject, clock.now()
        return await shown(
            await decided(lambda unit: try_stage_again(unit, campaign_id, stage, after, by, now))
        )

    @api.get("/campaigns/{campaign_id}/holds", dependencies=[guard.allow(Role.STAFF)])
    async def list_holds(campaign_id: CampaignId) -> HoldsView:
        """List what holds the campaign's stages, or has held them."""
        book = await queries.book(campaign_id)
        if book is None:
            raise unknown()
        return holds_view(book)

    @api.put("/campaigns/{campaign_id}/holds/{hold_id}")
    async def put_hold(
        campaign_id: CampaignId,
        hold_id: HoldId,
        body: HoldBody,
        caller: Annotated[Principal, by_staff],
    ) -> HoldsView:
        """Hold the campaign's stages; approvals that were given fall."""
        now = clock.now()
        hold = Hold(hold_id, HoldKind.STAFF, body.reason, caller.subject, now)
        return holds_view(await decided(lambda unit: place_hold(unit, campaign_id, hold, now)))

    @api.delete("/campaigns/{campaign_id}/holds/{hold_id}")
    async def delete_hold(
        campaign_id: CampaignId, hold_id: HoldId, caller: Annotated[Principal, by_staff]
    ) -> HoldsView:
        """Let a hold go; it stays on record. With the last one the stages go on."""
        by, now = caller.subject, clock.now()
        return holds_view(
            await decided(lambda unit: release_hold(unit, campaign_id, hold_id, by, now))
        )
