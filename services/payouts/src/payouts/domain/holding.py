"""How long a campaign's money is held, against how long its provider lets us (`money.md` 9).

What came first leaves first: the oldest money that is still there is as old as the payment with
which the later ones together reach what is held.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

# Of the limit: from here on somebody is told.
NEAR = 0.8
ANY_PROVIDER = "*"


@dataclass(frozen=True, slots=True)
class HoldingLimits:
    """Days by provider, which stands for an account and its country; `*` is any other one."""

    days: Mapping[str, int] = field(default_factory=lambda: {ANY_PROVIDER: 90})

    def of(self, provider: str) -> timedelta:
        return timedelta(days=self.days.get(provider, self.days[ANY_PROVIDER]))

    def strictest(self, providers: Collection[str]) -> str:
        """Return the provider that lets money lie for the shortest time."""
        return min(sorted(providers), key=self.of)

    @property
    def shortest(self) -> timedelta:
        return timedelta(days=min(self.days.values()))


@dataclass(frozen=True, slots=True)
class Inflow:
    """What one block says came in from backers, in minor units."""

    block: int
    at: datetime
    amount: int


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held of a campaign, since when the oldest of it, and until when it may be.

    `provider` is the strictest of those through which its money came: what is left may be theirs.
    `told_at` is when staff were told that the limit is near, None while it is not.
    """

    campaign_id: str
    currency: str
    provider: str
    amount: int
    held_since: datetime
    limit_at: datetime
    told_at: datetime | None = None
    version: int = 0

    def ratio(self, now: datetime) -> float:
        """Return how much of the time is used up; above 1 it is held too long."""
        return (now - self.held_since) / (self.limit_at - self.held_since)


@dataclass(frozen=True, slots=True)
class HoldingLimitNear:
    holding: Holding
    near_at: datetime


def oldest_held(newest_first: Iterable[Inflow], held: int) -> datetime | None:
    """Return when the oldest came of what is held now, None where nothing is."""
    oldest, left = None, held
    for inflow in newest_first:
        if left <= 0:
            break
        oldest, left = inflow.at, left - inflow.amount
    return oldest


def look(known: Holding | None, seen: Holding, now: datetime) -> tuple[Holding, bool]:
    """Return what to keep, and whether somebody is to be told: once, until it is no longer near."""
    told_at = known.told_at if known else None
    near = seen.amount > 0 and seen.ratio(now) >= NEAR
    told = now if near and told_at is None else told_at
    kept = replace(seen, told_at=told if near else None, version=known.version if known else 0)
    return kept, near and told_at is None
