"""Bringing a refund of a restored database on to what the provider did meanwhile.

What happened after the backup is forgotten here and done there. Each attempt that the provider
holds is taken over under its own number and seen as any other, so no number is used twice and
nothing is sent that was sent before.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from payouts.domain import postings
from payouts.domain.claim_money import owe
from payouts.domain.ledger import Account, Posting, Row
from payouts.domain.pledge_money import PledgeMoney, give_back, release, reserve
from payouts.domain.postings import Payer
from payouts.domain.refund import (
    Refund,
    RefundDecision,
    RefundKind,
    RefundState,
    move,
    reopen,
    taken_back_posting,
)
from payouts.domain.refund_outcome import RefundSeen, observe, refuse
from payouts.domain.refund_request import by_staff
from payouts.domain.refund_sending import send
from payouts.domain.refund_window import close_window

_UNANSWERED = frozenset({RefundState.SUBMITTED, RefundState.UNKNOWN})


def adopt(
    refund: Refund, money: PledgeMoney, found: Sequence[RefundSeen], now: datetime
) -> RefundDecision:
    """Fold all that the provider holds of this refund; the same again changes nothing.

    Raises `Refused` where the two cannot both be true; then a person must look.
    """
    decision = RefundDecision(refund, money)
    for seen in sorted(found, key=lambda one: one.attempt):
        decision = _reach(decision, seen.attempt, now)
        step = observe(decision.refund, decision.money, seen, now)
        decision = _followed_by(decision, step)
    return decision


def give_up_again(refund: Refund, money: PledgeMoney, number: int, now: datetime) -> RefundDecision:
    """Bring the refund back to where its money waits to be claimed, after attempt `number`.

    The book says so, and no provider: a definite refusal leaves nothing there to be found.
    """
    decision = _reach(RefundDecision(refund, money), number, now)
    if len(decision.refund.attempts) != number:
        return RefundDecision(refund, money)
    step = refuse(decision.refund, decision.money, "answered-before-restore", False, now)
    return _followed_by(decision, step)


def close_again(refund: Refund, money: PledgeMoney, attempts: int, now: datetime) -> RefundDecision:
    """Bring the refund back to where its window had closed after so many attempts.

    They were answered definitely: a window does not close on one that is in flight.
    """
    decision = _reach(RefundDecision(refund, money), attempts, now)
    if len(decision.refund.attempts) != attempts:
        return RefundDecision(refund, money)
    if decision.refund.state in _UNANSWERED and decision.refund.attempt.provider_refund_id is None:
        failed = move(decision.refund, RefundState.FAILED, "answered-before-restore")
        decision = replace(decision, refund=failed)
    return _followed_by(decision, close_window(decision.refund, decision.money, now))


def owe_again(refund: Refund, money: PledgeMoney, sealed: Posting) -> RefundDecision:
    """Owe what people had approved, as the ledger has it (row 3, or 20 of a compensation)."""
    if sealed.row is Row.COMPENSATION:
        return _compensate_again(refund, money, sealed)
    lent = sum(e.amount for e in sealed.entries if e.debit is Account.CREATOR_RECEIVABLE)
    owed = replace(
        move(refund, RefundState.REQUESTED),
        provider=money.provider,
        payment_reference=money.payment_reference,
        refundable_until=money.refundable_until,
        advanced=lent,
    )
    posting = postings.refund_requested(refund.refund_id, refund.amount - lent, lent)
    return RefundDecision(owed, reserve(money, refund.amount), (posting,))


def _compensate_again(refund: Refund, money: PledgeMoney, sealed: Posting) -> RefundDecision:
    by_platform = any(e.debit is Account.COMPENSATION_COSTS for e in sealed.entries)
    beyond = any(e.credit is Account.CLAIMABLE for e in sealed.entries)
    known = replace(
        refund,
        kind=RefundKind.COMPENSATION,
        payer=Payer.PLATFORM if by_platform else Payer.CAMPAIGN,
        refundable_until=money.refundable_until,
        provider=money.provider,
        payment_reference=money.payment_reference,
    )
    # Its facts are published already.
    return replace(owe(known, money, beyond, refund.created_at), facts=())


def take_back_again(owed: RefundDecision, sealed: Posting) -> RefundDecision:
    """Take it back as it was, unsent, as the ledger has it (row 8)."""
    refund = owed.refund
    repaid = sum(e.amount for e in sealed.entries if e.credit is Account.CREATOR_RECEIVABLE)
    back = replace(move(refund, RefundState.CANCELLED), advanced=refund.advanced - repaid)
    posting = taken_back_posting(refund, by_staff(refund.refund_id), repaid)
    return RefundDecision(back, release(owed.money, refund.amount), (*owed.postings, posting))


def pay_otherwise_again(refund: Refund, money: PledgeMoney) -> RefundDecision:
    """Two people had said that it was paid, as the ledger has it (row 7)."""
    paid = replace(move(refund, RefundState.PAID_BY_OTHER_MEANS), remind_at=None)
    posting = postings.paid_otherwise(refund.refund_id, refund.amount)
    returned = money if refund.beyond else give_back(money, refund.amount)
    return RefundDecision(paid, returned, (posting,))


def _reach(decision: RefundDecision, number: int, now: datetime) -> RefundDecision:
    """Take over attempts up to this number; those before it had a definite answer."""
    while len(decision.refund.attempts) < number:
        refund = decision.refund
        if refund.state in _UNANSWERED and refund.attempt.provider_refund_id is None:
            refund = move(refund, RefundState.FAILED, "answered-before-restore")
        if refund.state is RefundState.CLAIMABLE:
            decision = _followed_by(decision, reopen(refund, decision.money))
            refund = decision.refund
        sent = send(refund, now)
        # Nobody here knows what its key would answer: it is looked up, never sent again.
        taken_over = replace(sent.attempt, key_spent=True)
        decision = replace(
            decision, refund=replace(sent, attempts=(*sent.attempts[:-1], taken_over))
        )
    return decision


def _followed_by(before: RefundDecision, step: RefundDecision) -> RefundDecision:
    return replace(
        step,
        postings=(*before.postings, *step.postings),
        facts=(*before.facts, *step.facts),
    )
