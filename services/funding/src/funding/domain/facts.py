"""What happened, in the words of the domain; `wire.py` turns it into events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from funding.domain.campaign import Campaign
    from funding.domain.pledge import DropReason, Payment, Standing, Withdrawal
    from funding.domain.relaunch import Difference
    from funding.domain.team import Team


@dataclass(frozen=True, slots=True)
class CampaignLaunched:
    """`differences` is what a relaunch says otherwise than the campaign it names."""

    campaign: Campaign
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class VerdictReached:
    campaign: Campaign


@dataclass(frozen=True, slots=True)
class CampaignCancelled:
    campaign: Campaign


@dataclass(frozen=True, slots=True)
class TeamChanged:
    """The team as it is from now on, beside the owner."""

    owner: str
    team: Team


@dataclass(frozen=True, slots=True)
class PledgePlaced:
    payment: Payment
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class PledgeCollected:
    payment: Payment
    standing: Standing


@dataclass(frozen=True, slots=True)
class PledgeErrored:
    payment: Payment


@dataclass(frozen=True, slots=True)
class PledgeReminderDue:
    payment: Payment
    reminder: int
    drops_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class PledgeLastTryDue:
    payment: Payment
    drops_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class PledgeDropped:
    """`before_verdict` says that the public total lost the pledge too."""

    payment: Payment
    because: DropReason
    before_verdict: bool
    dropped_at: datetime


@dataclass(frozen=True, slots=True)
class PledgeWithdrawn:
    """`before_verdict` says that count, collected and the public total lost it."""

    payment: Payment
    withdrawal: Withdrawal
    standing: Standing
    before_verdict: bool


Fact = (
    CampaignLaunched
    | VerdictReached
    | CampaignCancelled
    | TeamChanged
    | PledgePlaced
    | PledgeCollected
    | PledgeErrored
    | PledgeReminderDue
    | PledgeLastTryDue
    | PledgeDropped
    | PledgeWithdrawn
)
