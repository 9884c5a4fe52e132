"""Claims as events, and payouts' answers to what they ask for."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from servicekit.own_topics import Unexplained
from sosst_contracts import payouts
from sosst_contracts import updates as events
from sosst_contracts.codec import Decoded, Draft, decode
from sosst_contracts.event import Event
from updates.domain.claim import (
    MONEY,
    Claim,
    ClaimAnswered,
    ClaimEscalated,
    ClaimFact,
    ClaimMoneyRequested,
    ClaimOpened,
    ClaimResolved,
    ClaimState,
    EntryKind,
    MoneyRequest,
    Outcome,
    Payer,
    Settlement,
    Subject,
)
from updates.domain.claim_reason import Reason
from updates.domain.claim_recovery import (
    asked_since,
    ended_since,
    moved_since,
    opened_before,
    written_since,
)
from updates.domain.claim_turns import Patience
from updates.handlers.claims import Answer, MoneyAnswered
from updates.handlers.recover_claims import ClaimTold

# How payouts names the cause of a claim's money: the fact that asks, and its claim.
CAUSE = f"{events.ClaimMoneyRequested.name}/"


def claim_draft(fact: ClaimFact) -> Draft:
    """Turn a fact of a claim into the event that says it, ready for the outbox."""
    match fact:
        case ClaimOpened(claim):
            assert claim.due_at is not None
            opened = events.ClaimOpened(
                **_of(claim), due_at=claim.due_at, opened_at=claim.opened_at
            )
            return Draft(opened, claim.opened_at)
        case ClaimAnswered():
            return _answered(fact)
        case ClaimEscalated(claim, entry, because):
            assert claim.due_at is not None
            escalated = events.ClaimEscalated(
                **_of(claim),
                entry=entry.number,
                because=because.value,
                due_at=claim.due_at,
                escalated_at=entry.at,
            )
            return Draft(escalated, entry.at)
        case ClaimMoneyRequested():
            return _requested(fact)
        case ClaimResolved():
            return _resolved(fact)


def _answered(fact: ClaimAnswered) -> Draft:
    claim, entry = fact.claim, fact.entry
    event = events.ClaimAnswered(
        **_of(claim),
        **_money(claim, entry.settlement),
        entry=entry.number,
        by=entry.by,
        side=entry.side.value,
        what=_WHAT[entry.kind],
        outcome=entry.settlement.outcome.value if entry.settlement else None,
        due_at=claim.due_at,
        answered_at=entry.at,
    )
    return Draft(event, entry.at)


_WHAT = {
    EntryKind.MESSAGE: "message",
    EntryKind.PROPOSAL: "proposal",
    EntryKind.ACCEPTANCE: "acceptance",
}


def _requested(fact: ClaimMoneyRequested) -> Draft:
    subject, money = fact.claim.subject, fact.money
    event = events.ClaimMoneyRequested(
        campaign_id=fact.claim.campaign_id,
        claim_id=money.request_id,
        pledge_id=subject.pledge_id,
        backer_id=subject.backer_id,
        reason=fact.claim.reason.value,
        kind=money.settlement.outcome.value,
        amount=money.settlement.amount,
        currency=subject.currency,
        payer=money.settlement.payer.value,
        decided_by=money.decided_by,
        pledges_sequence=money.pledges_sequence,
        requested_at=money.requested_at,
    )
    return Draft(event, money.requested_at)


def _resolved(fact: ClaimResolved) -> Draft:
    settlement = fact.settlement
    event = events.ClaimResolved(
        **_of(fact.claim),
        **_money(fact.claim, settlement),
        outcome=settlement.outcome.value if settlement else "withdrawn",
        decided_by=fact.by,
        resolved_at=fact.at,
    )
    return Draft(event, fact.at)


def _of(claim: Claim) -> dict[str, Any]:
    return {
        "campaign_id": claim.campaign_id,
        "claim_id": claim.claim_id,
        "pledge_id": claim.subject.pledge_id,
        "backer_id": claim.subject.backer_id,
        "reward_id": claim.subject.reward_id,
        "reason": claim.reason.value,
    }


def _money(claim: Claim, settlement: Settlement | None) -> dict[str, Any]:
    if settlement is None or settlement.outcome not in MONEY:
        return {}
    return {"amount": settlement.amount, "currency": claim.subject.currency}


def money_answers_from(facts: Sequence[Decoded]) -> list[MoneyAnswered]:
    """Read what payouts says of claims' money; other refunds concern no claim."""
    return [one for fact in facts if (one := _money_answer(fact)) is not None]


