"""Random histories of a campaign, as other services' topics tell them."""

from collections import defaultdict
from random import Random

from sosst_contracts import funding, payouts
from sosst_contracts.event import Event
from sosst_contracts.testing import sample

Placed = tuple[Event, int]
PEOPLE = ("anna", "ben", "cleo", "dora")
REWARDS = ("lamp", "desk", None)
_STAGE_FACTS = (
    payouts.StageDue,
    payouts.StageHeld,
    payouts.StageReleased,
    payouts.StageApproved,
    payouts.StageSubmitted,
    payouts.StagePaid,
    payouts.StageFailed,
)


def a_history(draw: Random, campaign_id: str = "campaign-1") -> dict[str, list[Placed]]:
    """Return what stands on each topic about one campaign, every fact with its sequence."""
    told: dict[str, list[Placed]] = defaultdict(list)

    def tell(kind: type[Event], **fields: object) -> None:
        event = sample(kind, campaign_id=campaign_id, **fields)
        told[event.topic].append((event, len(told[event.topic]) + 1))

    tell(funding.CampaignLaunched)
    pledges = [f"{campaign_id}-p{number}" for number in range(draw.randint(3, 9))]
    for pledge in pledges:
        whose = {
            "pledge_id": pledge,
            "backer_id": draw.choice(PEOPLE),
            "reward_id": draw.choice(REWARDS),
            "amount": draw.randint(100, 9_000),
        }
        tell(funding.PledgePlaced, **whose)
        tell(funding.PledgeCollected, **whose)
        if draw.random() < 0.2:
            tell(funding.PledgeWithdrawn, **whose, before_verdict=True)
    tell(funding.VerdictReached, verdict="goal_met")
    tell(payouts.PlanScheduled)
    for pledge in draw.sample(pledges, 3):
        refund = {"refund_id": f"rf-{pledge}", "pledge_id": pledge, "amount": draw.randint(1, 99)}
        whole = draw.random() < 0.5
        tell(payouts.RefundSucceeded, **refund, fully_refunded=whole)
        if draw.random() < 0.5:
            tell(payouts.RefundFailed, **refund)
    for _ in range(draw.randint(2, 8)):
        tell(draw.choice(_STAGE_FACTS), stage=draw.randint(1, 3), amount=draw.randint(1, 999))
    tell(draw.choice((payouts.MilestoneApproved, payouts.MilestoneRejected)), stage=2)
    for number in range(draw.randint(0, 3)):
        dispute = {"dispute_id": f"dp.{number}", "pledge_id": pledges[0], "amount": 50}
        tell(payouts.DisputeOpened, **dispute, reserved=40)
        if draw.random() < 0.5:
            tell(payouts.DisputeWon, **dispute)
    return dict(told)
