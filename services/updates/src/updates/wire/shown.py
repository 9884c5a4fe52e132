"""What other services' events say of stages and disputes, as everybody may see it."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Protocol

from sosst_contracts import payouts
from sosst_contracts.event import Event
from updates.domain.project import (
    DisputeStanding,
    Project,
    plans_stages,
    shows_dispute,
    shows_milestone,
    shows_stage,
)
from updates.domain.stage_seen import Decision, MilestoneSeen, Stages, StageSeen, StageStanding


class _StageFact(Protocol):
    """What every fact about a stage says."""

    @property
    def stage(self) -> int: ...

    @property
    def kind(self) -> str: ...

    @property
    def amount(self) -> int: ...


def shown_by(event: Event) -> Callable[[Project], Project] | None:
    """Return what the event makes of the view beside its figures, None for nothing."""
    match event:
        case payouts.PlanScheduled():
            return partial(plans_stages, stages=_planned(event))
        case payouts.MilestoneApproved(stage=stage, revision=revision, approved_at=at):
            return _milestone(stage, MilestoneSeen(Decision.APPROVED, revision, at))
        case payouts.MilestoneRejected(stage=stage, revision=revision, rejected_at=at):
            return _milestone(stage, MilestoneSeen(Decision.REJECTED, revision, at))
        case payouts.DisputeOpened(dispute_id=dispute_id):
            return partial(shows_dispute, dispute_id=dispute_id, standing=DisputeStanding.OPEN)
        case payouts.DisputeWon(dispute_id=dispute_id):
            return partial(shows_dispute, dispute_id=dispute_id, standing=DisputeStanding.WON)
        case payouts.DisputeLost(dispute_id=dispute_id):
            return partial(shows_dispute, dispute_id=dispute_id, standing=DisputeStanding.LOST)
    return _stage(event)


def _stage(event: Event) -> Callable[[Project], Project] | None:
    match event:
        case payouts.StageDue(due_at=at):
            return _stands(event, StageStanding.DUE, at)
        case payouts.StageReleased(released_at=at):
            return _stands(event, StageStanding.DUE, at)
        case payouts.StageHeld(held_at=at):
            return _stands(event, StageStanding.HELD, at)
        case payouts.StageApproved(approved_at=at):
            return _stands(event, StageStanding.APPROVED, at)
        case payouts.StageSubmitted(submitted_at=at):
            return _stands(event, StageStanding.SUBMITTED, at)
        case payouts.StagePaid(paid_at=at):
            return _stands(event, StageStanding.PAID, at)
        case payouts.StageFailed(failed_at=at):
            return _stands(event, StageStanding.FAILED, at)
        case payouts.StageNothingToPay(ended_at=at):
            return _stands(event, StageStanding.NOTHING_TO_PAY, at)
        case payouts.StageCancelled(cancelled_at=at):
            return _stands(event, StageStanding.CANCELLED, at)
    return None


def _stands(
    event: _StageFact, standing: StageStanding, at: datetime
) -> Callable[[Project], Project]:
    stage = StageSeen(event.stage, event.kind, event.amount, standing, at)
    return partial(shows_stage, stage=stage)


def _milestone(stage: int, milestone: MilestoneSeen) -> Callable[[Project], Project]:
    return partial(shows_milestone, number=stage, milestone=milestone)


def _planned(event: payouts.PlanScheduled) -> Stages:
    return tuple(
        StageSeen(
            one.stage, one.kind, one.planned_amount, StageStanding.PLANNED, event.scheduled_at
        )
        for one in event.stages
    )
