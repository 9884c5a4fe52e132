"""The milestone that makes a later stage due: evidence by the creator, decided by somebody else.

`domain.md` 6: the second stage needs rewards prepared, the last one ready to deliver every reward.
What the evidence is lies with whoever shows it; here its hash is kept, which an approval signs.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from payouts.domain.errors import Refused


class MilestoneState(StrEnum):
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"


TRANSITIONS: dict[MilestoneState, frozenset[MilestoneState]] = {
    MilestoneState.SUBMITTED: frozenset({MilestoneState.APPROVED, MilestoneState.REJECTED}),
    MilestoneState.APPROVED: frozenset(),
    MilestoneState.REJECTED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Milestone:
    """One revision of the evidence for a stage; `evidence` is a SHA-256 in hexadecimal.

    A revision is decided once. Other evidence is the next revision, until one is approved.
    """

    revision: int
    evidence: str
    submitted_by: str
    submitted_at: datetime
    state: MilestoneState = MilestoneState.SUBMITTED
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str | None = None


def submit(current: Milestone | None, evidence: str, by: str, now: datetime) -> Milestone:
    """Take evidence; the same again is the same revision, anything else the next one."""
    if current is not None and current.evidence == evidence:
        return current
    if current is not None and current.state is MilestoneState.APPROVED:
        raise Refused("milestone-approved", "the milestone is approved with other evidence")
    revision = 1 if current is None else current.revision + 1
    return Milestone(revision, evidence, by, now)


def approve(milestone: Milestone, by: str, creator: str | None, now: datetime) -> Milestone:
    """Approve it as somebody who neither submitted it nor owns the campaign."""
    return _decide(milestone, MilestoneState.APPROVED, by, creator, now, None)


def reject(
    milestone: Milestone, by: str, creator: str | None, reason: str, now: datetime
) -> Milestone:
    """Reject it with a reason, as somebody else; other evidence may follow."""
    return _decide(milestone, MilestoneState.REJECTED, by, creator, now, reason)


def _decide(
    milestone: Milestone,
    state: MilestoneState,
    by: str,
    creator: str | None,
    now: datetime,
    reason: str | None,
) -> Milestone:
    if (milestone.state, milestone.decided_by, milestone.reason) == (state, by, reason):
        return milestone
    if by in (creator, milestone.submitted_by):
        raise Refused("own-milestone", "who shows the evidence does not decide about it")
    decided = replace(milestone, decided_by=by, decided_at=now, reason=reason)
    return move(decided, state)


def move(milestone: Milestone, state: MilestoneState) -> Milestone:
    """Return the milestone in its new state: the only way in which a state changes."""
    if state not in TRANSITIONS[milestone.state]:
        raise Refused("impossible-transition", f"{milestone.state} does not become {state}")
    return replace(milestone, state=state)