def _money_answer(fact: Decoded) -> MoneyAnswered | None:
    event = fact.event
    match event:
        case payouts.RefundSucceeded() | payouts.RefundPaidOtherwise():
            answer, reason = Answer.GIVEN, ""
        case payouts.RefundRefused(reason=reason):
            answer = Answer.REFUSED
        case payouts.RefundClaimable(reason=reason):
            answer = Answer.WAITS
        case _:
            return None
    if not event.cause.startswith(CAUSE):
        return None
    # A kind that is younger than this reader is money all the same.
    kinds = {outcome.value: outcome for outcome in MONEY}
    given = Settlement(kinds.get(event.kind, Outcome.COMPENSATION), event.amount)
    request_id = event.cause.removeprefix(CAUSE)
    return MoneyAnswered(event.campaign_id, request_id, answer, given, reason)


def claims_told_from(unexplained: Sequence[Unexplained]) -> list[ClaimTold]:
    """Read our own facts back into what they made of claims, in their order."""
    in_order = sorted(unexplained, key=lambda one: one.sequence)
    found = [decode(one.record) for one in in_order]
    told = [_told(one.event) for one in found if isinstance(one, Decoded)]
    return [one for one in told if one is not None]


def _told(event: Event) -> ClaimTold | None:
    bring: Callable[[Claim | None, Subject | None], Claim | None]
    match event:
        case events.ClaimOpened():
            bring = partial(_opened_before, event)
        case events.ClaimAnswered(entry=entry, due_at=due_at, answered_at=at):
            bring = _moving(partial(written_since, entries=entry, due_at=due_at, at=at))
        case events.ClaimEscalated(entry=entry, due_at=due_at, escalated_at=at):
            bring = _moving(partial(moved_since, entries=entry, due_at=due_at, at=at))
        case events.ClaimMoneyRequested():
            due_at = event.requested_at + Patience().money
            bring = _moving(partial(asked_since, money=_asked(event), due_at=due_at))
        case events.ClaimResolved(outcome=outcome):
            ends = {"refused": ClaimState.REFUSED, "withdrawn": ClaimState.WITHDRAWN}
            state = ends.get(outcome, ClaimState.RESOLVED)
            bring = _moving(partial(ended_since, state=state))
        case _:
            return None
    claim_id = event.claim_id.partition("~")[0]
    return ClaimTold(event.campaign_id, claim_id, event.pledge_id, event.backer_id, bring)


def _moving(
    move: Callable[[Claim], Claim],
) -> Callable[[Claim | None, Subject | None], Claim | None]:
    return lambda claim, subject: None if claim is None else move(claim)


def _opened_before(
    event: events.ClaimOpened, claim: Claim | None, subject: Subject | None
) -> Claim | None:
    if claim is not None or subject is None:
        return claim
    reasons = {reason.value: reason for reason in Reason}
    reason = reasons.get(event.reason, Reason.OTHER)
    return opened_before(
        event.campaign_id, event.claim_id, subject, reason, event.due_at, event.opened_at
    )


def _asked(event: events.ClaimMoneyRequested) -> MoneyRequest:
    settlement = Settlement(Outcome(event.kind), event.amount, Payer(event.payer))
    return MoneyRequest(
        event.claim_id,
        settlement,
        event.decided_by,
        event.requested_at,
        event.pledges_sequence,
    )
