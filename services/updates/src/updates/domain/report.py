"""Reports by readers (`domain.md` 6): whoever may read something may report it, staff decide.

Of one thing all reports are one case, so that a hundred readers are one decision. Nobody learns
who reported: what is shown of a report is its reason and its words, and what became of it only to
whoever made it. Who has no account reports as well, under a receipt that he makes and keeps.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from updates.domain.errors import Refused
from updates.domain.hiding import HidingReason

WORDS_MAX = 1_000
# So many of one person within so long, whatever they are about: more is a campaign against one.
PACE, PACE_WINDOW = 10, timedelta(minutes=10)
# So many guests' reports of one thing wait at most: staff have it before them by the first, and
# whoever has no account cannot be paced.
GUESTS_MAX = 20
_GUEST = "guest:"


class CaseState(StrEnum):
    OPEN = "open"
    HIDDEN = "hidden"
    DISMISSED = "dismissed"


# What was dismissed may be reported by others for another reason; what was hidden, once it is
# shown again.
TRANSITIONS: dict[CaseState, frozenset[CaseState]] = {
    CaseState.OPEN: frozenset({CaseState.HIDDEN, CaseState.DISMISSED}),
    CaseState.HIDDEN: frozenset({CaseState.OPEN}),
    CaseState.DISMISSED: frozenset({CaseState.OPEN}),
}


@dataclass(frozen=True, slots=True)
class Thing:
    """What is reported: an update, or one of its comments."""

    campaign_id: str
    update_id: str
    comment_id: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One person's report of one thing, and its place among all of that thing, from 1.

    `answered_by` is the number of the case's decision that answers it, from 0.
    """

    thing: Thing
    reporter_id: str
    reason: HidingReason
    words: str
    at: datetime
    number: int = 0
    answered_by: int = 0

    @property
    def by_guest(self) -> bool:
        """Whether whoever reported has no account."""
        return self.reporter_id.startswith(_GUEST)


def guest_of(receipt: str) -> str:
    """Return as whom a guest reports: by nothing from which anybody could make the receipt."""
    return _GUEST + hashlib.sha256(receipt.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Decision:
    """How a case ended; `words` say why something stays, what is hidden has its statement."""

    state: CaseState
    words: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Case:
    """All reports of one thing: `count` and `reasons` are of those that no decision answers.

    `reported_at` is when the first of them was made; `guests` of them have no account; `total`
    counts all there ever were.
    """

    thing: Thing
    state: CaseState
    reported_at: datetime
    count: int = 0
    reasons: Mapping[HidingReason, int] = field(default_factory=dict)
    guests: int = 0
    total: int = 0
    decisions: tuple[Decision, ...] = ()
    version: int = 0

    def answer_to(self, report: Report) -> Decision | None:
        """Return what became of a report, None while nobody has decided."""
        known = report.answered_by < len(self.decisions)
        return self.decisions[report.answered_by] if known else None


def check_words(report: Report) -> None:
    if len(report.words) > WORDS_MAX:
        raise Refused("invalid-text", f"a report has up to {WORDS_MAX} characters")


def check_pace(last_but_nine: datetime | None, now: datetime) -> None:
    """Raise `Refused` while the report that is `PACE` back, where there is one, is so young."""
    if last_but_nine is not None and (wait := last_but_nine + PACE_WINDOW - now) > timedelta():
        raise Refused("too-many-reports", "you have reported a lot; wait a few minutes", wait)


def check_guests(case: Case | None, report: Report) -> None:
    """Raise `Refused` for a guest who reports what so many guests have reported already."""
    waiting = case.guests if case is not None and case.state is CaseState.OPEN else 0
    if report.by_guest and waiting >= GUESTS_MAX:
        raise Refused("reported-enough", "many have reported it; staff are looking at it")


def take(case: Case | None, report: Report) -> tuple[Case, Report]:
    """Take a report into the thing's case, which it opens where nobody is to decide it yet."""
    if case is None:
        case = Case(report.thing, CaseState.OPEN, report.at)
    elif case.state is not CaseState.OPEN:
        opened = move(case, CaseState.OPEN)
        case = replace(opened, reported_at=report.at, count=0, guests=0, reasons={})
    reasons = {**case.reasons, report.reason: case.reasons.get(report.reason, 0) + 1}
    taken = replace(
        case,
        count=case.count + 1,
        guests=case.guests + report.by_guest,
        total=case.total + 1,
        reasons=reasons,
    )
    return taken, replace(report, number=taken.total, answered_by=len(case.decisions))


def decide(case: Case, decision: Decision) -> Case:
    """End the case; the same decision again is the same, another one comes too late."""
    if case.state is not CaseState.OPEN:
        last = case.decisions[-1]
        if (last.state, last.words) != (decision.state, decision.words):
            raise Refused("decided-already", f"its reports were decided: {case.state}")
        return case
    return replace(move(case, decision.state), decisions=(*case.decisions, decision))


def move(case: Case, state: CaseState) -> Case:
    """Return the case in its new state: the only way in which a state changes."""
    if state not in TRANSITIONS[case.state]:
        raise Refused("impossible-transition", f"{case.state} does not become {state}")
    return replace(case, state=state)
