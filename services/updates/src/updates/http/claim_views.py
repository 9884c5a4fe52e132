"""Claims from the domain to what people see, and refusals as answers."""

from servicekit.problems import Problem
from updates.domain.claim import Claim, Entry, Outcome, Payer, Settlement
from updates.handlers.claims import Answered
from updates.http.claim_models import (
    AnsweredView,
    ClaimView,
    ClusterView,
    EntryView,
    SettlementBody,
    SettlementView,
)
from updates.ports.claims import Cluster


def unknown_claim() -> Problem:
    return Problem(404, "claim-unknown", "There is no such claim in this campaign")


def settlement_from(body: SettlementBody) -> Settlement:
    return Settlement(Outcome(body.outcome), body.amount, Payer(body.payer))


def claim_view(claim: Claim) -> ClaimView:
    subject = claim.subject
    return ClaimView(
        campaign_id=claim.campaign_id,
        claim_id=claim.claim_id,
        pledge_id=subject.pledge_id,
        backer_id=subject.backer_id,
        reward_id=subject.reward_id,
        batch=subject.batch,
        currency=subject.currency,
        reason=claim.reason.value,
        state=claim.state.value,
        opened_at=claim.opened_at,
        due_at=claim.due_at,
        on_table=claim.on_table,
        thread=[_entry_view(entry) for entry in claim.entries],
    )


def cluster_view(cluster: Cluster) -> ClusterView:
    return ClusterView(
        reward_id=cluster.reward_id,
        reason=cluster.reason.value,
        batch=cluster.batch,
        count=cluster.count,
        longest_waiting=cluster.longest_waiting,
        claims=list(cluster.claims),
    )


def answered_view(answered: Answered) -> AnsweredView:
    return AnsweredView(
        claim_id=answered.claim_id,
        claim=claim_view(answered.claim) if answered.claim else None,
        refused=answered.refused.reason if answered.refused else None,
    )


def _entry_view(entry: Entry) -> EntryView:
    settlement = entry.settlement
    return EntryView(
        number=entry.number,
        kind=entry.kind.value,
        side=entry.side.value,
        by=entry.by,
        at=entry.at,
        text=entry.text,
        settlement=SettlementView(
            outcome=settlement.outcome.value,
            amount=settlement.amount,
            payer=settlement.payer.value,
        )
        if settlement
        else None,
    )
