"""Submitting an approved stage and sending its two legs: which call is safe next.

Each note is saved before its call leaves, so that a crash leaves a trace (`money.md` 6).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from payouts.domain import payout_attempt, postings
from payouts.domain.destination import Destination
from payouts.domain.errors import Refused
from payouts.domain.gate import Line, closed
from payouts.domain.ledger import Posting
from payouts.domain.payout_attempt import AttemptState, PayoutAttempt
from payouts.domain.provider_keys import ATTEMPTS_MAX, may_resend
from payouts.domain.quantum import floor_to
from payouts.domain.stage import (
    Stage,
    StageDecision,
    StageNothingToPay,
    StageState,
    StageSubmitted,
    TriedAgain,
    move,
)
from payouts.domain.stage_cancelling import nothing_left


class StageStep(StrEnum):
    """What a worker that claimed the stage does with it."""

    SEND_TRANSFER = "send_transfer"
    RESEND_TRANSFER = "resend_transfer"
    LOOK_UP_TRANSFER = "look_up_transfer"
    SEND_PAYOUT = "send_payout"
    RESEND_PAYOUT = "resend_payout"
    LOOK_UP_PAYOUT = "look_up_payout"
    READ_PAYOUT = "read_payout"
    REST = "rest"


_TRANSFER_UNANSWERED = frozenset({AttemptState.TRANSFER_SENT, AttemptState.TRANSFER_UNKNOWN})
_PAYOUT_UNANSWERED = frozenset({AttemptState.PAYOUT_SENT, AttemptState.PAYOUT_UNKNOWN})
_SENT = {
    AttemptState.INTENDED: AttemptState.TRANSFER_SENT,
    AttemptState.TRANSFERRED: AttemptState.PAYOUT_SENT,
}
_LOST = {
    AttemptState.TRANSFER_SENT: AttemptState.TRANSFER_UNKNOWN,
    AttemptState.PAYOUT_SENT: AttemptState.PAYOUT_UNKNOWN,
}
_AGAIN = {lost: sent for sent, lost in _LOST.items()}


def submit(
    stage: Stage,
    lines: Sequence[Line],
    destination: Destination,
    now: datetime,
    owed: int = 0,
    quantum: int = 1,
) -> StageDecision:
    """Begin an attempt, if every line of the gate is passed; row 15 with an approval's first one.

    `lines` are evaluated inside the transaction that saves the answer. `owed` is the creator's debt
    to the platform: it is set off first, and only the rest is sent, in whole quanta. A debt that
    arose while nothing of the stage could leave is set off before its next attempt.
    """
    shut = closed(lines)
    if shut:
        raise Refused("gate-closed", _names(shut))
    before = stage.attempts[-1] if stage.attempts else None
    first, stage = _settle_debt(stage, owed, quantum)
    if not stage.sent:
        return _all_set_off(stage, first, now)
    attempt = payout_attempt.following(before, destination.account, destination.version)
    submitted = replace(move(stage, StageState.SUBMITTED), attempts=(*stage.attempts, attempt))
    return StageDecision(submitted, first, (StageSubmitted(submitted, attempt, now),))


def _names(lines: Sequence[Line]) -> str:
    return ", ".join(line.name for line in lines)


def _settle_debt(stage: Stage, owed: int, quantum: int) -> tuple[tuple[Posting, ...], Stage]:
    """Return row 15 where it is posted now, and the stage with what is set off."""
    if not stage.is_submitted:
        stage = set_off(stage, owed, quantum)
        return (submission(stage),), stage
    all_of_it = set_off(stage, stage.set_off + owed, quantum)
    if not nothing_left(stage) or all_of_it.set_off == stage.set_off:
        return (), stage
    back = postings.stage_taken_back(stage.submission_id, stage.payable, stage.set_off)
    again = replace(all_of_it, taken_back=stage.taken_back + 1)
    return (back, submission(again)), again


def set_off(stage: Stage, owed: int, quantum: int) -> Stage:
    """Pay the creator's debt out of the stage, so that whole quanta are left to be sent."""
    return replace(stage, set_off=floor_to(min(stage.payable, owed), quantum))


def submission(stage: Stage) -> Posting:
    """Return row 15 of this stage."""
    return postings.stage_submitted(stage.submission_id, stage.payable, stage.set_off)


def _all_set_off(stage: Stage, posted: tuple[Posting, ...], now: datetime) -> StageDecision:
    """The debt takes all of it: it is over, and nothing is sent."""
    over = move(stage, StageState.NOTHING_TO_PAY, "set-off")
    return StageDecision(over, posted, (StageNothingToPay(over, now),))


