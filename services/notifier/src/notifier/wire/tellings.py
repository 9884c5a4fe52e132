"""What is told of facts that need no rule of their own: one line for each event.

A fact's cause is named by what it is about and when it happened, so that a stage that is held once
more is told once more, and a history that is published again tells nobody.
"""

from dataclasses import dataclass
from datetime import datetime

from notifier.domain.cause import CauseKind, Origin, Told, subject_within
from notifier.handlers.hear import ForSome
from sosst_contracts import funding, payouts
from sosst_contracts import updates as update_events
from sosst_contracts.codec import Decoded
from sosst_contracts.event import Event

_MONEY = ("amount", "currency")
_STAGE = ("stage", *_MONEY)


@dataclass(frozen=True, slots=True)
class Telling:
    """How an event becomes a cause: its kind, when it happened, and the fields that are told.

    `about` are the fields that tell it from others of the same instant, where the event names more
    than it is about; None is for what it is about.
    """

    kind: CauseKind
    at: str
    words: tuple[str, ...]
    about: tuple[str, ...] | None = None


TELLINGS: dict[type[Event], Telling] = {
    funding.CampaignLaunched: Telling(
        CauseKind.CAMPAIGN_LAUNCHED, "launched_at", ("title", "goal", "currency", "relaunch_of")
    ),
    payouts.RefundBlocked: Telling(
        CauseKind.REFUND_BLOCKED, "blocked_at", ("refund_id", "pledge_id", "reason", *_MONEY)
    ),
    payouts.RefundRefused: Telling(
        CauseKind.REFUND_REFUSED, "refused_at", ("refund_id", "pledge_id", "reason", *_MONEY)
    ),
    payouts.RefundRunFinished: Telling(
        CauseKind.REFUND_RUN_FINISHED, "finished_at", ("cause", "count", "outcomes", *_MONEY)
    ),
    payouts.PlanScheduled: Telling(
        CauseKind.PLAN_SCHEDULED, "scheduled_at", ("base", "currency", "stages")
    ),
    payouts.StageDue: Telling(CauseKind.STAGE_DUE, "due_at", _STAGE),
    payouts.StageHeld: Telling(CauseKind.STAGE_HELD, "held_at", ("reason", *_STAGE)),
    payouts.StageNothingToPay: Telling(CauseKind.STAGE_NOTHING_TO_PAY, "ended_at", _STAGE),
    payouts.StageCancelled: Telling(CauseKind.STAGE_CANCELLED, "cancelled_at", _STAGE),
    payouts.StageFailed: Telling(CauseKind.STAGE_FAILED, "failed_at", ("reason", *_STAGE)),
    payouts.MilestoneApproved: Telling(CauseKind.MILESTONE_APPROVED, "approved_at", ("stage",)),
    payouts.MilestoneRejected: Telling(
        CauseKind.MILESTONE_REJECTED, "rejected_at", ("stage", "reason")
    ),
    payouts.HoldingLimitNear: Telling(
        CauseKind.HOLDING_LIMIT_NEAR, "near_at", ("provider", "limit_at", *_MONEY)
    ),
    payouts.DisputeOpened: Telling(
        CauseKind.DISPUTE_OPENED, "opened_at", ("dispute_id", "pledge_id", "reason", *_MONEY)
    ),
    payouts.DisputeLost: Telling(
        CauseKind.DISPUTE_LOST, "lost_at", ("dispute_id", "pledge_id", "owed", *_MONEY)
    ),
    update_events.ProblemGraded: Telling(
        CauseKind.PROBLEM_GRADED, "graded_at", ("update_id", "kind", "severity", "reason")
    ),
    update_events.RecoveryPlanReminderDue: Telling(
        CauseKind.RECOVERY_PLAN_REMINDER_DUE, "reminded_at", ("update_id", "due_at")
    ),
    update_events.LetterAsked: Telling(
        CauseKind.LETTER_ASKED, "asked_at", ("kind", "occasion", "number", "stage")
    ),
    update_events.PlanAsked: Telling(
        CauseKind.PLAN_ASKED, "asked_at", ("rewards_missing", "missing_from")
    ),
    update_events.PromiseDue: Telling(
        CauseKind.PROMISE_DUE,
        "due_at",
        ("reward_id", "batch", "step", "date", "days_before"),
        # Several steps of several batches may be due at once.
        about=("reward_id", "batch", "step", "days_before"),
    ),
    update_events.SilenceStepReached: Telling(
        CauseKind.SILENCE_STEP_REACHED, "reached_at", ("step", "since", "askers")
    ),
    update_events.ClaimOpened: Telling(
        CauseKind.CLAIM_OPENED, "opened_at", ("claim_id", "reason", "due_at")
    ),
    update_events.ClaimAnswered: Telling(
        CauseKind.CLAIM_ANSWERED,
        "answered_at",
        ("claim_id", "reason", "side", "what", "outcome", "due_at", *_MONEY),
    ),
    update_events.ClaimEscalated: Telling(
        CauseKind.CLAIM_ESCALATED, "escalated_at", ("claim_id", "reason", "because", "due_at")
    ),
    update_events.ClaimResolved: Telling(
        CauseKind.CLAIM_RESOLVED, "resolved_at", ("claim_id", "reason", "outcome", *_MONEY)
    ),
    update_events.SurveyReminderDue: Telling(
        CauseKind.SURVEY_REMINDER_DUE, "due_at", ("survey_id", "closes_at")
    ),
    update_events.QuestionnaireAsked: Telling(
        CauseKind.QUESTIONNAIRE_ASKED, "asked_at", ("reward_id", "locks_at", "url")
    ),
    update_events.DeliveryChanged: Telling(
        CauseKind.DELIVERY_CHANGED, "changed_at", ("reward_id", "state")
    ),
    update_events.ReceiptAsked: Telling(CauseKind.RECEIPT_ASKED, "asked_at", ("reward_id",)),
    update_events.MilestoneSubmitted: Telling(
        CauseKind.MILESTONE_SUBMITTED, "submitted_at", ("stage", "revision")
    ),
    update_events.DeliveryNoticeAsked: Telling(
        CauseKind.DELIVERY_NOTICE_ASKED, "asked_at", ("reward_id", "platform_sends_at")
    ),
}


