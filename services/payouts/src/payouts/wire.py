"""The only place that knows both a contract's event and the domain's words for it."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from payouts.domain.acts import Act, ActKind
from payouts.domain.block import Block, SealedEntry, published
from payouts.domain.book import Cancellation, CollectedPledge, Outcome, Verdict
from payouts.domain.claim_money import CLAIM
from payouts.domain.dispute import Dispute, DisputeFact, DisputeLost, DisputeOpened, DisputeWon
from payouts.domain.fees import FeeTerms
from payouts.domain.holding import HoldingLimitNear
from payouts.domain.launch import LaunchTerms
from payouts.domain.ledger import Account, Entry, Row
from payouts.domain.milestone import Milestone
from payouts.domain.refund import (
    ClaimableReminderDue,
    Refund,
    RefundBlocked,
    RefundClaimable,
    RefundCreated,
    RefundFact,
    RefundFailed,
    RefundKind,
    RefundPaidOtherwise,
    RefundRefused,
    RefundState,
    RefundSucceeded,
    move,
)
from payouts.domain.refund_request import STAFF_REFUND
from payouts.domain.refund_run_end import RefundRunFinished
from payouts.domain.refund_window import RefundWindows
from payouts.domain.reward_standing import ClaimStandingHeard, DeliveryHeard
from payouts.domain.stage import (
    MilestoneApproved,
    MilestoneRejected,
    PlanScheduled,
    Stage,
    StageApproved,
    StageCancelled,
    StageDue,
    StageFact,
    StageFailed,
    StageHeld,
    StageNothingToPay,
    StagePaid,
    StageReleased,
    StageState,
    StageSubmitted,
)
from payouts.domain.withdrawal import WithdrawnPledge
from payouts.handlers.brakes import Answered, Brake, Declared, Silent, Spoken
from payouts.handlers.claim_money import ClaimHeard
from payouts.handlers.milestones import EvidenceHeard
from payouts.handlers.pledges import PledgeHeard
from payouts.handlers.verdict import CancellationHeard, EndHeard, VerdictHeard
from servicekit.own_topics import Unexplained
from sosst_contracts import funding, updates
from sosst_contracts import payouts as events
from sosst_contracts.codec import Decoded, Draft, decode

Fact = RefundFact | StageFact | DisputeFact | RefundRunFinished | HoldingLimitNear

CAMPAIGNS_TOPIC = funding.VerdictReached.topic
PLEDGES_TOPIC = funding.PledgeCollected.topic
POSTS_TOPIC = updates.UpdatePublished.topic
CLAIMS_TOPIC = updates.ClaimMoneyRequested.topic
PLANS_TOPIC = updates.MilestoneSubmitted.topic
DELIVERIES_TOPIC = updates.DeliveryChanged.topic
LEDGER_TOPIC = events.BlockSealed.topic

# The groups whose rows say how far rewards are known, named where store and consumer both see it.
DELIVERIES_GROUP = "payouts-updates-deliveries"
CLAIM_STANDINGS_GROUP = "payouts-updates-claims-standings"

# What asks for money names each of a claim's requests, not the claim.
_CLAIM_FACTS = (
    updates.ClaimOpened,
    updates.ClaimAnswered,
    updates.ClaimEscalated,
    updates.ClaimResolved,
)
_WITH_BACKER = frozenset({"delivered", "received"})


def pledge_from(fact: Decoded, windows: RefundWindows) -> PledgeHeard | None:
    """Read a fact of the pledges' topic, None for one that this service does not know."""
    event = fact.event
    if not isinstance(event, funding.PledgeEvent):
        return None
    collected = None
    if isinstance(event, funding.PledgeCollected):
        collected = CollectedPledge(
            pledge_id=event.pledge_id,
            backer_id=event.backer_id,
            amount=event.amount,
            currency=event.currency,
            provider=event.provider,
            payment_reference=event.payment_reference,
            provider_fee=event.provider_fee,
            balance_transaction=event.balance_transaction,
            counted=event.standing == "counted",
            refundable_until=windows.until(event.method, event.captured_at),
            reward_id=event.reward_id,
        )
    sequence = fact.envelope.sequence or 0
    return PledgeHeard(
        event.campaign_id, event.currency, sequence, collected, _withdrawn_from(event)
    )


