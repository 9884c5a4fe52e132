"""What became of campaigns and pledges, as far as it decides who is told."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from notifier.domain.audience import CampaignEnd, Consent


@dataclass(frozen=True, slots=True)
class Returned:
    """A pledge of which everything went back, or, `again`, of which it came back from there.

    `at` is when, None where a release kept it that knew no instant.
    """

    campaign_id: str
    pledge_id: str
    backer_id: str
    at: datetime | None
    again: bool = False


class Endings(Protocol):
    """How campaigns ended, bound to one transaction."""

    async def add(self, endings: Mapping[str, CampaignEnd]) -> None:
        """Keep how each campaign ended; a cancellation takes the place of a verdict."""
        ...


class ReturnedPledges(Protocol):
    """Which pledges were returned in full, bound to one transaction."""

    async def save(self, returned: Sequence[Returned]) -> None:
        """Keep these, the last word on each pledge; the same again changes nothing."""
        ...


class Consents(Protocol):
    """What backers want to hear of campaigns that ended, bound to one transaction."""

    async def choose(self, campaign_id: str, person_id: str, choice: Consent) -> None: ...

    async def of(self, campaign_id: str, person_id: str) -> Consent:
        """Return what the person chose; nothing, if they did not."""
        ...

    async def page(
        self, campaign_id: str, choices: Collection[Consent], after: str, limit: int
    ) -> list[str]:
        """Return so many of those who chose one of these, in order of their ids, behind `after`."""
        ...

    async def forget(self, people: Collection[str]) -> None: ...


class Sieve(Protocol):
    """Who of an audience may not be told, within one transaction or outside of any."""

    async def ending(self, campaign_id: str) -> CampaignEnd | None:
        """Return how the campaign ended, None while it has not."""
        ...

    async def refunded(self, campaign_id: str, until: int, at: datetime) -> set[str]:
        """Return who had every pledge of theirs as of the sequence back in full by that time.

        What was kept without its instant was always back.
        """
        ...

    async def consenting(self, campaign_id: str, choices: Collection[Consent]) -> set[str]:
        """Return who wants to hear of the ended campaign in one of these ways."""
        ...

    async def with_rewards(
        self, campaign_id: str, until: int, rewards: Collection[str]
    ) -> set[str]:
        """Return who had chosen one of these rewards by then."""
        ...
