"""Where rewards on their way are kept, who is owed one, and what falls due of them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from updates.domain.reward_tracking import RewardTracking
from updates.domain.tracking import Tracking

# Campaign, reward and backer.
TrackingPlace = tuple[str, str, str]


class Trackings(Protocol):
    """Rewards on their way, bound to one transaction; what nobody moved stands nowhere."""

    async def load(self, places: Collection[TrackingPlace]) -> dict[TrackingPlace, Tracking]: ...

    async def of_backer(self, campaign_id: str, backer_id: str) -> list[Tracking]:
        """Return all of one backer's, by reward."""
        ...

    async def with_parcels_to(self, backers: Collection[str]) -> list[Tracking]:
        """Return what was sent to these people under a number, in all campaigns."""
        ...

    async def save(self, trackings: Sequence[Tracking]) -> None:
        """Insert new ones (version 0) or replace loaded ones; `Conflict` if saved since."""
        ...


class RewardTrackings(Protocol):
    """What is known of a reward's tracking as a whole, bound to one transaction."""

    async def load(
        self, campaign_id: str, reward_ids: Collection[str]
    ) -> dict[str, RewardTracking]: ...

    async def save(self, rewards: Sequence[RewardTracking]) -> None:
        """Insert new ones (version 0) or replace loaded ones; `Conflict` if saved since."""
        ...


class OwedRewards(Protocol):
    """Who is owed which reward: by pledges of which something is left, in one transaction."""

    async def standing(self, campaign_id: str, backers: Collection[str]) -> set[tuple[str, str]]:
        """Return the (reward, backer) pairs that are owed to these backers."""
        ...

    async def page(self, campaign_id: str, reward_id: str, after: str, limit: int) -> list[str]:
        """Return those who are owed a reward, each once, by their ids behind `after`."""
        ...


class TrackingQueries(Protocol):
    """Reads outside a transaction."""

    async def due_questions(self, now: datetime, limit: int, skip: int = 0) -> list[TrackingPlace]:
        """Return whose receipt is to be asked for by now, the longest due first.

        Without the first `skip` of them.
        """
        ...

    async def oldest_due_question(self) -> datetime | None: ...

    async def due_notices(self, now: datetime, limit: int, skip: int = 0) -> list[tuple[str, str]]:
        """Return (campaign, reward) of which the platform sends a notice by now.

        Without the first `skip` of them.
        """
        ...

    async def oldest_due_notice(self) -> datetime | None: ...
