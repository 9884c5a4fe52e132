"""Cancelling a campaign: by its creator until the deadline, by staff until a verdict has fallen."""

from dataclasses import dataclass, replace
from datetime import datetime

from funding.domain.campaign import Campaign, CampaignState, Cancellation, move
from funding.domain.errors import Refused


@dataclass(frozen=True, slots=True)
class CancelCampaign:
    """What is asked for; `as_staff` says that whoever asks may do so after the deadline too."""

    campaign_id: str
    by: str
    reason: str
    as_staff: bool
    at: datetime


def cancel(campaign: Campaign, command: CancelCampaign, pledges_sequence: int) -> Campaign:
    """End the campaign without a verdict; the same again changes nothing.

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
    if campaign.state is CampaignState.GOAL_MET:
        raise Refused(
            "cancellation-after-verdict-not-offered",
            "the goal was met: returning what is left of the money is not offered yet",
        )
    if not command.as_staff and command.at > campaign.launch.deadline:
        detail = f"a creator may cancel until {campaign.launch.deadline.isoformat()}"
        raise Refused("cancellation-too-late", detail)
    if not command.reason.strip():
        raise Refused("reason-missing", "backers are told why, so there must be a reason")
