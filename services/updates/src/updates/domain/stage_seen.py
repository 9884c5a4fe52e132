"""The stages of a campaign's payout, as everybody may see where they stand."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class StageStanding(StrEnum):
    """Where a stage stands by the last fact about it; of one that is not known, its plan."""

    PLANNED = "planned"
    DUE = "due"
    HELD = "held"
    APPROVED = "approved"
    SUBMITTED = "submitted"
    PAID = "paid"
    FAILED = "failed"
    NOTHING_TO_PAY = "nothing_to_pay"
    CANCELLED = "cancelled"


class Decision(StrEnum):
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class MilestoneSeen:
    """The last decision about the evidence of a stage; why one was rejected is its creator's."""

    decision: Decision
    revision: int
    at: datetime


@dataclass(frozen=True, slots=True)
class StageSeen:
    """A stage and its amount in minor units; why it is held is between its team and staff."""

    number: int
    kind: str
    amount: int
    standing: StageStanding
    since: datetime
    milestone: MilestoneSeen | None = None


Stages = tuple[StageSeen, ...]


def stage_moved(stages: Stages, moved: StageSeen) -> Stages:
    """Return the stages with what is now known of this one, in their order."""
    known = {one.number: one for one in stages}
    before = known.get(moved.number)
    milestone = before.milestone if before else None
    return _ordered({**known, moved.number: replace(moved, milestone=milestone)})


def milestone_decided(stages: Stages, number: int, milestone: MilestoneSeen) -> Stages:
    """Return the stages with the decision; a stage that was never planned has none to show."""
    return tuple(
        replace(one, milestone=milestone) if one.number == number else one for one in stages
    )


def _ordered(stages: dict[int, StageSeen]) -> Stages:
    return tuple(stages[number] for number in sorted(stages))