def told_by_table(fact: Decoded) -> ForSome | None:
    """Read what is told by the table above, None for any other fact."""
    told = told_from(fact, TELLINGS)
    return ForSome(told, _backers(fact.event)) if told is not None else None


def told_from(fact: Decoded, tellings: dict[type[Event], Telling]) -> Told | None:
    """Return what is told of this fact, None if it has no line."""
    event, telling = fact.event, tellings.get(type(fact.event))
    if telling is None:
        return None
    at: datetime = getattr(event, telling.at)
    words = event.model_dump(mode="json", include=set(telling.words), exclude_none=True)
    campaign_id: str = getattr(event, "campaign_id")  # noqa: B009 (not every event has one)
    return Told(telling.kind, _subject(event, at, telling), campaign_id, at, words, origin_of(fact))


def _subject(event: Event, at: datetime, telling: Telling) -> str:
    names = event.about_fields if telling.about is None else telling.about
    about = "-".join(str(getattr(event, name)) for name in names)
    milliseconds = int(at.timestamp() * 1_000)
    return subject_within(event.key, f"{about}-{milliseconds}" if about else str(milliseconds))


def _backers(event: Event) -> tuple[str, ...]:
    """Return the backers whom the fact concerns: the claim's, unless the word was theirs."""
    match event:
        case update_events.ClaimAnswered() if event.side != "backer":
            return (event.backer_id,)
        case update_events.ClaimResolved():
            return (event.backer_id,)
        case (
            update_events.SurveyReminderDue()
            | update_events.ReceiptAsked()
            | update_events.QuestionnaireAsked()
        ):
            return tuple(event.backers)
        case update_events.DeliveryChanged():
            # Whose own word it was knows it.
            moved = (one.backer_id for one in event.changes)
            return tuple(backer for backer in moved if backer != event.changed_by)
    return ()


def origin_of(fact: Decoded) -> Origin:
    """Return the fact as an origin; one without a story is the first of its own."""
    envelope = fact.envelope
    return Origin(envelope.id, envelope.correlation_id or envelope.id, envelope.traceparent)