def _withdrawn_from(event: funding.PledgeEvent) -> WithdrawnPledge | None:
    if not isinstance(event, funding.PledgeWithdrawn):
        return None
    return WithdrawnPledge(
        pledge_id=event.pledge_id,
        amount=event.amount,
        uncounted=event.before_verdict and event.standing == "counted",
        returned_in=event.return_balance_transaction,
    )


def creators_from(facts: Sequence[Decoded]) -> dict[str, str]:
    """Read who owns which campaign; verdicts say it too, for campaigns launched long ago."""
    events = [fact.event for fact in facts]
    named = [e for e in events if isinstance(e, funding.CampaignLaunched | funding.VerdictReached)]
    # The first word holds, as in the store.
    return {event.campaign_id: event.creator_id for event in reversed(named)}


def launches_from(facts: Sequence[Decoded]) -> list[LaunchTerms]:
    """Read what campaigns promise; the first word holds, as in the store."""
    events = [fact.event for fact in facts if isinstance(fact.event, funding.CampaignLaunched)]
    return [
        LaunchTerms(
            campaign_id=event.campaign_id,
            currency=event.currency,
            goal=event.goal,
            shares_basis_points=tuple(event.terms.stage_shares_basis_points),
            fees=_fee_terms(event.terms),
            title=event.title,
        )
        for event in events
    ]


def _fee_terms(terms: funding.Terms) -> FeeTerms:
    return FeeTerms(
        platform_basis_points=terms.platform_fee_basis_points,
        processing_basis_points=terms.processing_fee_basis_points,
        processing_fixed=terms.processing_fee_fixed,
        tax_basis_points=terms.tax_basis_points,
    )


def verdict_from(fact: Decoded) -> EndHeard | None:
    """Read a verdict or a cancellation, None for any other; unknown outcomes move no money."""
    event = fact.event
    if isinstance(event, funding.CampaignCancelled):
        return _cancellation(event)
    if not isinstance(event, funding.VerdictReached):
        return None
    outcomes = {one.value: one for one in (Outcome.GOAL_MET, Outcome.GOAL_MISSED)}
    verdict = Verdict(
        outcome=outcomes.get(event.verdict, Outcome.UNKNOWN),
        collected=event.collected,
        count=event.count,
        pledges_sequence=event.pledges_sequence,
        shares_basis_points=tuple(event.terms.stage_shares_basis_points),
        reached_at=event.reached_at,
        reserve_basis_points=event.terms.dispute_reserve_basis_points,
    )
    fees = _fee_terms(event.terms)
    return VerdictHeard(event.campaign_id, event.currency, verdict, fees)


def _cancellation(event: funding.CampaignCancelled) -> EndHeard:
    if event.after_verdict:
        ended = Cancellation(event.pledges_sequence, event.cancelled_at)
        return CancellationHeard(event.campaign_id, event.currency, ended)
    cancelled = Verdict(
        outcome=Outcome.CANCELLED,
        collected=event.collected,
        count=event.count,
        pledges_sequence=event.pledges_sequence,
        shares_basis_points=(),
        reached_at=event.cancelled_at,
    )
    return VerdictHeard(event.campaign_id, event.currency, cancelled)


def draft(fact: Fact) -> Draft:
    """Turn a fact of the domain into the event that says it, ready for the outbox."""
    event, occurred_at = _event(fact)
    return Draft(event=event, occurred_at=occurred_at)


def block_draft(block: Block) -> Draft:
    """Turn a sealed block into its event, which is what was hashed, and the hash."""
    event = events.BlockSealed.model_validate_json(json.dumps(published(block)))
    return Draft(event=event, occurred_at=block.sealed_at)


