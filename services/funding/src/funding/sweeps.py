"""Timed work of funding: deadlines and verdicts."""

from datetime import datetime

from funding.domain.campaign import Campaign
from funding.handlers.settle import settle
from funding.metrics import observe_verdict
from funding.ports import FundingUnit, Intake, Queries
from servicekit import traces
from servicekit.errors import Conflict
from servicekit.units import UnitsOfWork

PAGE = 100


class SettleDueCampaigns:
    """Steps every campaign whose next step is due; any instance may do it at any time."""

    def __init__(self, units: UnitsOfWork[FundingUnit], queries: Queries, intake: Intake) -> None:
        self._units = units
        self._queries = queries
        self._intake = intake

    async def __call__(self, now: datetime) -> int:
        """Return how many campaigns were stepped to a new state."""
        moved = 0
        for campaign_id in await self._queries.due(now, PAGE):
            try:
                with traces.span("settle", campaign_id=campaign_id):
                    campaign = await settle(self._units, self._intake, campaign_id, now)
            except Conflict:
                continue  # A pledge or another instance was faster; the next sweep looks again.
            if campaign is not None:
                moved += self._observe(campaign)
        return moved

    def _observe(self, campaign: Campaign) -> int:
        if campaign.verdict is not None:
            observe_verdict(campaign.verdict)
        return int(campaign.blocked_at is None or campaign.verdict is not None)
