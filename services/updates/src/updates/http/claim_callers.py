"""On which side of a claim a caller stands."""

from dataclasses import dataclass

from servicekit.access import Ids, Owner
from servicekit.auth import Principal, Role
from updates.domain.claim import Side
from updates.http.callers import Callers
from updates.ports.claims import ClaimQueries


@dataclass(frozen=True, slots=True)
class ClaimCallers:
    """What a caller is to a claim."""

    callers: Callers
    queries: ClaimQueries

    @property
    def backer(self) -> Owner:
        """Return the ground on which a claim's own backer is let in."""
        return Owner("backer of the claim", Role.BACKER, self._claims)

    async def side(self, caller: Principal, campaign_id: str, claim_id: str) -> Side:
        """Return the side of somebody who was let in; the claim's backer is that first of all."""
        claim = await self.queries.claim(campaign_id, claim_id)
        own = claim is not None and claim.subject.backer_id == caller.subject
        if own and Role.BACKER in caller.roles:
            return Side.BACKER
        return await self.answering_side(caller, campaign_id)

    async def answering_side(self, caller: Principal, campaign_id: str) -> Side:
        """Return whether somebody who may answer does so for the campaign or the platform."""
        return Side.CREATOR if await self.sends(caller, campaign_id) else Side.STAFF

    async def sends(self, caller: Principal, campaign_id: str) -> bool:
        """Whether the caller sends the campaign's rewards, as its owner or for the owner."""
        return await self.callers.fulfilment.owns(caller, {"campaign_id": campaign_id})

    async def _claims(self, caller: Principal, ids: Ids) -> bool:
        claim = await self.queries.claim(ids["campaign_id"], ids["claim_id"])
        return claim is not None and claim.subject.backer_id == caller.subject
