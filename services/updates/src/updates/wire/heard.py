"""Other services' events in this one's words."""

from sosst_contracts import funding, payouts
from sosst_contracts.codec import Decoded
from updates.domain.project import Difference, Profile, Verdict
from updates.handlers.facts import (
    ChargedBack,
    Collected,
    Decided,
    FeesTaken,
    Heard,
    Launched,
    Placed,
    RefundFailed,
    RefundSucceeded,
    Said,
    StageFailed,
    StagePaid,
    TeamChanged,
    Unplaced,
    Withdrawn,
)
from updates.wire.shown import shown_by

CAMPAIGNS_TOPIC = funding.CampaignLaunched.topic
PLEDGES_TOPIC = funding.PledgeCollected.topic
REFUNDS_TOPIC = payouts.RefundSucceeded.topic
STAGES_TOPIC = payouts.StagePaid.topic
DISPUTES_TOPIC = payouts.DisputeOpened.topic


def heard_from(fact: Decoded) -> Heard:
    """Read a fact of any topic of this service."""
    envelope = fact.envelope
    return Heard(
        topic=fact.event.topic,
        campaign_id=fact.key,
        sequence=envelope.sequence or 0,
        at=envelope.time,
        said=_said(fact),
        shown=shown_by(fact.event),
    )


def _said(fact: Decoded) -> Said | None:
    match fact.event:
        case funding.CampaignLaunched() as event:
            return Launched(_profile(event))
        case funding.TeamChanged(members=members):
            return TeamChanged({one.person_id: frozenset(one.roles) for one in members})
        case funding.VerdictReached(verdict=word):
            verdicts = {verdict.value: verdict for verdict in Verdict}
            return Decided(verdicts.get(word, Verdict.UNKNOWN))
        case funding.CampaignCancelled():
            return Decided(Verdict.CANCELLED)
        case funding.PledgePlaced(amount=amount):
            return Placed(amount)
        case funding.PledgeCollected(backer_id=backer_id, amount=amount, reward_id=reward_id):
            return Collected(backer_id, amount, reward_id or "")
        case funding.PledgeDropped(amount=amount, before_verdict=True):
            return Unplaced(amount)
        case funding.PledgeWithdrawn() as event:
            uncollected = event.before_verdict or event.standing == "late"
            return Withdrawn(
                event.backer_id,
                event.amount,
                event.before_verdict,
                uncollected,
                event.reward_id or "",
            )
        case payouts.RefundSucceeded(refund_id=refund_id, amount=amount):
            return RefundSucceeded(refund_id, amount)
        case payouts.RefundPaidOtherwise(refund_id=refund_id, amount=amount):
            return RefundSucceeded(refund_id, amount)
        case payouts.RefundFailed(refund_id=refund_id, amount=amount):
            return RefundFailed(refund_id, amount)
        case payouts.StagePaid(stage=stage, amount=amount):
            return StagePaid(stage, amount)
        case payouts.StageFailed(stage=stage):
            return StageFailed(stage)
        case payouts.StageNothingToPay(stage=stage, set_off=int(amount)):
            return StagePaid(stage, amount)
        case payouts.DisputeOpened(dispute_id=dispute_id, reserved=amount):
            return ChargedBack(dispute_id, amount)
        case payouts.DisputeWon(dispute_id=dispute_id):
            return ChargedBack(dispute_id, 0)
        case payouts.DisputeLost() as event:
            return ChargedBack(event.dispute_id, event.amount - event.owed - event.lost)
        case payouts.StageApproved(kind="last") | payouts.StageNothingToPay(kind="last") as event:
            return FeesTaken(_covered(event))
        case (
            payouts.StageDue(kind="last")
            | payouts.StageHeld(kind="last")
            | payouts.StageCancelled(kind="last")
        ):
            return FeesTaken(0)
    return None


def _covered(event: payouts.StageApproved | payouts.StageNothingToPay) -> int:
    """Return what the campaign's money pays of the fees, in minor units."""
    fees = (event.platform_fee or 0) + (event.processing_fee or 0) + (event.tax or 0)
    return fees - (event.fees_owed or 0)


def _profile(event: funding.CampaignLaunched) -> Profile:
    return Profile(
        creator_id=event.creator_id,
        title=event.title,
        currency=event.currency,
        goal=event.goal,
        deadline=event.deadline,
        launched_at=event.launched_at,
        relaunch_of=event.relaunch_of,
        differences=tuple(Difference(d.field, d.old, d.new) for d in event.differences or ()),
    )