def blocks_from(told: Sequence[Unexplained]) -> dict[str, list[Block]]:
    """Read the blocks among what the own topics say, by campaign and in order.

    What this release cannot read is left out: the block behind it then follows nothing.
    """
    found: dict[str, list[Block]] = {}
    for one in told:
        fact = decode(one.record)
        if isinstance(fact, Decoded) and isinstance(fact.event, events.BlockSealed):
            try:
                block = _block_from(fact.event)
            except ValueError:
                continue
            found.setdefault(block.campaign_id, []).append(block)
    return {
        campaign: sorted(blocks, key=lambda block: block.number)
        for campaign, blocks in found.items()
    }


def held_from(told: Sequence[Unexplained]) -> dict[str, str]:
    """Read why stages were held and not let go again, by campaign, as the own topics say."""
    holding: dict[tuple[str, int], str] = {}
    for one in sorted(told, key=lambda one: one.sequence):
        fact = decode(one.record)
        if isinstance(fact, Decoded) and isinstance(fact.event, events.StageHeld):
            holding[fact.event.campaign_id, fact.event.stage] = fact.event.reason
        elif isinstance(fact, Decoded) and isinstance(
            fact.event, events.StageReleased | events.StageCancelled
        ):
            holding.pop((fact.event.campaign_id, fact.event.stage), None)
    return {campaign: f"stage {stage}: {why}" for (campaign, stage), why in holding.items()}


def ends_from(told: Sequence[Unexplained]) -> list[RefundRunFinished]:
    """Read which runs' ends the own topics have told; their figures are of no use any more."""
    facts = [decode(one.record) for one in told]
    ends = [
        fact.event
        for fact in facts
        if isinstance(fact, Decoded) and isinstance(fact.event, events.RefundRunFinished)
    ]
    return [
        RefundRunFinished(end.campaign_id, end.currency, end.cause, (), end.finished_at)
        for end in ends
    ]


def asked_from(told: Sequence[Unexplained]) -> list[Refund]:
    """Read which refunds staff had asked for, among what the own topics say; owed or not."""
    facts = [decode(one.record) for one in told]
    created = [
        fact.event
        for fact in facts
        if isinstance(fact, Decoded) and isinstance(fact.event, events.RefundCreated)
    ]
    return [
        _asked(event, event.created_at)
        for event in created
        if event.cause.startswith((STAFF_REFUND, CLAIM))
    ]


def refused_from(told: Sequence[Unexplained]) -> list[Refund]:
    """Read which refunds that people or claims had asked for were refused, and never owed."""
    said = [
        fact.event for fact in (decode(one.record) for one in told) if isinstance(fact, Decoded)
    ]
    owed = {event.refund_id for event in said if isinstance(event, events.RefundCreated)}
    refused = [event for event in said if isinstance(event, events.RefundRefused)]
    return [
        move(_asked(event, event.refused_at), RefundState.REFUSED, event.reason)
        for event in refused
        if event.refund_id not in owed and event.cause.startswith((STAFF_REFUND, CLAIM))
    ]


def _asked(event: events.RefundCreated | events.RefundRefused, at: datetime) -> Refund:
    """What a pledge's payment says of it is filled in when it is owed again."""
    return Refund(
        refund_id=event.refund_id,
        campaign_id=event.campaign_id,
        pledge_id=event.pledge_id,
        backer_id=event.backer_id,
        amount=event.amount,
        currency=event.currency,
        provider="",
        payment_reference="",
        cause=event.cause,
        state=RefundState.AWAITING_APPROVAL,
        created_at=at,
        acts=(Act(ActKind.ASKED, "recover", at, "found on payouts.refunds"),),
        kind=_kind_of(event.kind),
    )


def _kind_of(word: str) -> RefundKind:
    compensation = RefundKind.COMPENSATION
    return compensation if word == compensation.value else RefundKind.REFUND


