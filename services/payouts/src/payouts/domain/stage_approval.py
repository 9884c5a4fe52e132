"""What stands between a due stage and its money: evidence, approvals by people, holds.

`money.md` 8: the verdict approves a first stage under the limit; everything else people do, two of
them above it. What was signed falls when it changes; an approval that falls owes nothing.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from payouts.domain import milestone as milestones
from payouts.domain import payout_attempt, postings
from payouts.domain.approval import VERDICT, Approval, Concerned, Signed, check_person
from payouts.domain.destination import Destination
from payouts.domain.errors import Refused
from payouts.domain.fees import LastStage
from payouts.domain.ledger import Posting
from payouts.domain.milestone import Milestone, MilestoneState
from payouts.domain.payout_attempt import AttemptState
from payouts.domain.plan import StageKind
from payouts.domain.quantum import DUST
from payouts.domain.stage import (
    MilestoneApproved,
    MilestoneRejected,
    Stage,
    StageApproved,
    StageDecision,
    StageDue,
    StageFact,
    StageHeld,
    StageNothingToPay,
    StageReleased,
    StageState,
    move,
)
from payouts.domain.stage_cancelling import money_has_left, nothing_left, was_reversed

# Why a stage is due again whose transfer somebody took back at the provider.
REVERSED = "transfer-reversed"
# The first stage follows from the verdict, a supplement from money that came back.
WITH_MILESTONE = frozenset({StageKind.SECOND, StageKind.LAST})


def approve_by_verdict(
    stage: Stage, amount: int, destination: Destination, limit: int, now: datetime
) -> StageDecision:
    """Approve a first stage without a person (`money.md` 8), with row 13.

    `amount` is `plan.stage_amount` of now. Raises `Refused` for another stage, above the
    two-person limit (minor units), or without a verified destination.
    """
    if amount == 0:
        return nothing_to_pay(stage, now)
    if stage.kind is not StageKind.FIRST:
        raise Refused("needs-a-person", f"the verdict does not approve a {stage.kind} stage")
    if was_reversed(stage):
        # Whoever took the transfer back had a reason, which the verdict does not know.
        raise Refused(REVERSED, "its transfer was taken back: a person must approve it anew")
    if amount > limit:
        raise Refused("needs-two-people", f"{amount} is above the limit of {limit}")
    if not destination.usable:
        raise Refused("destination-unverified", "the destination is not verified")
    approval = Approval(VERDICT, amount, destination.version, now)
    approved = replace(
        move(stage, StageState.APPROVED),
        amount=amount,
        approval=approval,
        approvals=stage.approvals + 1,
    )
    posting = postings.stage_approved(approved.approval_id, amount)
    return StageDecision(approved, (posting,), (StageApproved(approved, approval),))


def nothing_to_pay(stage: Stage, now: datetime, reason: str | None = None) -> StageDecision:
    """There is no amount for this stage; the next one may follow."""
    over = replace(move(stage, StageState.NOTHING_TO_PAY, reason), amount=0)
    return StageDecision(over, facts=(StageNothingToPay(over, now),))


def submit_milestone(stage: Stage, evidence: str, by: str, now: datetime) -> StageDecision:
    """Take evidence for a later stage; raises `Refused` for the first, which needs none."""
    _needs_milestone(stage)
    return StageDecision(
        replace(stage, milestone=milestones.submit(stage.milestone, evidence, by, now))
    )


def approve_milestone(
    stage: Stage, revision: int, by: str, creator: str | None, now: datetime
) -> StageDecision:
    """Say that the evidence of this revision is enough."""
    decided = milestones.approve(_milestone(stage, revision), by, creator, now)
    return _decided(stage, decided, MilestoneApproved(replace(stage, milestone=decided), decided))


def reject_milestone(
    stage: Stage, revision: int, by: str, creator: str | None, reason: str, now: datetime
) -> StageDecision:
    """Say why the evidence of this revision is not enough."""
    decided = milestones.reject(_milestone(stage, revision), by, creator, reason, now)
    return _decided(stage, decided, MilestoneRejected(replace(stage, milestone=decided), decided))


def milestone_reached(stage: Stage) -> bool:
    """Whether what must come before this stage is shown and approved."""
    if stage.kind not in WITH_MILESTONE:
        return True
    return stage.milestone is not None and stage.milestone.state is MilestoneState.APPROVED


def signed_of(stage: Stage, amount: int, destination_version: int) -> Signed:
    """Return what an approval of this stage signs, as it is now."""
    milestone = stage.milestone
    if milestone is None:
        return Signed(amount, stage.currency, destination_version)
    return Signed(
        amount, stage.currency, destination_version, milestone.revision, milestone.evidence
    )


def left_alone(limit: int, by: str, others: Iterable[Stage], now: datetime) -> int:
    """Return what this person may still allow alone after the campaign's `others`."""
    given = [one.approval for one in others if one.approval is not None]
    return max(0, limit - sum(approval.amount for approval in given if approval.counts(by, now)))


def approve_by_person(
    stage: Stage,
    amount: int,
    destination: Destination,
    by: str,
    concerned: Concerned,
    limit: int,
    now: datetime,
    divided: LastStage | None = None,
) -> StageDecision:
    """Approve as one person, or as the second above `limit`; with row 13, or 14 for the last.

    `amount` is what the stage gets now; `divided` is how the last one divides what is left.
    The same person's same approval again changes nothing. Raises `Refused` otherwise.
    """
    if not destination.usable:
        raise Refused("destination-unverified", "the destination is not verified")
    signed = signed_of(stage, amount, destination.version).hash
    known, waiting = stage.approval, stage.state is StageState.AWAITING_SECOND_APPROVAL
    if known is not None and not waiting and known.signed == signed and known.given_by(by):
        return StageDecision(stage)
    first = known if waiting and known is not None and _stands(known, signed, now) else None
    check_person(by, concerned, [first.by] if first else [])
    approval = Approval(
        by=first.by if first else by,
        amount=amount,
        destination_version=destination.version,
        approved_at=first.approved_at if first else now,
        second_by=by if first else None,
        signed=signed,
        second_at=now if first else None,
    )
    if first is None and amount > limit:
        asked = stage if not waiting else move(stage, StageState.DUE)
        half = move(asked, StageState.AWAITING_SECOND_APPROVAL)
        return StageDecision(replace(half, amount=amount, approval=approval))
    return _approved(stage, approval, divided)


