"""Stores of pledges and claims in memory; `test_claim_stores.py` holds both kinds to one suite."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from servicekit.errors import DuplicateKey
from servicekit.memory import MemoryDatabase
from services.updates.tests.fakes_saving import save_versioned
from updates.domain.claim import Claim, ClaimState
from updates.domain.claim_reason import Reason
from updates.domain.pledge import Pledge
from updates.ports.claims import Cluster, PledgePlace

NEVER = datetime.max.replace(tzinfo=UTC)


class MemoryPledges:
    def __init__(self, database: MemoryDatabase) -> None:
        self._pledges: dict[PledgePlace, Pledge] = database.table("pledges")

    async def load(self, places: Collection[PledgePlace]) -> dict[PledgePlace, Pledge]:
        return {place: self._pledges[place] for place in places if place in self._pledges}

    async def of_backer(self, campaign_id: str, backer_id: str) -> list[Pledge]:
        found = [one for (campaign, _), one in self._pledges.items() if campaign == campaign_id]
        mine = [one for one in found if one.promise and one.promise.backer_id == backer_id]
        return sorted(mine, key=lambda one: one.pledge_id)

    async def save(self, pledges: Sequence[Pledge]) -> None:
        for pledge in pledges:
            save_versioned(self._pledges, (pledge.campaign_id, pledge.pledge_id), pledge)


class MemoryClaims:
    def __init__(self, database: MemoryDatabase) -> None:
        self._claims: dict[tuple[str, str], Claim] = database.table("claims")

    async def load(self, campaign_id: str, claim_id: str) -> Claim | None:
        return self._claims.get((campaign_id, claim_id))

    async def open_about(self, campaign_id: str, pledge_id: str, reason: Reason) -> Claim | None:
        about = (campaign_id, pledge_id, reason)
        return next((one for one in self._claims.values() if _about(one) == about), None)

    async def of_backers(self, backers: Collection[str]) -> list[Claim]:
        return [one for one in self._claims.values() if one.subject.backer_id in backers]

    async def save(self, claim: Claim) -> None:
        other = await self.open_about(*(_about(claim) or ("", "", claim.reason)))
        if other is not None and other.claim_id != claim.claim_id:
            raise DuplicateKey(other.claim_id)
        save_versioned(self._claims, (claim.campaign_id, claim.claim_id), claim)


def _about(claim: Claim) -> tuple[str, str, Reason] | None:
    if not claim.open:
        return None
    return claim.campaign_id, claim.subject.pledge_id, claim.reason


class MemoryClaimQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._claims: dict[tuple[str, str], Claim] = database.table("claims")

    async def claim(self, campaign_id: str, claim_id: str) -> Claim | None:
        return self._claims.get((campaign_id, claim_id))

    async def claims(
        self, campaign_id: str, backer_id: str | None, after: str, limit: int
    ) -> list[Claim]:
        found = [
            one
            for (campaign, claim_id), one in sorted(self._claims.items())
            if campaign == campaign_id and claim_id > after
        ]
        return [one for one in found if backer_id in (None, one.subject.backer_id)][:limit]

    async def clusters(self, campaign_id: str, named: int) -> list[Cluster]:
        mine = [one for one in self._claims.values() if one.campaign_id == campaign_id and one.open]
        keys = [(one.subject.reward_id, one.reason, one.subject.batch) for one in mine]
        clusters = []
        for key, count in Counter(keys).items():
            waits = sorted(
                (one.due_at is None, one.due_at or NEVER, one.claim_id)
                for one, of in zip(mine, keys, strict=True)
                if of == key
            )
            due = None if waits[0][0] else waits[0][1]
            clusters.append(Cluster(*key, count, due, tuple(one for *_, one in waits[:named])))
        return sorted(clusters, key=lambda c: (-c.count, c.reward_id or "", c.reason))

    async def claims_waiting(
        self, states: Collection[ClaimState], until: datetime | None, limit: int, skip: int = 0
    ) -> list[Claim]:
        due = [
            (one.due_at, one.claim_id, one)
            for one in self._claims.values()
            if one.state in states and one.due_at and (until is None or one.due_at <= until)
        ]
        return [one for _, _, one in sorted(due, key=lambda place: place[:2])][skip : skip + limit]

    async def claims_by_state(self) -> dict[ClaimState, int]:
        return dict(Counter(one.state for one in self._claims.values()))

    async def claims_overdue(self, states: Collection[ClaimState], now: datetime) -> int:
        mine = [one for one in self._claims.values() if one.state in states]
        return sum(1 for one in mine if one.due_at and one.due_at < now)
