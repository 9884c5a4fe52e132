"""What is told of rewards on their way: who came from where, in lists, each of them once."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from updates.domain.tracking import Tracking, TrackingState


@dataclass(frozen=True, slots=True)
class DeliveryChanged:
    """One reward came to one state for these backers; `before` says where each of them was."""

    campaign_id: str
    reward_id: str
    state: TrackingState
    before: tuple[tuple[str, TrackingState], ...]
    by: str
    at: datetime

    @property
    def change_id(self) -> str:
        """Its name, equal on every retry: no other change says the same at the same instant."""
        people = [f"{backer}:{old}" for backer, old in self.before]
        return _digest(self.reward_id, self.state, self.by, self.at.isoformat(), *people)


@dataclass(frozen=True, slots=True)
class ReceiptAsked:
    """These backers are asked whether the reward came."""

    campaign_id: str
    reward_id: str
    backers: tuple[str, ...]
    at: datetime

    @property
    def question_id(self) -> str:
        return _digest(self.reward_id, self.at.isoformat(), *self.backers)


@dataclass(frozen=True, slots=True)
class DeliveryNoticeAsked:
    """A reward is on its way without a notice; the platform sends its own at the given time."""

    campaign_id: str
    reward_id: str
    at: datetime
    platform_sends_at: datetime


TrackingFact = DeliveryChanged | ReceiptAsked | DeliveryNoticeAsked


def changes_of(
    moved: Iterable[tuple[Tracking, Tracking]], by: str, now: datetime
) -> list[DeliveryChanged]:
    """Return what is told of these moves: a fact for each reward and where it is now.

    What did not move is in none of them (trap 17).
    """
    groups: dict[tuple[str, str, TrackingState], list[tuple[str, TrackingState]]] = {}
    for old, new in moved:
        if old.state is not new.state:
            group = (new.campaign_id, new.reward_id, new.state)
            groups.setdefault(group, []).append((new.backer_id, old.state))
    return [
        DeliveryChanged(*group, tuple(sorted(before)), by, now) for group, before in groups.items()
    ]


def _digest(*words: str) -> str:
    return hashlib.blake2b("\n".join(words).encode(), digest_size=16).hexdigest()


def asked_of(due: Sequence[Tracking], now: datetime) -> list[ReceiptAsked]:
    """Return the questions to those whose reward was sent a while ago, one for each reward."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in due:
        groups.setdefault((one.campaign_id, one.reward_id), []).append(one.backer_id)
    return [ReceiptAsked(*group, tuple(sorted(who)), now) for group, who in groups.items()]