def _stands(approval: Approval, signed: str, now: datetime) -> bool:
    return approval.signed == signed and not approval.expired(now)


def _approved(stage: Stage, approval: Approval, divided: LastStage | None) -> StageDecision:
    numbered = replace(
        stage,
        amount=approval.amount,
        approval=approval,
        approvals=stage.approvals + 1,
        divided=divided,
    )
    if approval.amount == 0:
        dust = DUST if divided is not None and divided.dust else None
        over = move(numbered, StageState.NOTHING_TO_PAY, dust)
        return StageDecision(
            over, _owed(numbered), (StageNothingToPay(over, approval.approved_at),)
        )
    approved = move(numbered, StageState.APPROVED)
    return StageDecision(approved, _owed(numbered), (StageApproved(approved, approval),))


def _owed(stage: Stage) -> tuple[Posting, ...]:
    if stage.divided is None:
        book = postings.stage_approved
        if stage.kind is StageKind.SUPPLEMENT:
            book = postings.money_back
        return (book(stage.approval_id, stage.payable),) if stage.payable else ()
    divided = stage.divided
    moved = divided.covered.total + divided.owed.total + divided.payable
    return (postings.last_stage_approved(stage.approval_id, divided),) if moved else ()


def drop_approval(stage: Stage, reason: str) -> StageDecision:
    """What was approved has changed before anything of it left: due again, nothing owed."""
    stage = _not_sent(stage)
    due = _unapproved(stage, StageState.DUE, reason)
    return StageDecision(due, _fallen(stage), (StageDue(due),))


def take_back_reversed(stage: Stage, reversals: Iterable[Posting]) -> StageDecision:
    """Its transfer came back with these postings (row 18): due again, nothing owed to its creator.

    What had been set off of it is the creator's debt again.
    """
    due = _unapproved(stage, StageState.DUE, REVERSED)
    posted = [*reversals]
    if stage.set_off:
        name, part = stage.submission_id, stage.set_off
        posted.append(postings.stage_taken_back(name, part, part))
    return StageDecision(due, (*posted, _approval_fallen(stage)), (StageDue(due),))


def hold(stage: Stage, reason: str, now: datetime) -> StageDecision:
    """Stand still; an approval that was given falls. What may have left cannot be held."""
    stage = _not_sent(stage)
    held = _unapproved(stage, StageState.HELD, reason)
    return StageDecision(held, _fallen(stage), (StageHeld(held, reason, now),))


def let_go(stage: Stage, now: datetime) -> StageDecision:
    """Go on from where an approval is needed."""
    due = move(stage, StageState.DUE)
    return StageDecision(due, facts=(StageReleased(due, now),))


def _not_sent(stage: Stage) -> Stage:
    """End the attempt that was submitted and never asked for; nobody is told of a failure."""
    if stage.state is not StageState.SUBMITTED:
        return stage
    if not nothing_left(stage):
        raise Refused("money-may-have-left", f"a transfer of {stage.stage_id} was asked for")
    ended = payout_attempt.move(stage.attempt, AttemptState.TRANSFER_REFUSED)
    return replace(move(stage, StageState.FAILED), attempts=(*stage.attempts[:-1], ended))


def _unapproved(stage: Stage, state: StageState, reason: str) -> Stage:
    bare = replace(move(stage, state, reason), approval=None, divided=None)
    if stage.state is not StageState.FAILED:
        return bare
    # Another approval begins with all its tries; attempts keep their numbers, which are keys.
    return replace(bare, set_off=0, failures=0, taken_back=stage.taken_back + 1)


def _fallen(stage: Stage) -> tuple[Posting, ...]:
    if stage.state is StageState.FAILED:
        if money_has_left(stage):
            raise Refused("money-has-left", f"{stage.stage_id} lies on the creator's account")
        name = stage.submission_id
        back = postings.stage_taken_back(name, stage.payable, stage.set_off)
        return (back, _approval_fallen(stage))
    return (_approval_fallen(stage),) if stage.state is StageState.APPROVED else ()


def _approval_fallen(stage: Stage) -> Posting:
    if stage.kind is StageKind.SUPPLEMENT:
        return postings.money_back_fallen(stage.approval_id, stage.payable)
    if stage.divided is None:
        return postings.stage_approval_fallen(stage.approval_id, stage.payable)
    return postings.last_stage_approval_fallen(stage.approval_id, stage.divided)


def _needs_milestone(stage: Stage) -> None:
    if stage.kind not in WITH_MILESTONE:
        why = "it follows from the verdict, or from money that came back"
        raise Refused("no-milestone", f"a {stage.kind} stage needs no evidence: {why}")


def _milestone(stage: Stage, revision: int) -> Milestone:
    _needs_milestone(stage)
    if stage.milestone is None or stage.milestone.revision != revision:
        raise Refused("other-revision", f"revision {revision} is not the current evidence")
    return stage.milestone


def _decided(stage: Stage, decided: Milestone, fact: StageFact) -> StageDecision:
    if decided == stage.milestone:
        return StageDecision(stage)
    return StageDecision(replace(stage, milestone=decided), facts=(fact,))
