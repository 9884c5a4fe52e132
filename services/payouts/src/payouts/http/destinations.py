"""Routes of where a campaign's money goes."""

from fastapi import FastAPI

from payouts.handlers.destination import give_destination
from payouts.http.callers import Callers, unknown_campaign
from payouts.http.models import DestinationBody, DestinationView
from payouts.http.parts import Parts
from payouts.http.paths import CampaignId
from payouts.http.views import destination_view
from servicekit.auth import Role
from servicekit.problems import Problem


def add_destination_routes(api: FastAPI, callers: Callers, parts: Parts) -> None:
    """Add them."""
    guard, units, queries, clock = parts.guard, parts.units, parts.queries, parts.clock
    creator = callers.creator

    @api.put(
        "/campaigns/{campaign_id}/destination",
        dependencies=[guard.allow(creator, unknown=unknown_campaign)],
    )
    async def put_destination(campaign_id: CampaignId, body: DestinationBody) -> DestinationView:
        """Say where the money goes; the same again is the same version, anything else the next."""
        destination = await units.run(
            lambda unit: give_destination(
                unit, campaign_id, body.provider, body.account, clock.now()
            )
        )
        return destination_view(destination)

    @api.get(
        "/campaigns/{campaign_id}/destination",
        dependencies=[guard.allow(Role.STAFF, creator, unknown=_unknown_destination)],
    )
    async def read_destination(campaign_id: CampaignId) -> DestinationView:
        """Show where the money goes and whether the provider has verified it."""
        destination = await queries.destination(campaign_id)
        if destination is None:
            raise _unknown_destination()
        return destination_view(destination)


def _unknown_destination() -> Problem:
    return Problem(404, "destination-unknown", "No destination is given")
