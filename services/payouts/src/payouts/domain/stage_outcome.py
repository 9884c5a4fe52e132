"""What the provider says of a stage's two legs, and what follows from it.

As for refunds: in any order, any number of times, the result is the same, and cash is posted on
its balance transaction only (R1).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from payouts.domain import payout_attempt, postings
from payouts.domain.errors import Refused
from payouts.domain.payout_attempt import AttemptState, PayoutAttempt
from payouts.domain.provider_keys import KeyRules, absence_counts
from payouts.domain.stage import Stage, StageDecision, StageFailed, StagePaid, StageState, move
from payouts.domain.stage_sending import with_attempt


class ProviderPayoutStatus(StrEnum):
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Reversal:
    """A transfer, or a part of it, that came back on a balance transaction of its own."""

    amount: int
    balance_transaction: str


@dataclass(frozen=True, slots=True)
class TransferSeen:
    """A transfer as the provider shows it now; `attempt` is the number in its metadata.

    `amount` is in the provider's units, None where it does not say. Of it `reversed_amount` was
    taken back; `reversals` are its parts, each once, in the order in which they came.
    """

    attempt: int
    transfer_id: str
    balance_transaction: str
    amount: int | None = None
    reversed_amount: int = 0
    reversals: tuple[Reversal, ...] = ()


@dataclass(frozen=True, slots=True)
class PayoutSeen:
    """A payout as the provider shows it now; its cash moves on the connected account.

    `amount` is in the provider's units, None where it does not say.
    """

    attempt: int
    payout_id: str
    status: ProviderPayoutStatus
    balance_transaction: str | None = None
    failure_balance_transaction: str | None = None
    reason: str | None = None
    amount: int | None = None


_TRANSFER_OPEN = frozenset({AttemptState.TRANSFER_SENT, AttemptState.TRANSFER_UNKNOWN})
_PAYOUT_OPEN = frozenset({AttemptState.PAYOUT_SENT, AttemptState.PAYOUT_UNKNOWN})


def observe_transfer(stage: Stage, seen: TransferSeen) -> StageDecision:
    """Fold a transfer in (row 16, first leg); a second one for this stage is refused loudly."""
    attempt = _attempt_of(stage, seen.attempt)
    _check_amount(stage, seen.amount, seen.transfer_id)
    if attempt.transfer_id == seen.transfer_id:
        return StageDecision(stage)
    if not _is_current(stage, attempt) or attempt.state not in _TRANSFER_OPEN:
        raise Refused("abandoned-attempt-woke", f"{seen.transfer_id} is a transfer too many")
    noted = replace(
        payout_attempt.move(attempt, AttemptState.TRANSFERRED),
        transfer_id=seen.transfer_id,
        transfer_balance_transaction=seen.balance_transaction,
    )
    posting = postings.stage_transferred(stage.sent, seen.balance_transaction)
    return StageDecision(with_attempt(stage, noted), (posting,))


def observe_payout(stage: Stage, seen: PayoutSeen, now: datetime) -> StageDecision:
    """Fold a payout in: in transit, confirmed by the bank (row 16), failed, bounced (row 17)."""
    attempt = _attempt_of(stage, seen.attempt)
    _check_amount(stage, seen.amount, seen.payout_id)
    if attempt.payout_id not in (None, seen.payout_id):
        raise Refused("foreign-payout", f"{seen.payout_id} is not this attempt's payout")
    if attempt.state in _PAYOUT_OPEN:
        stage = _in_transit(stage, attempt, seen.payout_id)
    elif attempt.payout_id is None:
        raise Refused("abandoned-attempt-woke", f"{seen.payout_id} is a payout too many")
    elif not _is_current(stage, attempt):
        return StageDecision(stage)
    if seen.status is ProviderPayoutStatus.PAID:
        return _paid(stage, seen, now)
    if seen.status is ProviderPayoutStatus.FAILED:
        return _bounced(stage, seen, now)
    return StageDecision(stage)


def refuse(stage: Stage, reason: str, now: datetime, for_funds: bool = False) -> StageDecision:
    """A definite refusal of the running leg; for want of funds no try is used up."""
    return _end_leg(stage, reason, now, counts=not for_funds)


def find_absent(stage: Stage, rules: KeyRules, now: datetime) -> StageDecision:
    """A look-up did not find the running leg; before absence counts, nothing follows.

    As for refunds no try is used up: nobody refused it.
    """
    sent_at = stage.attempt.last_sent_at
    if sent_at is None or not absence_counts(sent_at, now, rules):
        return StageDecision(stage)
    return _end_leg(stage, "absent", now, counts=False)


def _end_leg(stage: Stage, reason: str, now: datetime, counts: bool) -> StageDecision:
    if stage.attempt.state in _TRANSFER_OPEN:
        return _fail(stage, AttemptState.TRANSFER_REFUSED, reason, now, counts)
    if stage.attempt.state in _PAYOUT_OPEN:
        return _fail(stage, AttemptState.FAILED, reason, now, counts)
    return StageDecision(stage)


def _attempt_of(stage: Stage, number: int) -> PayoutAttempt:
    if not 1 <= number <= len(stage.attempts):
        raise Refused("unknown-attempt", f"{stage.stage_id} has no attempt {number}")
    return stage.attempts[number - 1]


def _check_amount(stage: Stage, amount: int | None, name: str) -> None:
    if amount not in (None, stage.sent):
        raise Refused("other-amount", f"{name} is {amount}, asked for was {stage.sent}")


def _is_current(stage: Stage, attempt: PayoutAttempt) -> bool:
    return attempt.number == stage.attempt.number


def _in_transit(stage: Stage, attempt: PayoutAttempt, payout_id: str) -> Stage:
    noted = replace(payout_attempt.move(attempt, AttemptState.IN_TRANSIT), payout_id=payout_id)
    return with_attempt(move(stage, StageState.IN_TRANSIT), noted)


def _paid(stage: Stage, seen: PayoutSeen, now: datetime) -> StageDecision:
    if stage.attempt.state is not AttemptState.IN_TRANSIT or seen.balance_transaction is None:
        return StageDecision(stage)
    noted = replace(
        payout_attempt.move(stage.attempt, AttemptState.PAID),
        payout_balance_transaction=seen.balance_transaction,
    )
    paid = with_attempt(replace(move(stage, StageState.PAID), paid_at=now), noted)
    posting = postings.stage_paid(stage.sent, seen.balance_transaction)
    return StageDecision(paid, (posting,), (StagePaid(paid, noted, now),))


def _bounced(stage: Stage, seen: PayoutSeen, now: datetime) -> StageDecision:
    reason = seen.reason or "unknown"
    if stage.attempt.state is AttemptState.IN_TRANSIT:
        return _fail(stage, AttemptState.FAILED, reason, now)
    if stage.attempt.state is not AttemptState.PAID or seen.failure_balance_transaction is None:
        return StageDecision(stage)
    failure = seen.failure_balance_transaction
    failed = _fail(stage, AttemptState.FAILED, reason, now)
    noted = replace(failed.stage.attempt, failure_balance_transaction=failure)
    bounced = replace(with_attempt(failed.stage, noted), paid_at=None)
    posting = postings.stage_late_failure(stage.sent, failure)
    return StageDecision(bounced, (posting,), (StageFailed(bounced, noted, reason, now),))


def _fail(
    stage: Stage, ended: AttemptState, reason: str, now: datetime, counts: bool = True
) -> StageDecision:
    attempt = payout_attempt.move(stage.attempt, ended)
    moved = move(stage, StageState.FAILED, reason)
    failed = with_attempt(replace(moved, failures=moved.failures + int(counts)), attempt)
    return StageDecision(failed, facts=(StageFailed(failed, attempt, reason, now),))
