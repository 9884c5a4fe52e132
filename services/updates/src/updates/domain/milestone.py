"""Evidence that a milestone is reached, and what its creator says the money was used for.

`domain.md` 6: the last stage needs the statement, and nobody says to have used more than was paid.
Payouts keeps the hash of what is shown here; its staff's decision about a revision comes back.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum

from updates.domain.errors import Refused

TEXT_CHARACTERS_MAX = 10_000
WHAT_CHARACTERS_MAX = 200
LINES_MAX = 100
REVISIONS_MAX = 50
LAST_STAGE = 3
# The verdict itself releases the first stage.
STAGES = (2, LAST_STAGE)


class EvidenceState(StrEnum):
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"


TRANSITIONS: dict[EvidenceState, frozenset[EvidenceState]] = {
    EvidenceState.SUBMITTED: frozenset({EvidenceState.APPROVED, EvidenceState.REJECTED}),
    EvidenceState.APPROVED: frozenset(),
    EvidenceState.REJECTED: frozenset(),
}


class Spent(StrEnum):
    PAID = "paid"
    COMMITTED = "committed"


@dataclass(frozen=True, slots=True)
class FundsLine:
    """What money was used for; the amount in minor units of the campaign's currency."""

    what: str
    amount: int
    spent: Spent


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """An image, video or file that is shown with evidence, and the SHA-256 of what was sent."""

    media_id: str
    digest: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One revision, decided once; `text` is None for one whose words a restored backup lost."""

    revision: int
    digest: str
    text: str | None
    funds: tuple[FundsLine, ...]
    by: str
    at: datetime
    state: EvidenceState = EvidenceState.SUBMITTED
    decided_at: datetime | None = None
    reason: str | None = None
    files: tuple[EvidenceFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Milestone:
    """What was submitted for a stage, the latest last. `version` guards every save."""

    campaign_id: str
    stage: int
    revisions: tuple[Evidence, ...] = ()
    version: int = 0


@dataclass(frozen=True, slots=True)
class MilestoneSubmitted:
    """Evidence is there for staff; `currency` is that of the statement."""

    campaign_id: str
    stage: int
    evidence: Evidence
    currency: str


def digest_of(
    campaign_id: str,
    stage: int,
    currency: str,
    text: str,
    funds: Sequence[FundsLine],
    files: Sequence[EvidenceFile] = (),
) -> str:
    """Return the SHA-256 of what is shown: of other words, amounts or files it is another one.

    Evidence without files has the hash that it had before there were any.
    """
    shown: dict[str, object] = {
        "campaign_id": campaign_id,
        "stage": stage,
        "currency": currency,
        "text": text,
        "funds": [asdict(line) for line in funds],
    }
    if files:
        shown["files"] = [asdict(one) for one in files]
    said = json.dumps(shown, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(said.encode()).hexdigest()


def submit(
    milestone: Milestone,
    currency: str,
    text: str,
    funds: tuple[FundsLine, ...],
    paid: int,
    by: str,
    now: datetime,
    files: tuple[EvidenceFile, ...] = (),
) -> Milestone:
    """Take evidence; the same again is the same revision, other evidence the next one.

    `paid` is what the stages so far have paid out. Once a revision is approved there is no other.
    """
    digest = digest_of(milestone.campaign_id, milestone.stage, currency, text, funds, files)
    latest = milestone.revisions[-1] if milestone.revisions else None
    if latest is not None and latest.digest == digest:
        return milestone if latest.text is not None else _with_words(milestone, text, funds, files)
    if latest is not None and latest.state is EvidenceState.APPROVED:
        raise Refused("milestone-approved", "the milestone is approved with other evidence")
    _check(milestone.stage, text, funds, paid)
    if len(milestone.revisions) >= REVISIONS_MAX:
        raise Refused("too-many-revisions", f"a milestone has at most {REVISIONS_MAX} revisions")
    number = len(milestone.revisions) + 1
    evidence = Evidence(number, digest, text, funds, by, now, files=files)
    return replace(milestone, revisions=(*milestone.revisions, evidence))


def _check(stage: int, text: str, funds: Sequence[FundsLine], paid: int) -> None:
    if not 1 <= len(text.strip()) <= TEXT_CHARACTERS_MAX:
        raise Refused("invalid-text", f"evidence has 1 to {TEXT_CHARACTERS_MAX} characters")
    if not paid:
        raise Refused("nothing-paid-yet", "evidence is for what follows the first stage")
    if stage == LAST_STAGE and not funds:
        raise Refused("use-of-funds-missing", "the last stage needs a statement of use of funds")
    if len(funds) > LINES_MAX or any(not line.what.strip() or line.amount < 1 for line in funds):
        raise Refused("invalid-funds", f"1 to {LINES_MAX} lines say what, and a positive amount")
    total = sum(line.amount for line in funds)
    if total > paid:
        raise Refused("more-than-paid", f"{total} is more than the {paid} that was paid out so far")


def _with_words(
    milestone: Milestone,
    text: str,
    funds: tuple[FundsLine, ...],
    files: tuple[EvidenceFile, ...],
) -> Milestone:
    """The words of the latest revision are known again: they have the hash that was told."""
    *before, latest = milestone.revisions
    return replace(
        milestone, revisions=(*before, replace(latest, text=text, funds=funds, files=files))
    )


def decide(
    milestone: Milestone, digest: str, state: EvidenceState, reason: str | None, at: datetime
) -> Milestone:
    """Take what payouts' staff decided about this very evidence; known already is the same."""
    return replace(
        milestone,
        revisions=tuple(
            _decided(one, state, reason, at) if one.digest == digest else one
            for one in milestone.revisions
        ),
    )


def _decided(
    evidence: Evidence, state: EvidenceState, reason: str | None, at: datetime
) -> Evidence:
    if evidence.state is not EvidenceState.SUBMITTED:
        return evidence
    return replace(move(evidence, state), reason=reason, decided_at=at)


def move(evidence: Evidence, state: EvidenceState) -> Evidence:
    """Return it in its new state: the only way in which a state changes."""
    if state not in TRANSITIONS[evidence.state]:
        raise Refused("impossible-transition", f"{evidence.state} does not become {state}")
    return replace(evidence, state=state)


def submitted_again(milestone: Milestone, told: Evidence) -> Milestone:
    """Keep a revision that the topic tells of and a restored backup lost: its hash, not its words.

    So its number is not used for another one.
    """
    if told.revision <= len(milestone.revisions):
        return milestone
    return replace(milestone, revisions=(*milestone.revisions, told))