def deliveries_from(fact: Decoded) -> list[DeliveryHeard]:
    """Read who has a reward now, or has it no more; a state that is new is not there yet."""
    event, sequence = fact.event, fact.envelope.sequence or 0
    if not isinstance(event, updates.DeliveryChanged):
        return []
    return [
        DeliveryHeard(
            place=(event.campaign_id, event.reward_id, one.backer_id),
            sequence=sequence,
            with_backer=one.new in _WITH_BACKER,
        )
        for one in event.changes
    ]


def claim_standing_from(fact: Decoded) -> ClaimStandingHeard | None:
    """Read that there is a claim, or that it ended, None for a fact that says neither."""
    event = fact.event
    if not isinstance(event, _CLAIM_FACTS):
        return None
    return ClaimStandingHeard(
        campaign_id=event.campaign_id,
        claim_id=event.claim_id,
        pledge_id=event.pledge_id,
        sequence=fact.envelope.sequence or 0,
        ended=isinstance(event, updates.ClaimResolved),
    )


def claim_from(fact: Decoded) -> ClaimHeard | None:
    """Read what a claim ended in, None for any other fact of the claims' topic."""
    event = fact.event
    if not isinstance(event, updates.ClaimMoneyRequested):
        return None
    return ClaimHeard(
        campaign_id=event.campaign_id,
        claim_id=event.claim_id,
        pledge_id=event.pledge_id,
        backer_id=event.backer_id,
        kind=event.kind,
        amount=event.amount,
        currency=event.currency,
        payer=event.payer,
        reason=event.reason,
        decided_by=event.decided_by,
        pledges_sequence=event.pledges_sequence,
    )


def evidence_from(fact: Decoded) -> EvidenceHeard | None:
    """Read evidence that a creator submitted, None for any other fact of the plans' topic."""
    event = fact.event
    if not isinstance(event, updates.MilestoneSubmitted):
        return None
    about = (event.campaign_id, event.stage, event.evidence)
    return EvidenceHeard(*about, event.submitted_by, event.submitted_at)


def brakes_from(fact: Decoded) -> list[Brake]:
    """Read what holds stages or lets them go, none for any other fact of the posts' topic."""
    sequence = fact.envelope.sequence or 0
    match fact.event:
        case updates.UpdatePublished(author_id="suite"):
            # The platform's own notice: its creator is as silent as before.
            return []
        case updates.UpdatePublished() as event:
            found: list[Brake] = [Spoken(event.campaign_id, event.update_id)]
            if event.kind == "emergency":
                about, by, at = event.update_id, event.author_id, event.published_at
                reason = f"a {event.severity} emergency"
                found.append(Declared(event.campaign_id, about, sequence, reason, by, at))
            if event.kind == "recovery_plan" and event.answers is not None:
                plan = f"update {event.update_id}"
                found.append(Answered(event.campaign_id, event.answers, plan))
            return found
        case updates.ProblemGraded(kind="emergency") as event:
            about, by, at = event.update_id, event.by, event.graded_at
            return [Declared(event.campaign_id, about, sequence, event.reason, by, at)]
        case updates.ProblemGraded() as event:
            return [Answered(event.campaign_id, event.update_id, f"{event.by}: {event.reason}")]
        case updates.SilenceStepReached(step="stage_held") as event:
            return [Silent(event.campaign_id, sequence, event.since, event.reached_at)]
        case _:
            return []


def _block_from(event: events.BlockSealed) -> Block:
    return Block(
        campaign_id=event.campaign_id,
        currency=event.currency,
        number=event.number,
        previous_hash=event.previous_hash,
        first_entry=event.first_entry,
        entries=tuple(_entry_from(entry) for entry in event.entries),
        balances={Account(name): n for name, n in _shown(event.balances)},
        sealed_at=event.sealed_at,
        hash=event.hash,
    )


def _shown(balances: events.LedgerBalances) -> Iterable[tuple[str, int]]:
    return balances.model_dump(exclude_none=True).items()


def _entry_from(entry: events.LedgerEntry) -> SealedEntry:
    return SealedEntry(
        number=entry.number,
        row=Row(entry.row),
        cause=entry.cause,
        line=entry.line,
        entry=Entry(Account(entry.debit), Account(entry.credit), entry.amount),
        balance_transaction=entry.balance_transaction,
    )


