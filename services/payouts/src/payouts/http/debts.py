"""Routes of chargebacks and of what creators owe."""

from collections.abc import Callable
from typing import Annotated

from fastapi import FastAPI, Path

from payouts.domain.dispute import Dispute
from payouts.domain.receivable import EndKind, Proposed
from payouts.handlers.approvals import concern_of
from payouts.handlers.receivables import end_receivable
from payouts.http.models import (
    DisputePage,
    DisputeView,
    EndingBody,
    Identifier,
    ReceivablesView,
    ReceivableView,
)
from payouts.http.paths import CampaignId, Cursor, Limit
from payouts.http.views import receivable_view
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.access import Guard, Owner
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork

ReceivableId = Annotated[Identifier, Path()]


def add_debt_routes(
    api: FastAPI,
    guard: Guard,
    units: UnitsOfWork[PayoutsUnit],
    queries: Queries,
    clock: Clock,
    creator: Owner,
    unknown: Callable[[], Problem],
) -> None:
    """Add them; `unknown` is what is said of a campaign that is not the caller's."""
    of_campaign = guard.allow(Role.STAFF, creator, unknown=unknown)
    by_staff = guard.allow(Role.STAFF)

    @api.get("/disputes", dependencies=[by_staff])
    async def list_undecided(cursor: Cursor = "", limit: Limit = 50) -> DisputePage:
        """List what no bank has decided, of all campaigns and of none, in order of id."""
        return _page(await queries.undecided_disputes(cursor, limit), limit)

    @api.get("/campaigns/{campaign_id}/disputes", dependencies=[of_campaign])
    async def list_disputes(
        campaign_id: CampaignId, cursor: Cursor = "", limit: Limit = 50
    ) -> DisputePage:
        """List the chargebacks and inquiries of a campaign in order of id."""
        if await queries.book(campaign_id) is None:
            raise unknown()
        return _page(await queries.disputes(campaign_id, cursor, limit), limit)

    @api.get("/campaigns/{campaign_id}/receivables", dependencies=[of_campaign])
    async def list_receivables(campaign_id: CampaignId) -> ReceivablesView:
        """Show what the creator owes the platform, one item per cause, and what became of it."""
        if await queries.book(campaign_id) is None:
            raise unknown()
        found = await queries.receivables(campaign_id)
        return ReceivablesView(
            campaign_id=campaign_id,
            open=sum(one.open for one in found),
            receivables=[receivable_view(one) for one in found],
        )

    @api.post("/campaigns/{campaign_id}/receivables/{receivable_id}/endings")
    async def post_ending(
        campaign_id: CampaignId,
        receivable_id: ReceivableId,
        body: EndingBody,
        caller: Annotated[Principal, by_staff],
    ) -> ReceivableView:
        """Say that a debt was paid, or is given up; it is booked when a second person says so."""
        concerned, now = await concern_of(queries, campaign_id, caller.subject), clock.now()
        kind = EndKind(body.kind)
        proposed = Proposed(kind, body.amount, body.reason, caller.subject, now)
        ended = await units.run(
            lambda unit: end_receivable(unit, campaign_id, receivable_id, proposed, concerned, now)
        )
        return receivable_view(ended)


def _page(found: list[Dispute], limit: int) -> DisputePage:
    last = found[-1].dispute_id if len(found) == limit else None
    return DisputePage(items=[_dispute(one) for one in found], next_cursor=last)


def _dispute(dispute: Dispute) -> DisputeView:
    return DisputeView(
        dispute_id=dispute.dispute_id,
        campaign_id=dispute.campaign_id or None,
        pledge_id=dispute.pledge_id or None,
        state=dispute.state.value,
        amount=dispute.amount,
        currency=dispute.currency,
        fee=dispute.fee,
        reserved=dispute.reserved,
        owed=dispute.owed,
        lost=dispute.lost,
        reason=dispute.reason,
        seen_at=dispute.seen_at,
        opened_at=dispute.opened_at,
        ended_at=dispute.ended_at,
    )
