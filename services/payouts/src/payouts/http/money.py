"""Routes of a campaign's money: its figures, its stages with their gate, its chain of blocks."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import FastAPI, Query

from payouts.domain.gate import Line
from payouts.domain.stage import OVER, Stage
from payouts.handlers.pay_stages import PayStages
from payouts.http.callers import Callers, unknown_campaign
from payouts.http.models import BlockPage, MoneyView, StagesView
from payouts.http.parts import Parts
from payouts.http.paths import CampaignId, Limit
from payouts.http.views import block_view, money_view, stage_view
from servicekit.auth import Role
from servicekit.problems import Problem


def add_money_routes(api: FastAPI, callers: Callers, parts: Parts) -> None:
    """Add them."""
    guard, queries, stages = parts.guard, parts.queries, parts.stages
    creator = callers.creator

    @api.get("/campaigns/{campaign_id}/money", dependencies=[guard.anybody()])
    async def read_money(campaign_id: CampaignId) -> MoneyView:
        """Show the campaign's money as its book has it."""
        book = await queries.book(campaign_id)
        if book is None:
            raise _no_book()
        figures = await queries.refund_figures(campaign_id)
        return money_view(book, figures, await queries.stages(campaign_id))

    @api.get(
        "/campaigns/{campaign_id}/stages",
        dependencies=[guard.allow(Role.STAFF, creator, unknown=unknown_campaign)],
    )
    async def read_stages(campaign_id: CampaignId) -> StagesView:
        """Show the stages, and line by line why one is not yet paid."""
        if await queries.book(campaign_id) is None:
            raise unknown_campaign()
        found = await queries.stages(campaign_id)
        views = [stage_view(*await _explained(stages, stage)) for stage in found]
        return StagesView(campaign_id=campaign_id, stages=views)

    @api.get("/campaigns/{campaign_id}/blocks", dependencies=[guard.anybody()])
    async def list_blocks(
        campaign_id: CampaignId,
        cursor: Annotated[int, Query(ge=0)] = 0,
        limit: Limit = 50,
    ) -> BlockPage:
        """List the chain of blocks; pseudonymous ids only, so anyone may check it."""
        found = await queries.blocks(campaign_id, cursor, limit)
        last = found[-1].number if len(found) == limit else None
        return BlockPage(items=[block_view(block) for block in found], next_cursor=last)


async def _explained(stages: PayStages, stage: Stage) -> tuple[Stage, Sequence[Line]]:
    if stage.state in OVER:
        return stage, ()
    return await stages.explain(stage.campaign_id, stage.number)


def _no_book() -> Problem:
    return Problem(
        404,
        "campaign-unknown",
        "No book of this campaign: it begins with the first collected pledge or the verdict",
    )
