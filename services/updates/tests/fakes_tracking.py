"""Rewards on their way in memory; `test_tracking_stores.py` holds both kinds to one suite."""

from collections.abc import Collection, Sequence
from datetime import datetime

from servicekit.memory import MemoryDatabase
from services.updates.tests.fakes_saving import save_versioned
from updates.domain.pledge import Pledge
from updates.domain.reward_tracking import RewardTracking
from updates.domain.tracking import Tracking
from updates.ports.claims import PledgePlace
from updates.ports.tracking import TrackingPlace


class MemoryTrackings:
    def __init__(self, database: MemoryDatabase) -> None:
        self._trackings: dict[TrackingPlace, Tracking] = database.table("trackings")

    async def load(self, places: Collection[TrackingPlace]) -> dict[TrackingPlace, Tracking]:
        return {place: self._trackings[place] for place in places if place in self._trackings}

    async def of_backer(self, campaign_id: str, backer_id: str) -> list[Tracking]:
        found = [
            one
            for (campaign, _, backer), one in self._trackings.items()
            if (campaign, backer) == (campaign_id, backer_id)
        ]
        return sorted(found, key=lambda one: one.reward_id)

    async def with_parcels_to(self, backers: Collection[str]) -> list[Tracking]:
        mine = [one for one in self._trackings.values() if one.backer_id in backers]
        return [one for one in mine if any(parcel.number for parcel in one.parcels)]

    async def save(self, trackings: Sequence[Tracking]) -> None:
        for one in trackings:
            save_versioned(self._trackings, (one.campaign_id, one.reward_id, one.backer_id), one)


class MemoryRewardTrackings:
    def __init__(self, database: MemoryDatabase) -> None:
        self._rewards: dict[tuple[str, str], RewardTracking] = database.table("reward_trackings")

    async def load(
        self, campaign_id: str, reward_ids: Collection[str]
    ) -> dict[str, RewardTracking]:
        known = {one: self._rewards.get((campaign_id, one)) for one in reward_ids}
        return {name: one for name, one in known.items() if one is not None}

    async def save(self, rewards: Sequence[RewardTracking]) -> None:
        for one in rewards:
            save_versioned(self._rewards, (one.campaign_id, one.reward_id), one)


class MemoryOwedRewards:
    def __init__(self, database: MemoryDatabase) -> None:
        self._pledges: dict[PledgePlace, Pledge] = database.table("pledges")

    async def standing(self, campaign_id: str, backers: Collection[str]) -> set[tuple[str, str]]:
        return {pair for pair in self._owed(campaign_id) if pair[1] in backers}

    async def page(self, campaign_id: str, reward_id: str, after: str, limit: int) -> list[str]:
        owed = self._owed(campaign_id)
        return sorted(who for reward, who in owed if reward == reward_id and who > after)[:limit]

    def _owed(self, campaign_id: str) -> set[tuple[str, str]]:
        return {
            (one.promise.reward_id, one.promise.backer_id)
            for (campaign, _), one in self._pledges.items()
            if campaign == campaign_id and one.stands and one.promise and one.promise.reward_id
        }


class MemoryTrackingQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._trackings: dict[TrackingPlace, Tracking] = database.table("trackings")
        self._rewards: dict[tuple[str, str], RewardTracking] = database.table("reward_trackings")

    async def due_questions(self, now: datetime, limit: int, skip: int = 0) -> list[TrackingPlace]:
        due = [(one.next_due, place) for place, one in self._trackings.items() if one.next_due]
        return [place for at, place in sorted(due) if at <= now][skip : skip + limit]

    async def oldest_due_question(self) -> datetime | None:
        return min((one.next_due for one in self._trackings.values() if one.next_due), default=None)

    async def due_notices(self, now: datetime, limit: int, skip: int = 0) -> list[tuple[str, str]]:
        due = [(one.next_due, place) for place, one in self._rewards.items() if one.next_due]
        return [place for at, place in sorted(due) if at <= now][skip : skip + limit]

    async def oldest_due_notice(self) -> datetime | None:
        return min((one.next_due for one in self._rewards.values() if one.next_due), default=None)
