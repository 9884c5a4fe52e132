"""Cancelling a campaign: by its creator until the deadline, by staff unless the goal was missed.

After a met goal payouts returns what is left by shares: how much that is, only payouts knows, and
where every stage is paid it is nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from funding.domain.campaign import Campaign, CampaignState, Cancellation, move
from funding.domain.errors import Refused
from funding.domain.instants import check_instant


@dataclass(frozen=True, slots=True)
class CancelCampaign:
    """What is asked for; `as_staff` says that whoever asks may do so after the deadline too."""

    campaign_id: str
    by: str
    reason: str
    as_staff: bool
    at: datetime


def cancel(campaign: Campaign, command: CancelCampaign, pledges_sequence: int) -> Campaign:
    """End the campaign, also after a met goal; the same again changes nothing.

    Raises `Refused` where it is too late, and for a second cancellation that says something else.
    """
    known = campaign.cancellation
    if known is not None:
        if (known.by, known.reason) != (command.by, command.reason):
            raise Refused("already-cancelled", "this campaign was cancelled with other words")
        return campaign
    _check(campaign, command)
    totals = campaign.totals
    cancellation = Cancellation(
        by=command.by,
        reason=command.reason,
        collected=totals.counted,
        count=totals.count,
        pledges_sequence=pledges_sequence,
        cancelled_at=command.at,
    )
    return stand_cancelled(campaign, cancellation)


def stand_cancelled(campaign: Campaign, cancellation: Cancellation) -> Campaign:
    """Return the campaign as this cancellation leaves it; nothing of it is due any more."""
    moved = move(campaign, CampaignState.CANCELLED)
    return replace(moved, cancellation=cancellation, next_due=None)


def _check(campaign: Campaign, command: CancelCampaign) -> None:
    if campaign.state is CampaignState.GOAL_MISSED:
        raise Refused("goal-missed", "the goal was missed: everything goes back already")
    # Whoever owns the campaign decides here as its creator, in whichever role.
    own = command.by == campaign.launch.creator_id
    if campaign.state is CampaignState.GOAL_MET and (own or not command.as_staff):
        detail = "the goal was met: only the platform's staff may cancel now, not its creator"
        raise Refused("cancellation-after-verdict", detail)
    if not command.as_staff and command.at > campaign.launch.deadline:
        detail = f"a creator may cancel until {campaign.launch.deadline.isoformat()}"
        raise Refused("cancellation-too-late", detail)
    check_instant(command.at)
    if not command.reason.strip():
        raise Refused("reason-missing", "backers are told why, so there must be a reason")
