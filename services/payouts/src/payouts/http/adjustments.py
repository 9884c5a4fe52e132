"""Routes by which two people take back what the platform had paid for a cancelled campaign."""

from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Path
from pydantic import BaseModel, ConfigDict, Field

from payouts.domain.adjustment import Residue
from payouts.domain.book import Adjustment
from payouts.handlers.adjustments import Adjust
from payouts.http.models import MinorUnits, Reason, RequestIdentifier
from payouts.http.paths import CampaignId, Cursor, Limit
from servicekit.access import Guard
from servicekit.auth import Principal, Role

AdjustmentId = Annotated[RequestIdentifier, Path()]


class AdjustmentBody(BaseModel):
    """How much the platform takes back, in minor units, why, and as of which block of the book."""

    model_config = ConfigDict(extra="forbid", strict=True)

    amount: MinorUnits
    block: Annotated[int, Field(ge=1, le=2**53, description="`block` of what is left, as shown.")]
    reason: Reason


class AdjustmentView(BaseModel):
    """`by` and `second_by` are empty where only the ledger of a restored book knows of it."""

    adjustment_id: str
    amount: int
    block: int
    reason: str
    by: str
    at: datetime
    second_by: str | None
    second_at: datetime | None


class ResidueView(BaseModel):
    """What a cancelled campaign still holds, in minor units, as of a block of its book.

    `recoverable` is what two people can take back, once there are no `hindrances`.
    """

    campaign_id: str
    currency: str
    block: int
    held: int
    reachable: int = Field(description="Can still be refunded to its backers.")
    paid: int = Field(description="By the platform, out of pledges' payments, and not back.")
    recoverable: int
    hindrances: list[str]


class AdjustmentsView(BaseModel):
    residue: ResidueView
    adjustments: list[AdjustmentView]


class ResiduePage(BaseModel):
    items: list[ResidueView]
    next_cursor: str | None


def add_adjustment_routes(api: FastAPI, guard: Guard, adjust: Adjust) -> None:
    """Add them."""
    by_staff = guard.allow(Role.STAFF)

    @api.get("/ledger/residues", dependencies=[by_staff])
    async def list_residues(cursor: Cursor = "", limit: Limit = 50) -> ResiduePage:
        """List the cancelled campaigns that still hold money, and why nothing may be taken yet."""
        found = await adjust.residues(cursor, limit)
        last = found[-1].campaign_id if len(found) == limit else None
        return ResiduePage(items=[_residue(one) for one in found], next_cursor=last)

    @api.get("/campaigns/{campaign_id}/adjustments", dependencies=[by_staff])
    async def list_adjustments(campaign_id: CampaignId) -> AdjustmentsView:
        """Show what is left of a campaign, what was taken back, and what waits for a second."""
        residue, adjustments = await adjust.shown(campaign_id)
        return AdjustmentsView(
            residue=_residue(residue), adjustments=[_adjustment(one) for one in adjustments]
        )

    @api.put("/campaigns/{campaign_id}/adjustments/{adjustment_id}")
    async def put_adjustment(
        campaign_id: CampaignId,
        adjustment_id: AdjustmentId,
        body: AdjustmentBody,
        caller: Annotated[Principal, by_staff],
    ) -> AdjustmentView:
        """Take back what no backer can claim and the platform paid, once a second one says so.

        What is booked in between lets the first one's word fall.
        """
        said = body.amount, body.block, body.reason
        return _adjustment(await adjust(campaign_id, adjustment_id, *said, caller.subject))


def _residue(residue: Residue) -> ResidueView:
    return ResidueView(
        campaign_id=residue.campaign_id,
        currency=residue.currency,
        block=residue.block,
        held=residue.held,
        reachable=residue.reachable,
        paid=residue.paid,
        recoverable=residue.recoverable,
        hindrances=list(residue.hindrances),
    )


def _adjustment(adjustment: Adjustment) -> AdjustmentView:
    return AdjustmentView(
        adjustment_id=adjustment.adjustment_id,
        amount=adjustment.amount,
        block=adjustment.block,
        reason=adjustment.reason,
        by=adjustment.by,
        at=adjustment.at,
        second_by=adjustment.second_by,
        second_at=adjustment.second_at,
    )
