"""A cause of notices: what is told, to whom as of when, and how far the telling has come."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from notifier.domain.errors import Refused


class CauseKind(StrEnum):
    VERDICT_REACHED = "verdict-reached"
    CAMPAIGN_CANCELLED = "campaign-cancelled"
    UPDATE_PUBLISHED = "update-published"
    REFUND_SUCCEEDED = "refund-succeeded"
    REFUND_FAILED = "refund-failed"
    REFUND_CLAIMABLE = "refund-claimable"
    CLAIMABLE_REMINDER_DUE = "claimable-reminder-due"
    REFUND_PAID_OTHERWISE = "refund-paid-otherwise"
    PLEDGE_ERRORED = "pledge-errored"
    PLEDGE_REMINDER_DUE = "pledge-reminder-due"
    PLEDGE_DROPPED = "pledge-dropped"
    REFUND_BLOCKED = "refund-blocked"
    REFUND_REFUSED = "refund-refused"
    REFUND_RUN_FINISHED = "refund-run-finished"
    PLAN_SCHEDULED = "plan-scheduled"
    STAGE_DUE = "stage-due"
    STAGE_HELD = "stage-held"
    STAGE_NOTHING_TO_PAY = "stage-nothing-to-pay"
    STAGE_CANCELLED = "stage-cancelled"
    STAGE_PAID = "stage-paid"
    STAGE_FAILED = "stage-failed"
    MILESTONE_APPROVED = "milestone-approved"
    MILESTONE_REJECTED = "milestone-rejected"
    HOLDING_LIMIT_NEAR = "holding-limit-near"
    DISPUTE_OPENED = "dispute-opened"
    DISPUTE_LOST = "dispute-lost"
    CLAIM_OPENED = "claim-opened"
    CLAIM_ANSWERED = "claim-answered"
    CLAIM_ESCALATED = "claim-escalated"
    CLAIM_RESOLVED = "claim-resolved"
    PROBLEM_GRADED = "problem-graded"
    RECOVERY_PLAN_REMINDER_DUE = "recovery-plan-reminder-due"
    RECOVERY_PLAN_MISSING = "recovery-plan-missing"
    LETTER_ASKED = "letter-asked"
    PLAN_ASKED = "plan-asked"
    PROMISE_DUE = "promise-due"
    COMMENT_ADDED = "comment-added"
    SILENCE_STEP_REACHED = "silence-step-reached"
    SURVEY_OPENED = "survey-opened"
    SURVEY_REMINDER_DUE = "survey-reminder-due"
    CAMPAIGN_LAUNCHED = "campaign-launched"
    UPDATE_CORRECTED = "update-corrected"
    QUESTIONNAIRE_ASKED = "questionnaire-asked"
    DELIVERY_CHANGED = "delivery-changed"
    RECEIPT_ASKED = "receipt-asked"
    MILESTONE_SUBMITTED = "milestone-submitted"
    DELIVERY_NOTICE_ASKED = "delivery-notice-asked"
    FOLLOW_ASKED = "follow-asked"
    WEBHOOK_DISABLED = "webhook-disabled"


class CauseState(StrEnum):
    WAITING = "waiting"
    PLANNED = "planned"
    COMPLETED = "completed"


# Waiting: until our own view has reached N. Planned: the audience is fixed in chunks.
TRANSITIONS: dict[CauseState, frozenset[CauseState]] = {
    CauseState.WAITING: frozenset({CauseState.PLANNED}),
    CauseState.PLANNED: frozenset({CauseState.COMPLETED}),
    CauseState.COMPLETED: frozenset(),
}

# The contract's limit for a cause's name.
NAME_LENGTH_MAX = 200

# What goes before this is urgent: one person's money, and what cannot wait.
USUAL = 50


@dataclass(frozen=True, slots=True)
class Origin:
    """The fact that is told of, its story and its trace, handed on with every notification."""

    fact_id: str
    correlation_id: str
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What is told: the fact's subject, and the words that every recipient's copy is made of.

    `origin` is None only for what was heard before it was kept.
    """

    kind: CauseKind
    subject: str
    campaign_id: str
    caused_at: datetime
    content: Mapping[str, object] = field(default_factory=dict)
    origin: Origin | None = None

    @property
    def cause(self) -> str:
        """Return the cause's name: fact and subject, without topic or version (`events.md` 2).

        A subject that is too long for the contract stands there as its hash, so that no id that
        a creator may choose leaves backers untold.
        """
        name = f"{self.kind.value}/{self.subject}"
        if len(name) <= NAME_LENGTH_MAX:
            return name
        digest = hashlib.blake2b(self.subject.encode(), digest_size=16).hexdigest()
        return f"{self.kind.value}/~{digest}"


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """The reason of reminders is gone: of those about this that arose until then, or of all.

    `about` is how their subjects begin, or all of the one that is `alone`, told to backers only. Of
    subjects that go on with so many `numbers`, joined by dashes, no others are meant: an id may
    begin as another one does. An id too long to stand in a cause's name keeps its reminders.
    One that is `elsewhere` stands on another topic than they do, and may be heard before them.
    """

    kind: CauseKind
    campaign_id: str
    about: str
    until: datetime | None = None
    alone: bool = False
    numbers: int = 0
    elsewhere: bool = False

    @property
    def beginning(self) -> str:
        """Return how the names of the causes begin that have lost their reason."""
        return f"{self.kind.value}/{self.about}"

    @property
    def pattern(self) -> str:
        """Return what the id of a chunk matches that begins so; no id of anybody's stands in it."""
        rest = "-".join(["[0-9]+"] * self.numbers) + r"(\||$)" if self.numbers else ""
        return rf"(?s)^.{{{len(self.beginning)}}}{rest}"

    def concerns(self, chunk_id: str, caused_at: datetime) -> bool:
        """Whether a chunk of this id, of a cause of that time, has lost its reason."""
        if self.until is not None and caused_at > self.until:
            return False
        if self.alone:
            return chunk_id == self.beginning
        begins_so = chunk_id.startswith(self.beginning)
        return begins_so and re.match(self.pattern, chunk_id) is not None