def try_again(stage: Stage, after_attempt: int, by: str, now: datetime) -> Stage:
    """Give a stage its tries back, as staff wish once its creator's account takes money again.

    `after_attempt` is the last attempt that the person saw: a wish that is told twice is one.
    Raises `Refused` for what goes on by itself, and what has not failed.
    """
    if after_attempt > len(stage.attempts):
        raise Refused("attempt-unknown", f"there were {len(stage.attempts)} attempts")
    if any(one.after_attempt == after_attempt for one in stage.tried_again):
        return stage
    used_up = stage.state is StageState.FAILED and stage.failures >= ATTEMPTS_MAX
    if not used_up or after_attempt < len(stage.attempts):
        detail = f"a {stage.state} stage after {stage.failures} failures needs no wish"
        raise Refused("not-used-up", detail)
    wish = TriedAgain(after_attempt, by, now)
    return replace(stage, failures=0, tried_again=(*stage.tried_again, wish))


def next_step(stage: Stage, now: datetime) -> StageStep:
    """Return the only safe call; a claimed leg that was sent before has an unknown answer."""
    if not stage.attempts or not stage.is_submitted:
        return StageStep.REST
    attempt = stage.attempt
    if attempt.state in _TRANSFER_UNANSWERED:
        known = _key_is_known(attempt, now)
        return StageStep.RESEND_TRANSFER if known else StageStep.LOOK_UP_TRANSFER
    if attempt.state in _PAYOUT_UNANSWERED:
        known = _key_is_known(attempt, now)
        return StageStep.RESEND_PAYOUT if known else StageStep.LOOK_UP_PAYOUT
    return {
        AttemptState.INTENDED: StageStep.SEND_TRANSFER,
        AttemptState.TRANSFERRED: StageStep.SEND_PAYOUT,
        AttemptState.IN_TRANSIT: StageStep.READ_PAYOUT,
    }.get(attempt.state, StageStep.REST)


def send(stage: Stage, now: datetime) -> Stage:
    """Note that the next leg goes out: the transfer, or the payout after it."""
    if stage.attempt.state not in _SENT:
        raise Refused("nothing-to-send", f"{stage.attempt_id} is {stage.attempt.state}")
    sent = payout_attempt.move(stage.attempt, _SENT[stage.attempt.state])
    return with_attempt(stage, replace(sent, first_sent_at=now, last_sent_at=now, key_spent=False))


def lose_sight(stage: Stage, *, key_spent: bool = False) -> Stage:
    """Note that the leg's call ended without an answer; the same again changes nothing.

    `key_spent` is for a server error, which the provider would only replay under the same key.
    """
    if key_spent and not stage.attempt.key_spent:
        stage = with_attempt(stage, replace(stage.attempt, key_spent=True))
    if stage.attempt.state in _AGAIN:
        return stage
    if stage.attempt.state not in _LOST:
        raise Refused("nothing-sent", f"{stage.attempt_id} is {stage.attempt.state}")
    return with_attempt(stage, payout_attempt.move(stage.attempt, _LOST[stage.attempt.state]))


def stay(stage: Stage, shut: Sequence[Line]) -> Stage:
    """Note which lines of the gate keep a submitted stage's transfer here.

    One that was sent before may have been made: it is looked up, and not asked for again.
    """
    if stage.attempt.state is not AttemptState.INTENDED:
        stage = lose_sight(stage)
    return replace(stage, reason=_names(shut))


def resend(stage: Stage, now: datetime) -> Stage:
    """Note that the same key and body go out again; raises `Refused` when the key may be gone."""
    if not _key_is_known(stage.attempt, now):
        raise Refused("key-too-old", f"{stage.attempt_id} must be looked up first")
    lost = lose_sight(stage).attempt
    sent = payout_attempt.move(lost, _AGAIN[lost.state])
    return with_attempt(stage, replace(sent, last_sent_at=now))


def with_attempt(stage: Stage, attempt: PayoutAttempt) -> Stage:
    """Return the stage with its last attempt replaced."""
    return replace(stage, attempts=(*stage.attempts[:-1], attempt))


def _key_is_known(attempt: PayoutAttempt, now: datetime) -> bool:
    if attempt.first_sent_at is None or attempt.key_spent:
        return False
    return may_resend(attempt.first_sent_at, now)
