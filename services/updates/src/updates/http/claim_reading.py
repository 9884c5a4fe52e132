"""Routes by which claims are read: one, a campaign's, its clusters, and what waits for staff."""

from typing import Annotated

from fastapi import FastAPI

from servicekit.access import Guard
from servicekit.auth import Principal, Role
from updates.domain.claim import ClaimState
from updates.handlers.claims import BULK_MAX
from updates.http.callers import Callers, unknown_campaign
from updates.http.claim_callers import ClaimCallers
from updates.http.claim_models import ClaimPage, ClaimView, ClustersView
from updates.http.claim_views import claim_view, cluster_view, unknown_claim
from updates.http.paths import CampaignId, ClaimId, Cursor, Limit
from updates.ports.claims import ClaimQueries

QUEUE = 200


def add_claim_reading_routes(
    api: FastAPI, guard: Guard, callers: Callers, queries: ClaimQueries
) -> None:
    """Add them."""
    known = ClaimCallers(callers, queries)
    everybody = guard.allow(Role.STAFF, known.backer, callers.fulfilment, unknown=unknown_claim)
    insiders = guard.allow(Role.STAFF, callers.backer, callers.fulfilment, unknown=unknown_campaign)
    of_campaign = guard.allow(Role.STAFF, callers.fulfilment, unknown=unknown_campaign)

    @api.get("/campaigns/{campaign_id}/claims/{claim_id}", dependencies=[everybody])
    async def read_claim(campaign_id: CampaignId, claim_id: ClaimId) -> ClaimView:
        """Show a claim with its thread to its two sides and to staff."""
        claim = await queries.claim(campaign_id, claim_id)
        if claim is None:
            raise unknown_claim()
        return claim_view(claim)

    @api.get("/campaigns/{campaign_id}/claims")
    async def list_claims(
        campaign_id: CampaignId,
        caller: Annotated[Principal, insiders],
        cursor: Cursor = "",
        limit: Limit = 50,
    ) -> ClaimPage:
        """List claims by their ids: all to the creator and staff, a backer's own to the backer."""
        all_of_them = Role.STAFF in caller.roles or await known.sends(caller, campaign_id)
        of = None if all_of_them else caller.subject
        found = await queries.claims(campaign_id, of, cursor, limit)
        last = found[-1].claim_id if len(found) == limit else None
        return ClaimPage(items=[claim_view(claim) for claim in found], next_cursor=last)

    @api.get("/campaigns/{campaign_id}/claim-clusters", dependencies=[of_campaign])
    async def read_clusters(campaign_id: CampaignId) -> ClustersView:
        """Count open claims with the same reward, reason and batch, the largest cluster first."""
        found = await queries.clusters(campaign_id, BULK_MAX)
        return ClustersView(items=[cluster_view(one) for one in found])

    @api.get("/queues/claims", dependencies=[guard.allow(Role.STAFF)])
    async def read_queue() -> ClaimPage:
        """List claims of all campaigns that wait for staff, those due first in front."""
        found = await queries.claims_waiting({ClaimState.WITH_STAFF}, None, QUEUE)
        return ClaimPage(items=[claim_view(claim) for claim in found], next_cursor=None)
