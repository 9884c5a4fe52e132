"""Who is calling, by what this service itself knows of the campaign."""

from dataclasses import dataclass

from funding.ports import Queries
from servicekit.access import Ids, Owner
from servicekit.auth import Principal, Role
from servicekit.problems import Problem


@dataclass(frozen=True, slots=True)
class Callers:
    """What a caller is to a campaign, or to a pledge."""

    queries: Queries

    @property
    def creator(self) -> Owner:
        """Return the ground on which a campaign's creator is let in."""
        return Owner("creator of the campaign", Role.CREATOR, self._owns_campaign)

    @property
    def backer(self) -> Owner:
        """Return the ground on which whoever pledged is let in."""
        return Owner("backer whose pledge it is", Role.BACKER, self._owns_pledge)

    async def _owns_campaign(self, caller: Principal, ids: Ids) -> bool:
        campaign = await self.queries.campaign(ids["campaign_id"])
        return campaign is not None and campaign.launch.creator_id == caller.subject

    async def _owns_pledge(self, caller: Principal, ids: Ids) -> bool:
        pledge = await self.queries.pledge(ids["campaign_id"], ids["pledge_id"])
        return pledge is not None and pledge.payment.backer_id == caller.subject


def unknown_campaign() -> Problem:
    return Problem(404, "campaign-unknown", "There is no such campaign")


def unknown_pledge() -> Problem:
    return Problem(404, "pledge-unknown", "There is no such pledge in this campaign")
