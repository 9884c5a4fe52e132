"""Stages of a campaign that was cancelled after its goal was met (`money.md` 3, row 19).

What was not sent belongs to the backers again. A transfer that was made is the creator's: its
payout to the bank goes on. One that nobody knows about is waited for (decision 0021).
"""

from dataclasses import replace
from datetime import datetime

from payouts.domain import postings
from payouts.domain.ledger import Posting
from payouts.domain.payout_attempt import AttemptState
from payouts.domain.stage import (
    OVER,
    Stage,
    StageCancelled,
    StageDecision,
    StageState,
    move,
)

WHY = "campaign-cancelled"
_ASKED_FOR = frozenset({AttemptState.TRANSFER_SENT, AttemptState.TRANSFER_UNKNOWN})
_OWED = frozenset({StageState.APPROVED, StageState.SUBMITTED, StageState.FAILED})


def cancel_stage(stage: Stage, now: datetime) -> StageDecision:
    """Cancel a stage whose money is surely here; any other one stays as it is."""
    if stage.state in OVER or money_has_left(stage) or money_may_leave(stage):
        return StageDecision(stage)
    moved = move(stage, StageState.CANCELLED, WHY)
    cancelled = replace(moved, approval=None, divided=None, set_off=0)
    return StageDecision(cancelled, tuple(_given_back(stage)), (StageCancelled(cancelled, now),))


def money_has_left(stage: Stage) -> bool:
    """Whether a transfer of it was made: the money lies on the creator's account, or beyond.

    Attempts behind a transfer name it too, so that the last one says whether it was taken back.
    """
    return bool(stage.attempts) and stage.attempt.has_left


def was_reversed(stage: Stage) -> bool:
    """Whether somebody once took a transfer of it back at the provider."""
    return any(attempt.state is AttemptState.REVERSED for attempt in stage.attempts)


def nothing_left(stage: Stage) -> bool:
    """Whether all of a submitted stage's money is surely here: no transfer was asked for, or made.

    Every try before failed; the running one, if there is one, has not begun.
    """
    at_stake = stage.state in (StageState.SUBMITTED, StageState.FAILED)
    return at_stake and not money_has_left(stage) and not money_may_leave(stage)


def money_may_leave(stage: Stage) -> bool:
    """Whether a transfer was asked for whose answer is not definite."""
    return any(attempt.state in _ASKED_FOR for attempt in stage.attempts)


def is_settled(stage: Stage) -> bool:
    """Whether nothing that can still happen to it changes what is left for the backers."""
    return stage.state in OVER or money_has_left(stage)


def _given_back(stage: Stage) -> list[Posting]:
    if stage.state not in _OWED:
        return []
    back = []
    if stage.state is not StageState.APPROVED:
        back.append(postings.stage_taken_back(stage.submission_id, stage.payable, stage.set_off))
    if stage.divided is None:
        return [*back, postings.stage_cancelled(stage.approval_id, stage.payable)]
    return [*back, postings.last_stage_cancelled(stage.approval_id, stage.divided)]
