"""The only place that knows both a contract's event and this service's words for it."""

from collections.abc import Sequence

from servicekit.own_topics import Unexplained
from sosst_contracts import funding, payouts
from sosst_contracts import updates as events
from sosst_contracts.codec import Decoded, Draft, decode
from updates.domain.project import Profile, Verdict
from updates.domain.update import Audience, Update, UpdateText, Visibility, excerpt
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
    Unplaced,
    Withdrawn,
)
from updates.handlers.recover import Published

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
    )


def _said(fact: Decoded) -> Said | None:
    match fact.event:
        case funding.CampaignLaunched() as event:
            return Launched(_profile(event))
        case funding.VerdictReached(verdict=word):
            verdicts = {verdict.value: verdict for verdict in Verdict}
            return Decided(verdicts.get(word, Verdict.UNKNOWN))
        case funding.CampaignCancelled():
            return Decided(Verdict.CANCELLED)
        case funding.PledgePlaced(amount=amount):
            return Placed(amount)
        case funding.PledgeCollected(backer_id=backer_id, amount=amount):
            return Collected(backer_id, amount)
        case funding.PledgeDropped(amount=amount, before_verdict=True):
            return Unplaced(amount)
        case funding.PledgeWithdrawn() as event:
            uncollected = event.before_verdict or event.standing == "late"
            return Withdrawn(event.backer_id, event.amount, event.before_verdict, uncollected)
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
    )


def draft(update: Update) -> Draft:
    """Turn a published update into the event that says it, ready for the outbox."""
    assert update.audience is not None and update.published_at is not None
    content = update.content
    event = events.UpdatePublished(
        campaign_id=update.campaign_id,
        update_id=update.update_id,
        author_id=content.author_id,
        kind=content.kind.value,
        visibility=content.visibility.value,
        texts=[_text(text, content.visibility) for text in content.texts],
        url=update.url,
        pledges_sequence=update.audience.pledges_sequence,
        audience_count=update.audience.count,
        published_at=update.published_at,
    )
    return Draft(event=event, occurred_at=update.published_at)


def _text(text: UpdateText, visibility: Visibility) -> events.UpdateText:
    return events.UpdateText(
        language=text.language, title=text.title, excerpt=excerpt(text, visibility)
    )


def published_from(unexplained: Sequence[Unexplained]) -> list[Published]:
    """Read our own facts back into publications; `draft` the other way."""
    found = [decode(one.record) for one in unexplained]
    told = [one.event for one in found if isinstance(one, Decoded)]
    return [_published(event) for event in told if isinstance(event, events.UpdatePublished)]


def _published(event: events.UpdatePublished) -> Published:
    return Published(
        campaign_id=event.campaign_id,
        update_id=event.update_id,
        audience=Audience(event.pledges_sequence, event.audience_count),
        at=event.published_at,
        says=lambda update: draft(update).event == event,
    )
