"""Facts of other services, in the words of this one; `wire.py` makes them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from updates.domain.project import Profile, Project, Verdict


@dataclass(frozen=True, slots=True)
class Launched:
    profile: Profile


@dataclass(frozen=True, slots=True)
class TeamChanged:
    """Everybody who works on the campaign, with the words for what they may."""

    roles: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Decided:
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Placed:
    amount: int


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A pledge left the public total."""

    amount: int


@dataclass(frozen=True, slots=True)
class Collected:
    """`reward_id` is empty for a pledge without a reward."""

    backer_id: str
    amount: int
    reward_id: str = ""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A collected pledge was taken back; `uncollected` says that collected lost it."""

    backer_id: str
    amount: int
    before_verdict: bool
    uncollected: bool
    reward_id: str = ""


@dataclass(frozen=True, slots=True)
class RefundSucceeded:
    refund_id: str
    amount: int


@dataclass(frozen=True, slots=True)
class RefundFailed:
    refund_id: str
    amount: int


@dataclass(frozen=True, slots=True)
class StagePaid:
    stage: int
    amount: int


@dataclass(frozen=True, slots=True)
class StageFailed:
    stage: int


@dataclass(frozen=True, slots=True)
class ChargedBack:
    """So much of the campaign's money a dispute takes now; 0 where the bank gave it back."""

    dispute_id: str
    amount: int


@dataclass(frozen=True, slots=True)
class FeesTaken:
    """What a stage's approval takes of the campaign's money; 0 for one that gives it back."""

    amount: int


Said = (
    Launched
    | TeamChanged
    | Decided
    | Placed
    | Unplaced
    | Collected
    | Withdrawn
    | RefundSucceeded
    | RefundFailed
    | StagePaid
    | StageFailed
    | FeesTaken
    | ChargedBack
)


@dataclass(frozen=True, slots=True)
class Heard:
    """One fact: which topic and campaign, its sequence and time, and what it said.

    `said` is None for a fact that changes no figure; it still moves the topic's as-of. `shown` is
    what it makes of the view beside figures.
    """

    topic: str
    campaign_id: str
    sequence: int
    at: datetime
    said: Said | None
    shown: Callable[[Project], Project] | None = None