def _event(fact: Fact) -> tuple[Any, datetime]:
    match fact:
        case RefundCreated(refund):
            created = events.RefundCreated(**_refund(refund), created_at=refund.created_at)
            return created, refund.created_at
        case RefundSucceeded(refund, fully_refunded, at):
            succeeded = events.RefundSucceeded(
                **_refund(refund),
                fully_refunded=fully_refunded,
                method="original_payment",
                succeeded_at=at,
                came_back=refund.came_back or None,
            )
            return succeeded, at
        case RefundFailed(refund, reason, at):
            failed_attempt = len(refund.attempts) or None
            failed_refund = events.RefundFailed(
                **_refund(refund), reason=reason, failed_at=at, attempt=failed_attempt
            )
            return failed_refund, at
        case RefundClaimable(refund, reason, at):
            return events.RefundClaimable(**_refund(refund), reason=reason, claimable_at=at), at
        case RefundBlocked(refund, reason, at):
            return events.RefundBlocked(**_refund(refund), reason=reason, blocked_at=at), at
        case RefundPaidOtherwise(refund, fully_refunded, means, at):
            paid = events.RefundPaidOtherwise(
                **_refund(refund),
                fully_refunded=fully_refunded,
                method=means.method.value,
                proof=means.proof,
                paid_at=at,
            )
            return paid, at
        case ClaimableReminderDue(refund, days, since, at):
            reminder = events.ClaimableReminderDue(
                **_refund(refund), days=days, claimable_at=since, due_at=at
            )
            return reminder, at
        case RefundRefused(refund, reason, at):
            return events.RefundRefused(**_refund(refund), reason=reason, refused_at=at), at
        case RefundRunFinished():
            return _run_finished(fact), fact.finished_at
        case DisputeOpened(dispute, at):
            opened = events.DisputeOpened(
                **_dispute(dispute),
                reserved=dispute.reserved,
                reason=dispute.reason or "unknown",
                opened_at=at,
            )
            return opened, at
        case DisputeWon(dispute, at):
            return events.DisputeWon(**_dispute(dispute), won_at=at), at
        case DisputeLost(dispute, at):
            lost = events.DisputeLost(
                **_dispute(dispute), owed=dispute.owed, lost=dispute.lost, lost_at=at
            )
            return lost, at
        case PlanScheduled():
            return _plan(fact), fact.scheduled_at
        case StageDue(stage):
            due_at = _known(stage.due_at)
            return events.StageDue(**_stage(stage), due_at=due_at), due_at
        case StageApproved(stage, approval):
            approved = events.StageApproved(
                **_stage(stage),
                by=approval.by,
                destination_version=approval.destination_version,
                approved_at=approval.approved_at,
                second_by=approval.second_by,
                **_fees(stage),
            )
            return approved, approval.approved_at
        case StageHeld(stage, reason, at):
            return events.StageHeld(**_stage(stage), reason=reason, held_at=at), at
        case StageReleased(stage, at):
            return events.StageReleased(**_stage(stage), released_at=at), at
        case StageCancelled(stage, at):
            return events.StageCancelled(**_stage(stage), cancelled_at=at), at
        case HoldingLimitNear(holding, at):
            near = events.HoldingLimitNear(
                campaign_id=holding.campaign_id,
                provider=holding.provider,
                amount=holding.amount,
                currency=holding.currency,
                held_since=holding.held_since,
                limit_at=holding.limit_at,
                near_at=at,
            )
            return near, at
        case StageNothingToPay(stage, at):
            ended = events.StageNothingToPay(
                **_stage(stage), ended_at=at, **_fees(stage), set_off=stage.set_off or None
            )
            return ended, at
        case MilestoneApproved(stage, milestone):
            at = _known(milestone.decided_at)
            return events.MilestoneApproved(**_milestone(stage, milestone), approved_at=at), at
        case MilestoneRejected(stage, milestone):
            at, reason = _known(milestone.decided_at), milestone.reason or "unknown"
            rejected = events.MilestoneRejected(
                **_milestone(stage, milestone), reason=reason, rejected_at=at
            )
            return rejected, at
        case StageSubmitted(stage, attempt, at):
            submitted = events.StageSubmitted(
                **_stage(stage),
                attempt=attempt.number,
                destination_version=attempt.destination_version,
                submitted_at=at,
                set_off=stage.set_off or None,
            )
            return submitted, at
        case StagePaid(stage, attempt, at):
            return events.StagePaid(**_stage(stage), attempt=attempt.number, paid_at=at), at
        case StageFailed(stage, attempt, reason, at):
            failed = events.StageFailed(
                **_stage(stage), attempt=attempt.number, reason=reason, failed_at=at
            )
            return failed, at


