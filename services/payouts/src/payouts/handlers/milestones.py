"""Evidence for a milestone comes in, and somebody else decides about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from payouts.domain.errors import Refused
from payouts.domain.stage import Stage, StageDecision
from payouts.domain.stage_amount import become_due
from payouts.domain.stage_approval import approve_milestone, reject_milestone, submit_milestone
from payouts.handlers.stages import load_open_view, save_decision
from payouts.handlers.wake import wake
from payouts.ports.unit import PayoutsUnit


@dataclass(frozen=True, slots=True)
class MilestoneDecision:
    """What staff decided about one revision; a rejection has a reason, an approval none."""

    revision: int
    by: str
    rejected_because: str | None = None


@dataclass(frozen=True, slots=True)
class EvidenceHeard:
    """The hash of what a creator shows for a stage's milestone."""

    campaign_id: str
    stage: int
    evidence: str
    by: str
    at: datetime


_TOO_LATE = frozenset({"milestone-approved", "stage-cancelled"})


async def take_evidence(
    unit: PayoutsUnit, campaign_id: str, number: int, evidence: str, by: str, now: datetime
) -> Stage:
    """Keep the evidence's hash as the next revision; the same again is the same revision."""
    view = await load_open_view(unit, campaign_id, number, now)
    decision = submit_milestone(view.stage, evidence, by, now)
    await save_decision(unit, view, decision)
    return decision.stage


async def hear_evidence(
    unit: PayoutsUnit, heard: Sequence[EvidenceHeard], now: datetime
) -> dict[int, Refused]:
    """Take what was submitted in updates; return what cannot be taken, by its place.

    What comes too late, behind an approval or a cancellation, changes nothing and waits for nobody.
    """
    refused = {}
    for place, one in enumerate(heard):
        about = (one.campaign_id, one.stage, one.evidence, one.by)
        try:
            await take_evidence(unit, *about, now)
        except Refused as refusal:
            if refusal.reason not in _TOO_LATE:
                refused[place] = refusal
    return refused


async def decide_milestone(
    unit: PayoutsUnit,
    campaign_id: str,
    number: int,
    decision: MilestoneDecision,
    creator: str | None,
    now: datetime,
) -> Stage:
    """Approve or reject; an approved milestone makes its stage due if those before are over."""
    view = await load_open_view(unit, campaign_id, number, now)
    decided = _decide(view.stage, decision, creator, now)
    due = become_due(view.book, decided.stage, view.previous, now)
    saved = await save_decision(unit, view, decided if due is None else decided.then(due))
    if due is not None:
        await wake(unit, [], [saved.stage], now)
    return saved.stage


def _decide(
    stage: Stage, decision: MilestoneDecision, creator: str | None, now: datetime
) -> StageDecision:
    revision, by, reason = decision.revision, decision.by, decision.rejected_because
    if reason is None:
        return approve_milestone(stage, revision, by, creator, now)
    return reject_milestone(stage, revision, by, creator, reason, now)
