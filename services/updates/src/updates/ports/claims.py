"""What the handlers of claims need, and what they may rely on."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from updates.domain.claim import Claim, ClaimState
from updates.domain.claim_reason import Reason
from updates.domain.pledge import Pledge

PledgePlace = tuple[str, str]


class Pledges(Protocol):
    """Pledges by (campaign, pledge), bound to one transaction."""

    async def load(self, places: Collection[PledgePlace]) -> dict[PledgePlace, Pledge]: ...

    async def of_backer(self, campaign_id: str, backer_id: str) -> list[Pledge]:
        """Return one backer's pledges whose money was collected, by their ids."""
        ...

    async def save(self, pledges: Sequence[Pledge]) -> None:
        """Insert new ones (version 0) or replace loaded ones; `Conflict` if saved since."""
        ...


class Claims(Protocol):
    """Claims, bound to one transaction."""

    async def load(self, campaign_id: str, claim_id: str) -> Claim | None: ...

    async def open_about(self, campaign_id: str, pledge_id: str, reason: Reason) -> Claim | None:
        """Return the claim of this pledge and reason that has not ended."""
        ...

    async def of_backers(self, backers: Collection[str]) -> list[Claim]:
        """Return what these people claimed, in all campaigns."""
        ...

    async def save(self, claim: Claim) -> None:
        """Insert (version 0) or replace the loaded one; `Conflict` if it was saved since.

        `DuplicateKey` where another claim of the same pledge and reason is open.
        """
        ...


@dataclass(frozen=True, slots=True)
class Cluster:
    """Open claims with the same reward, reason and batch: one answer may serve all of them.

    `longest_waiting` is the earliest instant at which somebody is to answer one of them; `claims`
    names those that wait longest, as many as one answer takes.
    """

    reward_id: str | None
    reason: Reason
    batch: str | None
    count: int
    longest_waiting: datetime | None
    claims: tuple[str, ...]


class ClaimQueries(Protocol):
    """Reads of claims outside a transaction."""

    async def claim(self, campaign_id: str, claim_id: str) -> Claim | None: ...

    async def claims(
        self, campaign_id: str, backer_id: str | None, after: str, limit: int
    ) -> list[Claim]:
        """Return a campaign's claims by their ids behind `after`, all or those of one backer."""
        ...

    async def clusters(self, campaign_id: str, named: int) -> list[Cluster]:
        """Return a campaign's open claims in clusters, the largest first; `named` of each by id."""
        ...

    async def claims_waiting(
        self, states: Collection[ClaimState], until: datetime | None, limit: int, skip: int = 0
    ) -> list[Claim]:
        """Return claims of all campaigns in these states, by when they are due.

        Only those due by `until`, where it is given, and without the first `skip` of them.
        """
        ...

    async def claims_by_state(self) -> dict[ClaimState, int]:
        """Count all claims."""
        ...

    async def claims_overdue(self, states: Collection[ClaimState], now: datetime) -> int:
        """Count those in these states that were due before now."""
        ...
