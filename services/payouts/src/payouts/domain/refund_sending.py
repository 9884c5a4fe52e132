"""Sending a refund to the provider: which call is safe next, and what is noted before it.

The note is saved before the call leaves, so that a crash in between leaves a trace (`money.md` 6).
"""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from payouts.domain.errors import Refused
from payouts.domain.provider_keys import may_resend
from payouts.domain.refund import Refund, RefundAttempt, RefundState, move


class RefundStep(StrEnum):
    """What a worker that claimed the refund does with it."""

    SEND = "send"
    RESEND = "resend"
    LOOK_UP = "look_up"
    READ = "read"
    REST = "rest"


_UNSENT = frozenset({RefundState.REQUESTED, RefundState.AWAITING_FUNDS, RefundState.FAILED})
_UNANSWERED = frozenset({RefundState.SUBMITTED, RefundState.UNKNOWN})


def next_step(refund: Refund, now: datetime) -> RefundStep:
    """Return the only safe call; a claimed refund that was sent before has an unknown answer."""
    if refund.state in _UNSENT:
        return RefundStep.SEND
    if refund.state in _UNANSWERED:
        attempt = refund.attempt
        known = may_resend(attempt.first_sent_at, now) and not attempt.key_spent
        return RefundStep.RESEND if known else RefundStep.LOOK_UP
    return RefundStep.READ if refund.state is RefundState.PENDING else RefundStep.REST


def stand_still(refund: Refund, reason: str) -> Refund:
    """Note why an unsent refund is not sent now; the same again changes nothing."""
    return replace(refund, reason=reason)


def await_funds(refund: Refund, reason: str) -> Refund:
    """Note that the balance does not cover it; the same again changes nothing."""
    if refund.state is RefundState.AWAITING_FUNDS and refund.reason == reason:
        return refund
    if refund.state is RefundState.AWAITING_FUNDS:
        return replace(refund, reason=reason)
    return move(refund, RefundState.AWAITING_FUNDS, reason)


def send(refund: Refund, now: datetime) -> Refund:
    """Note a new attempt, with the next number."""
    attempt = RefundAttempt(number=len(refund.attempts) + 1, first_sent_at=now, last_sent_at=now)
    moved = move(refund, RefundState.SUBMITTED)
    return replace(moved, attempts=(*refund.attempts, attempt))


def lose_sight(refund: Refund, *, key_spent: bool = False) -> Refund:
    """Note that the call ended without an answer; the same again changes nothing.

    `key_spent` is for a server error, which the provider would only replay under the same key.
    """
    if key_spent and not refund.attempt.key_spent:
        spent = replace(refund.attempt, key_spent=True)
        refund = replace(refund, attempts=(*refund.attempts[:-1], spent))
    if refund.state is RefundState.UNKNOWN:
        return refund
    return move(refund, RefundState.UNKNOWN, "server-error" if key_spent else "no-answer")


def resend(refund: Refund, now: datetime) -> Refund:
    """Note that the same key and body go out again; raises `Refused` when the key may be gone."""
    if not may_resend(refund.attempt.first_sent_at, now):
        raise Refused("key-too-old", f"{refund.attempt_id} must be looked up first")
    moved = move(lose_sight(refund), RefundState.SUBMITTED)
    attempt = replace(refund.attempt, last_sent_at=now)
    return replace(moved, attempts=(*refund.attempts[:-1], attempt))