def subject_within(campaign_id: str, own_id: str) -> str:
    """Return the subject of something whose id is only unique within its campaign.

    The campaign's own colons are escaped: no two pairs of ids may give the same subject.
    """
    return f"{campaign_id.replace('%', '%25').replace(':', '%3A')}:{own_id}"


@dataclass(frozen=True, slots=True)
class Cause:
    """One campaign-wide cause; content and N are frozen when it is heard.

    `expected` is the audience that the maker of the fact counted, None where it did not count.
    `audience` is ours, known from planned on. `campaign_sequence` is the last fact of the campaign
    that its maker knew, None where it said none. `version` guards every save.
    """

    told: Told
    pledges_sequence: int
    expected: int | None
    state: CauseState
    heard_at: datetime
    audience: int = 0
    planned_at: datetime | None = None
    completed_at: datetime | None = None
    version: int = 0
    campaign_sequence: int | None = None

    @property
    def name(self) -> str:
        return self.told.cause

    @property
    def contradicts(self) -> bool:
        """Whether somebody counted another audience as of the same N."""
        planned = self.state is not CauseState.WAITING
        return planned and self.expected is not None and self.expected != self.audience


@dataclass(frozen=True, slots=True)
class Totals:
    """delivered + suppressed + failed + pending = audience + supplements, always."""

    delivered: int
    pending: int
    suppressed: int = 0
    failed: int = 0
    supplements: int = 0

    @property
    def people(self) -> int:
        """Return how many have an outcome or wait for theirs."""
        return self.delivered + self.suppressed + self.failed + self.pending

    def gap(self, audience: int) -> int:
        """Return how many of the audience have no outcome and are not pending: 0, or a bug."""
        return audience + self.supplements - self.people


def hear(
    told: Told,
    pledges_sequence: int,
    expected: int | None,
    now: datetime,
    campaign_sequence: int | None = None,
) -> Cause:
    """Take a cause that is told to a whole campaign as of a sequence."""
    waits = CauseState.WAITING
    return Cause(told, pledges_sequence, expected, waits, now, campaign_sequence=campaign_sequence)


def audience_so_far(cause: Cause, totals: Totals) -> int:
    """Return the audience; while its plan is being made, who stands in chunks already."""
    if cause.state is CauseState.WAITING:
        return totals.people - totals.supplements
    return cause.audience


def plan(cause: Cause, audience: int, now: datetime) -> Cause:
    """The audience is fixed in chunks."""
    return replace(_move(cause, CauseState.PLANNED), audience=audience, planned_at=now)


def complete(cause: Cause, now: datetime) -> Cause:
    """Everybody has an outcome."""
    return replace(_move(cause, CauseState.COMPLETED), completed_at=now)


def _move(cause: Cause, state: CauseState) -> Cause:
    if state not in TRANSITIONS[cause.state]:
        raise Refused("impossible-transition", f"{cause.state} does not become {state}")
    return replace(cause, state=state)
