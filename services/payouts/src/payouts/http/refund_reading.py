"""Routes by which refunds are read: by staff, the creator, and whose each is."""

from typing import Annotated

from fastapi import FastAPI

from payouts.http.callers import Callers, unknown_campaign, unknown_refund
from payouts.http.models import RefundPage, TracedRefundView
from payouts.http.parts import Parts
from payouts.http.paths import CampaignId, Cursor, Limit, RefundId
from payouts.http.views import refund_view, traced_refund_view
from servicekit.auth import Principal, Role


def add_refund_reading_routes(api: FastAPI, callers: Callers, parts: Parts) -> None:
    """Add them."""
    guard, queries = parts.guard, parts.queries
    creator, backer = callers.creator, callers.backer

    @api.get(
        "/campaigns/{campaign_id}/refunds",
        dependencies=[guard.allow(Role.STAFF, creator, unknown=unknown_campaign)],
    )
    async def list_refunds(
        campaign_id: CampaignId, cursor: Cursor = "", limit: Limit = 50
    ) -> RefundPage:
        """List the refunds of a campaign in order of id."""
        if await queries.book(campaign_id) is None:
            raise unknown_campaign()
        found = await queries.refunds(campaign_id, cursor, limit)
        last = found[-1].refund_id if len(found) == limit else None
        return RefundPage(items=[refund_view(refund) for refund in found], next_cursor=last)

    @api.get("/campaigns/{campaign_id}/refunds/{refund_id}")
    async def read_refund(
        campaign_id: CampaignId,
        refund_id: RefundId,
        caller: Annotated[
            Principal, guard.allow(Role.STAFF, creator, backer, unknown=unknown_refund)
        ],
    ) -> TracedRefundView:
        """Show one refund."""
        refund = await queries.refund(campaign_id, refund_id)
        if refund is None:
            raise unknown_refund()
        return traced_refund_view(refund, caller)
