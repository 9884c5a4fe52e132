"""What the provider says of a refund, and what follows from it.

Answers to calls, reads that a webhook woke, and look-ups all end in `observe`: in any order, any
number of times, the result is the same. Cash is posted on its balance transaction only (R1).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from payouts.domain import postings
from payouts.domain.claimable import begin_reminding
from payouts.domain.errors import Refused
from payouts.domain.pledge_money import PledgeMoney, give_back, take_back
from payouts.domain.provider_keys import ATTEMPTS_MAX, KeyRules, absence_counts
from payouts.domain.refund import (
    Refund,
    RefundAttempt,
    RefundClaimable,
    RefundDecision,
    RefundFailed,
    RefundState,
    RefundSucceeded,
    ends_rights,
    move,
)
from payouts.domain.refund_blocking import block_where_charged_back


class ProviderRefundStatus(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RefundSeen:
    """A refund as the provider shows it now; `attempt` is the number in its metadata.

    `reason` says why it is pending or failed; `retryable` whether another try can help. `amount`
    is in the provider's units, None where it does not say; so is `acquirer_reference` as long as
    the provider has none.
    """

    attempt: int
    provider_refund_id: str
    status: ProviderRefundStatus
    balance_transaction: str | None = None
    failure_balance_transaction: str | None = None
    reason: str | None = None
    retryable: bool = True
    amount: int | None = None
    acquirer_reference: str | None = None

    @property
    def holds_money(self) -> bool:
        """Whether the backer has it, or may get it."""
        if self.status is not ProviderRefundStatus.FAILED:
            return True
        return self.balance_transaction is not None and self.failure_balance_transaction is None


_EXPECTING = frozenset({RefundState.SUBMITTED, RefundState.UNKNOWN, RefundState.PENDING})
_UNANSWERED = frozenset({RefundState.SUBMITTED, RefundState.UNKNOWN})


def observe(refund: Refund, money: PledgeMoney, seen: RefundSeen, now: datetime) -> RefundDecision:
    """Fold what was seen into the refund; what is old news changes nothing.

    Raises `Refused` when cash moved for an attempt that had been answered definitely
    (`abandoned-attempt-woke`): a second payment of the same refund, which pages somebody.
    """
    attempt = _attempt_of(refund, seen)
    expected = attempt.number == refund.attempt.number and refund.state in _EXPECTING
    decision = _follow_cash(RefundDecision(refund, money), attempt, seen, expected=expected)
    if attempt.number != refund.attempt.number:
        return decision
    return _follow_status(decision, seen, now)


def follow_earlier(
    refund: Refund,
    money: PledgeMoney,
    seen: RefundSeen,
    rules: KeyRules,
    now: datetime,
    *,
    refused: bool,
) -> RefundDecision:
    """An attempt that was found absent has made the refund after all, and this one has not.

    That one is the refund then, and nothing is owed again. Before this attempt's own absence
    counts nothing follows, unless it was refused definitely.
    """
    if not _is_open(refund):
        return observe(refund, money, seen, now)
    if not refused and not absence_counts(refund.attempt.last_sent_at, now, rules):
        return RefundDecision(refund, money)
    attempt = _attempt_of(refund, seen)
    decision = _follow_cash(RefundDecision(refund, money), attempt, seen, expected=True)
    if decision.refund.attempt.number != attempt.number:
        # Its cash has not left yet: it is looked at again until it has, or until it has failed.
        return decision
    followed = _follow_status(decision, seen, now)
    if followed.refund.state not in _UNANSWERED:
        return followed
    return replace(followed, refund=_wait(followed.refund, seen.reason or "processing"))


def refuse(
    refund: Refund, money: PledgeMoney, reason: str, retryable: bool, now: datetime
) -> RefundDecision:
    """A definite refusal of the call: nothing was made at the provider."""
    if not _is_open(refund):
        return RefundDecision(refund, money)
    return _fail(RefundDecision(refund, money), reason, retryable, now)


def refuse_for_funds(refund: Refund, money: PledgeMoney, reason: str) -> RefundDecision:
    """The provider had too little available: wait, then a new number; no try is used up."""
    if not _is_open(refund):
        return RefundDecision(refund, money)
    failed = move(refund, RefundState.FAILED, reason)
    return RefundDecision(move(failed, RefundState.AWAITING_FUNDS, reason), money)


def find_absent(
    refund: Refund, money: PledgeMoney, rules: KeyRules, now: datetime
) -> RefundDecision:
    """A look-up found no refund of this attempt; before absence counts, nothing follows."""
    if not _is_open(refund) or not absence_counts(refund.attempt.last_sent_at, now, rules):
        return RefundDecision(refund, money)
    return RefundDecision(move(refund, RefundState.FAILED, "absent"), money)


def _is_open(refund: Refund) -> bool:
    # An attempt whose refund was seen at the provider cannot have been refused, nor be absent.
    return refund.state in _UNANSWERED and refund.attempt.provider_refund_id is None


def _attempt_of(refund: Refund, seen: RefundSeen) -> RefundAttempt:
    if not 1 <= seen.attempt <= len(refund.attempts):
        raise Refused("unknown-attempt", f"{refund.refund_id} has no attempt {seen.attempt}")
    if seen.amount not in (None, refund.amount):
        detail = f"{seen.provider_refund_id} is {seen.amount}, asked for was {refund.amount}"
        raise Refused("other-amount", detail)
    attempt = refund.attempts[seen.attempt - 1]
    if attempt.provider_refund_id not in (None, seen.provider_refund_id):
        raise Refused("foreign-refund", f"{seen.provider_refund_id} is not this attempt's refund")
    if attempt.balance_transaction is None or seen.balance_transaction is None:
        return attempt
    if attempt.balance_transaction != seen.balance_transaction:
        raise Refused("changed-cash", f"{seen.balance_transaction} is another movement of cash")
    return attempt


def _follow_cash(
    decision: RefundDecision, attempt: RefundAttempt, seen: RefundSeen, *, expected: bool
) -> RefundDecision:
    left = attempt.balance_transaction is None and seen.balance_transaction is not None
    if left and not expected:
        raise Refused(
            "abandoned-attempt-woke",
            f"attempt {attempt.number} of {decision.refund.refund_id} moved cash after its end",
        )
    noted = replace(
        attempt,
        provider_refund_id=seen.provider_refund_id,
        balance_transaction=attempt.balance_transaction or seen.balance_transaction,
        failure_balance_transaction=attempt.failure_balance_transaction
        or seen.failure_balance_transaction,
        acquirer_reference=seen.acquirer_reference or attempt.acquirer_reference,
    )
    if left and noted.balance_transaction:
        decision = _cash_left(decision, noted.balance_transaction)
    if noted.failure_balance_transaction and (left or attempt.cash_is_out):
        decision = _cash_back(decision, noted.failure_balance_transaction)
    return replace(decision, refund=_with_attempt(decision.refund, noted))


def _with_attempt(refund: Refund, attempt: RefundAttempt) -> Refund:
    before = refund.attempts[: attempt.number - 1]
    return replace(refund, attempts=(*before, attempt, *refund.attempts[attempt.number :]))


def _cash_left(decision: RefundDecision, balance_transaction: str) -> RefundDecision:
    amount = decision.refund.amount
    posting = postings.refund_cash_left(amount, balance_transaction)
    money = give_back(decision.money, amount)
    return replace(decision, money=money, postings=(*decision.postings, posting))


def _cash_back(decision: RefundDecision, balance_transaction: str) -> RefundDecision:
    amount = decision.refund.amount
    posting = postings.refund_cash_back(amount, balance_transaction)
    money = take_back(decision.money, amount)
    return replace(decision, money=money, postings=(*decision.postings, posting))


def _follow_status(decision: RefundDecision, seen: RefundSeen, now: datetime) -> RefundDecision:
    refund = decision.refund
    if seen.status is ProviderRefundStatus.FAILED:
        # Cash that is out and not yet back keeps the refund where it is: R1.
        over = refund.state in _EXPECTING or refund.state is RefundState.SUCCEEDED
        if not over or refund.attempt.cash_is_out:
            return decision
        return _fail(decision, seen.reason or "unknown", seen.retryable, now)
    if seen.status is ProviderRefundStatus.SUCCEEDED and refund.attempt.cash_is_out:
        return _succeed(decision, now)
    reason = seen.reason or "processing"
    if refund.state in _UNANSWERED:
        return replace(decision, refund=_wait(refund, reason))
    if refund.state is RefundState.PENDING:
        # What it waits for there changes: funds first, then its backer.
        return replace(decision, refund=replace(refund, reason=reason))
    return decision


def _wait(refund: Refund, reason: str) -> Refund:
    answered = (
        move(refund, RefundState.SUBMITTED) if refund.state is RefundState.UNKNOWN else refund
    )
    return move(answered, RefundState.PENDING, reason)


def _succeed(decision: RefundDecision, now: datetime) -> RefundDecision:
    if decision.refund.state not in _EXPECTING:
        return decision
    refund = move(decision.refund, RefundState.SUCCEEDED)
    fact = RefundSucceeded(refund, ends_rights(refund, decision.money), now)
    return replace(decision, refund=refund, facts=(*decision.facts, fact))


def _fail(decision: RefundDecision, reason: str, retryable: bool, now: datetime) -> RefundDecision:
    moved = move(decision.refund, RefundState.FAILED, reason)
    refund = replace(moved, failures=moved.failures + 1)
    failed = replace(
        decision, refund=refund, facts=(*decision.facts, RefundFailed(refund, reason, now))
    )
    blocked = block_where_charged_back(refund, failed.money, now)
    if blocked.refund != refund:
        return failed.then(blocked)
    if retryable and refund.failures < ATTEMPTS_MAX:
        return failed
    return _give_up(failed, reason, now)


def _give_up(decision: RefundDecision, reason: str, now: datetime) -> RefundDecision:
    refund = begin_reminding(move(decision.refund, RefundState.CLAIMABLE, reason), now)
    posting = postings.refund_claimable(refund.attempt_id, refund.amount)
    return replace(
        decision,
        refund=refund,
        postings=(*decision.postings, posting),
        facts=(*decision.facts, RefundClaimable(refund, reason, now)),
    )
