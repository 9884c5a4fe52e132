"""Where the codes of digital rewards are kept: each is given once, and shown to nobody else."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from updates.ports.tracking import TrackingPlace


@dataclass(frozen=True, slots=True)
class CodeStock:
    """How many codes of a reward there are; withheld ones may have been given before a restore."""

    free: int
    given: int
    withheld: int


class Codes(Protocol):
    """Codes of digital rewards, bound to one transaction."""

    async def add(
        self, campaign_id: str, reward_id: str, codes: Sequence[str], at: datetime
    ) -> int:
        """Add those that the campaign has not for any reward; return how many that were."""
        ...

    async def given(self, places: Collection[TrackingPlace]) -> dict[TrackingPlace, str]:
        """Return the codes that these backers were given."""
        ...

    async def take(
        self, campaign_id: str, reward_id: str, backers: Sequence[str], at: datetime
    ) -> dict[str, str]:
        """Give each of these backers a free code of the reward, as far as there are any.

        `Conflict` or `DuplicateKey` where a backer, or such a code, is served at the same time.
        """
        ...

    async def stock(self, campaign_id: str, reward_id: str) -> CodeStock: ...

    async def withhold(self, campaign_id: str, reward_id: str) -> int:
        """Give no code that is free now any more; return how many that were."""
        ...
