"""Routes of campaigns: launched, looked at, cancelled."""

from collections.abc import Collection
from typing import Annotated

from fastapi import FastAPI, Response

from funding.domain.campaign import Campaign, Launch
from funding.domain.cancelling import CancelCampaign
from funding.domain.errors import Refused
from funding.handlers.cancel import cancel_campaign
from funding.handlers.launch import launch
from funding.handlers.settle import explain
from funding.http.callers import Callers, unknown_campaign
from funding.http.models import CampaignPage, CampaignView, CancellationBody, LaunchBody
from funding.http.parts import Parts
from funding.http.paths import CampaignId, Cursor, Limit
from funding.http.views import campaign_view, launch_from
from funding.ports import FundingUnit
from funding.wire import to_the_millisecond
from servicekit.access import Ids, Owner
from servicekit.auth import Principal, Role, forbidden
from servicekit.clock import Clock

SETTLING = "what the verdict waits for: creator of the campaign, staff"


def add_campaign_routes(api: FastAPI, callers: Callers, parts: Parts) -> None:
    """Add them."""
    guard, units, queries, clock = parts.guard, parts.units, parts.queries, parts.clock
    intake, standard, settlement = parts.intake, parts.standard, parts.settlement
    creator = callers.creator
    launcher = guard.allow(Role.SERVICE, Role.STAFF, NAMED_CREATOR)

    @api.put("/campaigns/{campaign_id}", status_code=201, responses={200: {"model": CampaignView}})
    async def launch_campaign(
        caller: Annotated[Principal, launcher],
        campaign_id: CampaignId,
        body: LaunchBody,
        response: Response,
    ) -> CampaignView:
        """Launch a campaign. The same request again answers 200; another one under this id 409.

        Its terms are the platform's: a creator leaves them out, and has its standard.
        """
        _check_speaks_for(caller, body)
        command = launch_from(campaign_id, body, standard)
        campaign, new = await units.run(lambda unit: _launch(unit, command, settlement, clock))
        response.status_code = 201 if new else 200
        return campaign_view(campaign)

    @api.get("/campaigns", dependencies=[guard.anybody()])
    async def list_campaigns(cursor: Cursor = "", limit: Limit = 50) -> CampaignPage:
        """List campaigns in order of id."""
        found = await queries.campaigns(cursor, limit)
        last = found[-1].campaign_id if len(found) == limit else None
        return CampaignPage(items=[campaign_view(c) for c in found], next_cursor=last)

    @api.get("/campaigns/{campaign_id}")
    async def read_campaign(
        caller: Annotated[Principal | None, guard.anybody(SETTLING)], campaign_id: CampaignId
    ) -> CampaignView:
        """Show state, figures, verdict; to creator and staff also what it still waits for."""
        campaign = await queries.campaign(campaign_id)
        if campaign is None:
            raise unknown_campaign()
        if not _sees_settling(caller, campaign):
            return campaign_view(campaign)
        return campaign_view(campaign, await explain(units, intake, campaign_id, clock.now()))

    @api.post("/campaigns/{campaign_id}/cancellation")
    async def cancel(
        caller: Annotated[Principal, guard.allow(Role.STAFF, creator, unknown=unknown_campaign)],
        campaign_id: CampaignId,
        body: CancellationBody,
    ) -> CampaignView:
        """End a campaign: every collected pledge goes back, after a met goal what is left of it.

        Its creator may until the deadline, staff unless the goal was missed. The same again is
        the same.
        """
        at = to_the_millisecond(clock.now())
        as_staff = Role.STAFF in caller.roles
        command = CancelCampaign(campaign_id, caller.subject, body.reason, as_staff, at)
        campaign = await units.run(lambda unit: cancel_campaign(unit, command))
        return campaign_view(campaign)


async def _checked_with_the_body(caller: Principal, _: Ids) -> bool:
    """Let every creator come as far as the body, where `_check_speaks_for` looks whom it names."""
    return True


NAMED_CREATOR = Owner("creator whom the body names", Role.CREATOR, _checked_with_the_body)


def _check_speaks_for(caller: Principal, body: LaunchBody) -> None:
    if caller.roles & {Role.SERVICE, Role.STAFF}:
        return
    if caller.subject != body.creator_id:
        raise forbidden("a creator launches campaigns of their own")
    if body.terms.model_fields_set:
        # Whoever names fees and shares could take all of the money at once, and pay for nothing.
        raise forbidden("the platform and its staff name terms")


def _sees_settling(caller: Principal | None, campaign: Campaign) -> bool:
    if caller is None:
        return False
    own = Role.CREATOR in caller.roles and campaign.launch.creator_id == caller.subject
    return own or Role.STAFF in caller.roles


async def _launch(
    unit: FundingUnit, command: Launch, settlement: Collection[str], clock: Clock
) -> tuple[Campaign, bool]:
    known = await unit.campaigns.load([command.campaign_id])
    if not known and command.deadline <= clock.now():
        raise Refused("deadline-passed", "the deadline must be in the future")
    return await launch(unit, command, settlement, clock.now())
