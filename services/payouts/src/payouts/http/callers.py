"""Who is calling, by what this service itself knows of the campaign."""

from dataclasses import dataclass

from payouts.ports.queries import Queries
from servicekit.access import Ids, Owner
from servicekit.auth import Principal, Role
from servicekit.problems import Problem


@dataclass(frozen=True, slots=True)
class Callers:
    """What a caller is to a campaign, or to a refund."""

    queries: Queries

    @property
    def creator(self) -> Owner:
        """Return the ground on which a campaign's creator is let in."""
        return Owner("creator of the campaign", Role.CREATOR, self._owns_campaign)

    @property
    def backer(self) -> Owner:
        """Return the ground on which whoever is refunded is let in."""
        return Owner("backer whose refund it is", Role.BACKER, self._owns_refund)

    async def _owns_campaign(self, caller: Principal, ids: Ids) -> bool:
        return await self.queries.creator(ids["campaign_id"]) == caller.subject

    async def _owns_refund(self, caller: Principal, ids: Ids) -> bool:
        refund = await self.queries.refund(ids["campaign_id"], ids["refund_id"])
        return refund is not None and refund.backer_id == caller.subject


def unknown_campaign() -> Problem:
    return Problem(404, "campaign-unknown", "Payouts has not heard of this campaign")


def unknown_refund() -> Problem:
    return Problem(404, "refund-unknown", "There is no such refund in this campaign")
