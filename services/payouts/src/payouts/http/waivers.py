"""Routes by which two people give up a part of the platform's fee."""

from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Path
from fastapi.params import Depends
from pydantic import BaseModel, ConfigDict

from payouts.domain.book import Waiver
from payouts.domain.errors import Refused
from payouts.handlers.waivers import WaiveFees
from payouts.http.models import MinorUnits, Reason, RequestIdentifier
from payouts.http.paths import CampaignId
from payouts.http.refusals import problem_of
from servicekit.access import Guard
from servicekit.auth import Principal, Role

WaiverId = Annotated[RequestIdentifier, Path()]


class WaiverBody(BaseModel):
    """How much of the platform's fee is given up, without its tax, in minor units, and why."""

    model_config = ConfigDict(extra="forbid", strict=True)

    amount: MinorUnits
    reason: Reason


class WaiverView(BaseModel):
    waiver_id: str
    amount: int
    reason: str
    by: str
    at: datetime
    second_by: str | None
    second_at: datetime | None


class WaiversView(BaseModel):
    campaign_id: str
    waivers: list[WaiverView]


def add_waiver_routes(api: FastAPI, guard: Guard, waive: WaiveFees, readers: Depends) -> None:
    """Add them; `readers` are who may see what was given up."""

    @api.put("/campaigns/{campaign_id}/fee-waivers/{waiver_id}")
    async def put_waiver(
        campaign_id: CampaignId,
        waiver_id: WaiverId,
        body: WaiverBody,
        caller: Annotated[Principal, guard.allow(Role.STAFF)],
    ) -> WaiverView:
        """Give up a part of the platform's fee, once a second person says the same."""
        given = await waive(campaign_id, waiver_id, body.amount, body.reason, caller.subject)
        return _view(given)

    @api.get("/campaigns/{campaign_id}/fee-waivers", dependencies=[readers])
    async def list_waivers(campaign_id: CampaignId) -> WaiversView:
        """Show what was given up of the fees, and what waits for a second person."""
        book = await waive.queries.book(campaign_id)
        if book is None:
            raise problem_of(Refused("campaign-unknown", f"there is no book of {campaign_id}"))
        return WaiversView(campaign_id=campaign_id, waivers=[_view(one) for one in book.waivers])


def _view(waiver: Waiver) -> WaiverView:
    return WaiverView(
        waiver_id=waiver.waiver_id,
        amount=waiver.amount,
        reason=waiver.reason,
        by=waiver.by,
        at=waiver.at,
        second_by=waiver.second_by,
        second_at=waiver.second_at,
    )
