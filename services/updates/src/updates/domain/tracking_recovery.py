"""Rewards on their way brought to where their topic has them, after a restored backup."""

from dataclasses import replace

from updates.domain.reward_tracking import RewardTracking
from updates.domain.tracking import (
    ASKED_ABOUT,
    Tracking,
    TrackingMove,
    TrackingState,
    TrackingTerms,
)
from updates.domain.tracking_facts import DeliveryChanged, DeliveryNoticeAsked


def moved_again(
    tracking: Tracking, old: TrackingState, fact: DeliveryChanged, terms: TrackingTerms
) -> Tracking:
    """Return it as it was after a move that was told; twice is once."""
    line = TrackingMove(old, fact.state, fact.by, fact.at)
    if line in tracking.history:
        return tracking
    by_team = fact.state in ASKED_ABOUT and fact.by != tracking.backer_id
    return replace(
        tracking,
        state=fact.state,
        history=(*tracking.history, line),
        received_from=old if fact.state is TrackingState.RECEIVED else None,
        next_due=fact.at + terms.question if by_team else None,
    )


def opened_again(
    known: RewardTracking | None, fact: DeliveryChanged | DeliveryNoticeAsked
) -> RewardTracking:
    """Return a reward's tracking as it was after a fact; who was asked is not asked again."""
    reward = known or RewardTracking(fact.campaign_id, fact.reward_id, fact.at)
    if isinstance(fact, DeliveryChanged) or reward.asked_at is not None:
        return reward
    due = None if reward.notice_id else fact.platform_sends_at
    return replace(reward, asked_at=fact.at, next_due=due)
