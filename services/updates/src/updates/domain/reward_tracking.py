"""A reward's tracking as a whole: opened by a delivery notice, or by the first that is sent.

One that is sent without a notice is asked for; if none comes in time the platform sends its own.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from updates.domain.tracking import SENT, TrackingState, TrackingTerms
from updates.domain.tracking_facts import DeliveryNoticeAsked


@dataclass(frozen=True, slots=True)
class RewardTracking:
    """One reward of a campaign; one that nobody spoke of and nobody sent stands nowhere.

    `notice_id` is the delivery notice that told of it first. `asked_at` is when one was asked for,
    `next_due` when the platform sends its own. `version` guards every save.
    """

    campaign_id: str
    reward_id: str
    opened_at: datetime
    notice_id: str | None = None
    asked_at: datetime | None = None
    next_due: datetime | None = None
    version: int = 0


def open_by_notice(
    known: RewardTracking | None, campaign_id: str, reward_id: str, update_id: str, at: datetime
) -> RewardTracking:
    """A delivery notice names the reward: its tracking is open, and no notice is owed any more."""
    reward = known or RewardTracking(campaign_id, reward_id, at)
    if reward.notice_id is not None:
        return reward
    return replace(reward, notice_id=update_id, next_due=None)


def open_by_move(
    known: RewardTracking | None,
    campaign_id: str,
    reward_id: str,
    state: TrackingState,
    now: datetime,
    terms: TrackingTerms,
) -> tuple[RewardTracking, DeliveryNoticeAsked | None]:
    """Somebody's reward came to a state: tracking is open; sent unannounced, a notice is asked."""
    reward = known or RewardTracking(campaign_id, reward_id, now)
    if state not in SENT or reward.notice_id is not None or reward.asked_at is not None:
        return reward, None
    due = now + terms.notice
    asked = DeliveryNoticeAsked(campaign_id, reward_id, now, due)
    return replace(reward, asked_at=now, next_due=due), asked


def without_notice(reward: RewardTracking) -> RewardTracking:
    """No notice of it is sent by the platform any more."""
    return replace(reward, next_due=None)
