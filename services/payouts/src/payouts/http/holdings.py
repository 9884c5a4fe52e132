"""The route that shows whose money is held nearly as long as its provider allows."""

from datetime import datetime

from fastapi import FastAPI
from pydantic import BaseModel, Field

from payouts.domain.holding import Holding
from payouts.http.paths import Cursor, Limit
from payouts.ports.queries import Queries
from servicekit.access import Guard
from servicekit.auth import Role
from servicekit.clock import Clock


class HoldingView(BaseModel):
    """Money of a campaign that has been held nearly as long as it may be, in minor units."""

    campaign_id: str
    provider: str
    amount: int
    currency: str
    held_since: datetime
    limit_at: datetime
    ratio: float = Field(description="How much of the time is used up; above 1 it is too late.")


class HoldingPage(BaseModel):
    items: list[HoldingView]
    next_cursor: str | None


def add_holding_route(api: FastAPI, guard: Guard, queries: Queries, clock: Clock) -> None:
    """Add it; the figures are those of the last look, which comes every hour."""

    @api.get("/holdings", dependencies=[guard.allow(Role.STAFF)])
    async def list_holdings(cursor: Cursor = "", limit: Limit = 50) -> HoldingPage:
        """List the campaigns whose money must leave soon, in order of id."""
        found, now = await queries.holdings_near(cursor, limit), clock.now()
        last = found[-1].campaign_id if len(found) == limit else None
        return HoldingPage(items=[_view(one, now) for one in found], next_cursor=last)


def _view(holding: Holding, now: datetime) -> HoldingView:
    return HoldingView(
        campaign_id=holding.campaign_id,
        provider=holding.provider,
        amount=holding.amount,
        currency=holding.currency,
        held_since=holding.held_since,
        limit_at=holding.limit_at,
        ratio=round(holding.ratio(now), 3),
    )
