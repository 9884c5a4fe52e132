"""What the handlers need from outside, and what they may rely on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from funding.domain.campaign import Campaign
from funding.domain.facts import Fact
from funding.domain.held import Held
from funding.domain.pledge import PaymentMethod, Pledge
from funding.domain.team import Team
from servicekit.units import Unit


class Campaigns(Protocol):
    """Campaign documents, bound to one transaction."""

    async def load(self, campaign_ids: Collection[str]) -> dict[str, Campaign]:
        """Return the campaigns that exist, by id."""
        ...

    async def add(self, campaign: Campaign) -> None:
        """Insert a new campaign; raises `DuplicateKey` if the id is taken."""
        ...

    async def save(self, campaigns: Sequence[Campaign]) -> None:
        """Replace campaigns that were loaded; raises `Conflict` if any was saved since."""
        ...


class Pledges(Protocol):
    """Pledge documents, bound to one transaction."""

    async def load(self, pledge_ids: Collection[str]) -> dict[str, Pledge]:
        """Return the pledges that exist, by id."""
        ...

    async def by_reference(
        self, references: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], Pledge]:
        """Return the pledges that exist, by (provider, payment reference), which is unique."""
        ...

    async def save(self, pledges: Sequence[Pledge]) -> None:
        """Insert or replace; raises `DuplicateKey` if a payment belongs to another pledge."""
        ...

    async def last_pending(self, campaign_id: str) -> Mapping[PaymentMethod | None, datetime]:
        """Return when the youngest pending pledge of each payment method was placed.

        Methods without a pending pledge are left out; None stands for pledges that name none.
        """
        ...


class HeldCampaigns(Protocol):
    """Campaigns that a person must look at, bound to one transaction."""

    async def load(self, campaign_id: str) -> Held | None: ...

    async def save(self, held: Held) -> None:
        """Insert or replace."""
        ...

    async def remove(self, campaign_id: str) -> None:
        """Let it go; nothing if it is not held."""
        ...


class Teams(Protocol):
    """Teams of campaigns, bound to one transaction."""

    async def load(self, campaign_id: str) -> Team | None: ...

    async def save(self, team: Team) -> None:
        """Insert (version 0) or replace the loaded one; `Conflict` if it was saved since."""
        ...


class Facts(Protocol):
    """Where facts go, to be published after the transaction."""

    async def add(self, facts: Sequence[Fact]) -> None:
        """Keep the facts in the outbox, with the next sequences of their campaigns."""
        ...

    async def pledges_sequence(self, campaign_id: str) -> int:
        """Return the last sequence of `funding.pledges` for this campaign.

        It stays true until the commit, because everyone who adds such a fact also saves the
        campaign document.
        """
        ...


@dataclass(frozen=True, slots=True)
class FundingUnit(Unit):
    """One transaction of this service."""

    campaigns: Campaigns
    pledges: Pledges
    held: HeldCampaigns
    teams: Teams
    facts: Facts


class Intake(Protocol):
    """The topic that brings payments from the rest of the platform."""

    async def ends(self) -> dict[int, int]:
        """Return the end offset of each partition that holds anything.

        Raises `DependencyAway` if the brokers do not answer. Empty where no topic is configured.
        """
        ...

    async def committed(self) -> Mapping[int, int]:
        """Return this service's own committed position per partition; same errors as `ends`."""
        ...


class Queries(Protocol):
    """Reads outside a transaction. Pages start behind `after` ("" = first), in order of id."""

    async def due(self, now: datetime, limit: int, skip: int = 0) -> list[str]:
        """Return campaigns whose next step is due, the longest overdue first.

        Without the first `skip` of them.
        """
        ...

    async def oldest_due(self) -> datetime | None:
        """Return when the next step of any campaign is due first, None if nothing is due."""
        ...

    async def due_pledges(self, now: datetime, limit: int, skip: int = 0) -> list[str]:
        """Return errored pledges whose next step is due, the longest overdue first.

        Without the first `skip` of them.
        """
        ...

    async def oldest_due_pledge(self) -> datetime | None:
        """Return when the next step of any errored pledge is due first, None if none is."""
        ...

    async def errored_pledges(self) -> int:
        """Return how many pledges have a step before them because their payment failed."""
        ...

    async def states(self) -> Mapping[str, int]:
        """Return how many campaigns there are in each state."""
        ...

    async def settling(self, limit: int) -> list[str]:
        """Return campaigns that wait for their verdict, the longest waiting first."""
        ...

    async def campaign(self, campaign_id: str) -> Campaign | None: ...

    async def campaigns(self, after: str, limit: int) -> list[Campaign]: ...

    async def team(self, campaign_id: str) -> Team | None: ...

    async def pledge(self, campaign_id: str, pledge_id: str) -> Pledge | None: ...

    async def pledges(self, campaign_id: str, after: str, limit: int) -> list[Pledge]: ...