def _refund(refund: Refund) -> dict[str, Any]:
    return {
        "campaign_id": refund.campaign_id,
        "refund_id": refund.refund_id,
        "kind": refund.kind.value,
        "pledge_id": refund.pledge_id,
        "backer_id": refund.backer_id,
        "amount": refund.amount,
        "currency": refund.currency,
        "cause": refund.cause,
    }


def _run_finished(fact: RefundRunFinished) -> events.RefundRunFinished:
    outcomes = [
        events.RunOutcome(outcome=one.state.value, count=one.count, amount=one.amount)
        for one in fact.outcomes
    ]
    return events.RefundRunFinished(
        campaign_id=fact.campaign_id,
        cause=fact.cause,
        count=sum(one.count for one in fact.outcomes),
        amount=sum(one.amount for one in fact.outcomes),
        currency=fact.currency,
        outcomes=outcomes,
        finished_at=fact.finished_at,
    )


def _dispute(dispute: Dispute) -> dict[str, Any]:
    return {
        "campaign_id": dispute.campaign_id,
        "dispute_id": dispute.dispute_id,
        "pledge_id": dispute.pledge_id,
        "amount": dispute.amount,
        "currency": dispute.currency,
        "fee": dispute.fee,
    }


def _stage(stage: Stage) -> dict[str, Any]:
    return {
        "campaign_id": stage.campaign_id,
        "stage": stage.number,
        "kind": stage.kind.value,
        "amount": _amount_of(stage),
        "currency": stage.currency,
    }


def _amount_of(stage: Stage) -> int:
    """What a stage has once it is due; one that is cancelled before never got beyond its plan."""
    if stage.state is StageState.CANCELLED and stage.amount is None:
        return stage.planned_amount
    return stage.payable


def _fees(stage: Stage) -> dict[str, Any]:
    """What the last stage's approval takes, of the campaign's money and as a debt."""
    if stage.divided is None:
        return {}
    covered, owed = stage.divided.covered, stage.divided.owed
    return {
        "platform_fee": covered.platform + owed.platform,
        "processing_fee": covered.processing + owed.processing,
        "tax": covered.tax + owed.tax,
        "fees_owed": owed.total,
    }


def _milestone(stage: Stage, milestone: Milestone) -> dict[str, Any]:
    return {
        "campaign_id": stage.campaign_id,
        "stage": stage.number,
        "revision": milestone.revision,
        "evidence": milestone.evidence,
        "by": _known_text(milestone.decided_by),
    }


def _known_text(text: str | None) -> str:
    assert text is not None
    return text


def _plan(plan: PlanScheduled) -> events.PlanScheduled:
    return events.PlanScheduled(
        campaign_id=plan.campaign_id,
        currency=plan.currency,
        base=plan.base,
        stages=[
            events.PlannedStage(
                stage=stage.number,
                kind=stage.kind.value,
                share_basis_points=stage.share_basis_points,
                planned_amount=stage.planned_amount,
            )
            for stage in plan.stages
        ],
        scheduled_at=plan.scheduled_at,
    )


def _known(instant: datetime | None) -> datetime:
    assert instant is not None
    return instant
