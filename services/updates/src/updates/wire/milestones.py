"""Evidence of milestones as events: its hash and the sum of its statement, never its words."""

from collections.abc import Sequence

from servicekit.own_topics import Unexplained
from sosst_contracts import payouts
from sosst_contracts import updates as events
from sosst_contracts.codec import Decoded, Draft, decode
from updates.domain.milestone import Evidence, EvidenceState, MilestoneSubmitted
from updates.handlers.milestones import MilestoneDecided


def milestone_draft(fact: MilestoneSubmitted) -> Draft:
    """Turn it into the event that says it, ready for the outbox."""
    evidence = fact.evidence
    event = events.MilestoneSubmitted(
        campaign_id=fact.campaign_id,
        stage=fact.stage,
        revision=evidence.revision,
        evidence=evidence.digest,
        used=sum(line.amount for line in evidence.funds),
        currency=fact.currency,
        submitted_by=evidence.by,
        submitted_at=evidence.at,
    )
    return Draft(event=event, occurred_at=evidence.at)


def decisions_from(facts: Sequence[Decoded]) -> list[MilestoneDecided]:
    """Read what payouts' staff decided out of the topic of stages."""
    return [said for fact in facts if (said := _decided(fact)) is not None]


def _decided(fact: Decoded) -> MilestoneDecided | None:
    match fact.event:
        case payouts.MilestoneApproved() as event:
            state, reason, at = EvidenceState.APPROVED, None, event.approved_at
        case payouts.MilestoneRejected() as event:
            state, reason, at = EvidenceState.REJECTED, event.reason, event.rejected_at
        case _:
            return None
    about = (event.campaign_id, event.stage, event.evidence)
    return MilestoneDecided(*about, state, reason, at)


def milestones_told_from(unexplained: Sequence[Unexplained]) -> list[MilestoneSubmitted]:
    """Read our own facts back; what the evidence says is not in them."""
    in_order = sorted(unexplained, key=lambda one: one.sequence)
    found = [decode(one.record) for one in in_order]
    told = [one.event for one in found if isinstance(one, Decoded)]
    return [_submitted(one) for one in told if isinstance(one, events.MilestoneSubmitted)]


def _submitted(event: events.MilestoneSubmitted) -> MilestoneSubmitted:
    by, at = event.submitted_by, event.submitted_at
    evidence = Evidence(event.revision, event.evidence, None, (), by, at)
    return MilestoneSubmitted(event.campaign_id, event.stage, evidence, event.currency)
