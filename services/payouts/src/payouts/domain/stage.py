"""A stage of a campaign's money: its states, and how it is planned and becomes due.

States as in `money.md` 7, as far as this slice goes. How it is approved and held is in
`stage_approval.py`, how it is paid in `stage_sending.py` and `stage_outcome.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from payouts.domain.approval import Approval
from payouts.domain.errors import Refused
from payouts.domain.fees import LastStage
from payouts.domain.ledger import Posting
from payouts.domain.milestone import Milestone
from payouts.domain.payout_attempt import PayoutAttempt
from payouts.domain.plan import StageKind, split


class StageState(StrEnum):
    PLANNED = "planned"
    DUE = "due"
    AWAITING_SECOND_APPROVAL = "awaiting_second_approval"
    HELD = "held"
    APPROVED = "approved"
    SUBMITTED = "submitted"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    FAILED = "failed"
    NOTHING_TO_PAY = "nothing_to_pay"
    CANCELLED = "cancelled"


TRANSITIONS: dict[StageState, frozenset[StageState]] = {
    StageState.PLANNED: frozenset({StageState.DUE, StageState.CANCELLED}),
    StageState.DUE: frozenset(
        {
            StageState.AWAITING_SECOND_APPROVAL,
            StageState.APPROVED,
            StageState.HELD,
            StageState.NOTHING_TO_PAY,
            StageState.CANCELLED,
        }
    ),
    StageState.AWAITING_SECOND_APPROVAL: frozenset(
        {
            StageState.APPROVED,
            StageState.DUE,
            StageState.HELD,
            StageState.NOTHING_TO_PAY,
            StageState.CANCELLED,
        }
    ),
    StageState.HELD: frozenset({StageState.DUE, StageState.CANCELLED}),
    StageState.APPROVED: frozenset(
        {
            StageState.SUBMITTED,
            StageState.DUE,
            StageState.HELD,
            StageState.NOTHING_TO_PAY,
            StageState.CANCELLED,
        }
    ),
    StageState.SUBMITTED: frozenset(
        {StageState.IN_TRANSIT, StageState.FAILED, StageState.CANCELLED}
    ),
    StageState.IN_TRANSIT: frozenset({StageState.PAID, StageState.FAILED}),
    StageState.PAID: frozenset({StageState.FAILED}),
    StageState.FAILED: frozenset(
        {
            StageState.SUBMITTED,
            StageState.DUE,
            StageState.HELD,
            StageState.NOTHING_TO_PAY,
            StageState.CANCELLED,
        }
    ),
    StageState.NOTHING_TO_PAY: frozenset(),
    StageState.CANCELLED: frozenset(),
}

_SUBMITTED = frozenset(
    {StageState.SUBMITTED, StageState.IN_TRANSIT, StageState.PAID, StageState.FAILED}
)
# Nothing of it has been set aside for the creator.
UNAPPROVED = frozenset(
    {
        StageState.PLANNED,
        StageState.DUE,
        StageState.HELD,
        StageState.AWAITING_SECOND_APPROVAL,
    }
)
OVER = frozenset({StageState.PAID, StageState.NOTHING_TO_PAY, StageState.CANCELLED})


@dataclass(frozen=True, slots=True)
class TriedAgain:
    """Staff had it tried again after this attempt, whose failure had used up its tries."""

    after_attempt: int
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Stage:
    """One of a campaign's stages; amounts in minor units of `currency`.

    `amount` is what is paid, known from `due` on and fixed by the approval. `approvals` counts
    them, so that each has its own cause in the book. `milestone` is the latest evidence for a
    later stage; `divided` says how the last one's approval took the fees. `set_off` of the amount
    pays the creator's debt instead of being sent, known from the first attempt on. `failures`
    counts definite failures that used up a try; waiting for funds and a leg that was never made do
    not.
    `taken_back` counts how often it was submitted and nothing of it left, each time with a cause of
    its own in the book. `tried_again` is what staff did once its tries were used up. `reason` says
    why the last attempt failed or the approval fell. `version` guards every save.
    """

    campaign_id: str
    number: int
    kind: StageKind
    share_basis_points: int
    planned_amount: int
    currency: str
    state: StageState
    amount: int | None = None
    due_at: datetime | None = None
    approval: Approval | None = None
    approvals: int = 0
    attempts: tuple[PayoutAttempt, ...] = ()
    failures: int = 0
    paid_at: datetime | None = None
    reason: str | None = None
    version: int = 0
    milestone: Milestone | None = None
    divided: LastStage | None = None
    set_off: int = 0
    taken_back: int = 0
    tried_again: tuple[TriedAgain, ...] = ()

    @property
    def stage_id(self) -> str:
        return f"{self.campaign_id}/stage-{self.number}"

    @property
    def approval_id(self) -> str:
        return self.approval_named(self.approvals)

    def approval_named(self, number: int) -> str:
        """Return what the stage's approval of this number is called in the book."""
        return f"{self.stage_id}/approval-{number}"

    @property
    def payable(self) -> int:
        """The amount from `due` on; raises `Refused` before."""
        if self.amount is None:
            raise Refused("not-due", f"{self.stage_id} has no amount yet")
        return self.amount

    @property
    def waits_since(self) -> datetime:
        """Since when its creator waits for it; raises `Refused` before it is due."""
        if self.due_at is None:
            raise Refused("not-due", f"{self.stage_id} is not due yet")
        return self.due_at

    @property
    def sent(self) -> int:
        """What goes to the creator's account."""
        return self.payable - self.set_off

    @property
    def attempt_id(self) -> str:
        """What `metadata.attempt_id` says at the provider, on both legs."""
        return f"{self.stage_id}/attempt-{self.attempt.number}"

    @property
    def transfer_key(self) -> str:
        return f"{self.attempt_id}/transfer"

    @property
    def payout_key(self) -> str:
        return f"{self.attempt_id}/payout"

    @property
    def is_submitted(self) -> bool:
        """Whether row 15 stands for it."""
        return self.state in _SUBMITTED

    @property
    def submission_id(self) -> str:
        """Names what row 15 posts for it this time."""
        return f"{self.stage_id}/again-{self.taken_back}" if self.taken_back else self.stage_id

    @property
    def attempt(self) -> PayoutAttempt:
        """The last attempt; raises `Refused` before the first."""
        if not self.attempts:
            raise Refused("never-submitted", f"{self.stage_id} was never submitted")
        return self.attempts[-1]


@dataclass(frozen=True, slots=True)
class PlanScheduled:
    campaign_id: str
    currency: str
    base: int
    stages: tuple[Stage, ...]
    scheduled_at: datetime


@dataclass(frozen=True, slots=True)
class StageDue:
    stage: Stage


@dataclass(frozen=True, slots=True)
class StageApproved:
    stage: Stage
    approval: Approval


@dataclass(frozen=True, slots=True)
class StageHeld:
    stage: Stage
    reason: str
    held_at: datetime


@dataclass(frozen=True, slots=True)
class StageReleased:
    stage: Stage
    released_at: datetime


@dataclass(frozen=True, slots=True)
class StageNothingToPay:
    stage: Stage
    at: datetime


@dataclass(frozen=True, slots=True)
class StageCancelled:
    stage: Stage
    cancelled_at: datetime


@dataclass(frozen=True, slots=True)
class MilestoneApproved:
    stage: Stage
    milestone: Milestone


@dataclass(frozen=True, slots=True)
class MilestoneRejected:
    stage: Stage
    milestone: Milestone


@dataclass(frozen=True, slots=True)
class StageSubmitted:
    stage: Stage
    attempt: PayoutAttempt
    submitted_at: datetime


@dataclass(frozen=True, slots=True)
class StagePaid:
    stage: Stage
    attempt: PayoutAttempt
    paid_at: datetime


@dataclass(frozen=True, slots=True)
class StageFailed:
    stage: Stage
    attempt: PayoutAttempt
    reason: str
    failed_at: datetime


StageFact = (
    PlanScheduled
    | StageDue
    | StageHeld
    | StageReleased
    | StageApproved
    | StageNothingToPay
    | StageCancelled
    | MilestoneApproved
    | MilestoneRejected
    | StageSubmitted
    | StagePaid
    | StageFailed
)


@dataclass(frozen=True, slots=True)
class StageDecision:
    """What to save together; no postings, no facts and an equal stage mean: nothing new."""

    stage: Stage
    postings: tuple[Posting, ...] = ()
    facts: tuple[StageFact, ...] = ()

    def then(self, step: "StageDecision") -> "StageDecision":
        """Return both as one: `step` was decided about this one's stage."""
        return replace(
            step, postings=(*self.postings, *step.postings), facts=(*self.facts, *step.facts)
        )


def move(stage: Stage, state: StageState, reason: str | None = None) -> Stage:
    """Return the stage in its new state: the only way in which a state changes."""
    if state not in TRANSITIONS[stage.state]:
        raise Refused("impossible-transition", f"{stage.state} does not become {state}")
    return replace(stage, state=state, reason=reason)


def schedule(
    campaign_id: str,
    currency: str,
    base: int,
    shares: Sequence[int],
    now: datetime,
    quantum: int = 1,
) -> PlanScheduled:
    """Plan the three stages of a frozen base (`money.md` 4); `quantum` as in `plan.split`."""
    stages = tuple(
        Stage(
            campaign_id=campaign_id,
            number=planned.number,
            kind=planned.kind,
            share_basis_points=planned.share_basis_points,
            planned_amount=planned.amount,
            currency=currency,
            state=StageState.PLANNED,
        )
        for planned in split(base, shares, quantum)
    )
    return PlanScheduled(campaign_id, currency, base, stages, now)


def supplement(campaign_id: str, number: int, currency: str) -> Stage:
    """Plan a stage for money that came back after the last one (row 22): it gets all of it."""
    return Stage(
        campaign_id=campaign_id,
        number=number,
        kind=StageKind.SUPPLEMENT,
        share_basis_points=0,
        planned_amount=0,
        currency=currency,
        state=StageState.PLANNED,
    )


def make_due(stage: Stage, amount: int, now: datetime) -> StageDecision:
    """The stage's condition came true; `amount` is what `plan.stage_amount` gives now."""
    due = replace(move(stage, StageState.DUE), amount=amount, due_at=now)
    return StageDecision(due, facts=(StageDue(due),))
