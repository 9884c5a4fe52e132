"""What is heard: a contract's event becomes this service's words."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from notifier.domain.audience import CampaignEnd, Ending
from notifier.domain.cause import (
    CauseKind,
    Told,
    Withdrawal,
    subject_within,
)
from notifier.domain.edited_update import EditedWords
from notifier.domain.receipt_question import ReceiptQuestion, is_over
from notifier.handlers.hear import CampaignWide, ForSome
from notifier.ports.audience import Returned
from notifier.ports.unit import Departure, Membership
from notifier.wire.tellings import TELLINGS, origin_of, told_by_table, told_from
from servicekit.publish import key_hash
from sosst_contracts import funding, payouts
from sosst_contracts import updates as update_events
from sosst_contracts.codec import Decoded
from sosst_contracts.event import Event

CAMPAIGNS_TOPIC = funding.VerdictReached.topic
PLEDGES_TOPIC = funding.PledgeCollected.topic
REFUNDS_TOPIC = payouts.RefundSucceeded.topic
STAGES_TOPIC = payouts.StageDue.topic
DISPUTES_TOPIC = payouts.DisputeOpened.topic
CLAIMS_TOPIC = update_events.ClaimOpened.topic
PLANS_TOPIC = update_events.PlanAsked.topic
SURVEYS_TOPIC = update_events.SurveyOpened.topic
DELIVERIES_TOPIC = update_events.DeliveryChanged.topic
POSTS_TOPIC = update_events.UpdatePublished.topic
# As whom the platform writes what its creator has not written.
NOBODY = "suite"


# What nobody owes once a campaign has ended without its goal (`domain.md` 6): plans, and words
# but for a letter.
_OWED_UNTIL_THE_END = (
    CauseKind.PLAN_ASKED,
    CauseKind.PROMISE_DUE,
    CauseKind.RECOVERY_PLAN_REMINDER_DUE,
    CauseKind.SILENCE_STEP_REACHED,
)


def membership_from(fact: Decoded) -> Membership | None:
    """Read a collected pledge, None for any other fact."""
    event = fact.event
    if not isinstance(event, funding.PledgeCollected):
        return None
    return Membership(
        campaign_id=event.campaign_id,
        backer_id=event.backer_id,
        pledge_id=event.pledge_id,
        joined=fact.envelope.sequence or 0,
        key_hash=key_hash(event.backer_id.encode()),
        reward_id=event.reward_id,
        captured_at=event.captured_at,
    )


def departure_from(fact: Decoded) -> Departure | None:
    """Read a withdrawn pledge, None for any other fact."""
    event = fact.event
    if not isinstance(event, funding.PledgeWithdrawn):
        return None
    return Departure(
        campaign_id=event.campaign_id,
        backer_id=event.backer_id,
        pledge_id=event.pledge_id,
        left=fact.envelope.sequence or 0,
        left_at=event.withdrawn_at,
    )


def titles_from(facts: Sequence[Decoded]) -> dict[str, str]:
    """Read what campaigns are called; verdicts say it too."""
    events = [fact.event for fact in facts]
    named = [e for e in events if isinstance(e, funding.CampaignLaunched | funding.VerdictReached)]
    # The first word holds, as in the store.
    return {event.campaign_id: event.title for event in reversed(named)}


def creators_from(facts: Sequence[Decoded]) -> dict[str, str]:
    """Read who owns which campaign; verdicts say it too, for campaigns launched long ago."""
    events = [fact.event for fact in facts]
    named = [e for e in events if isinstance(e, funding.CampaignLaunched | funding.VerdictReached)]
    # The first word holds, as in the store.
    return {event.campaign_id: event.creator_id for event in reversed(named)}


def teams_from(facts: Sequence[Decoded]) -> dict[str, list[str]]:
    """Read who works on which campaign; the last word holds."""
    changed = [f.event for f in facts if isinstance(f.event, funding.TeamChanged)]
    return {event.campaign_id: [one.person_id for one in event.members] for event in changed}


def endings_from(facts: Sequence[Decoded]) -> dict[str, CampaignEnd]:
    """Read how campaigns ended, and when; the last word holds."""
    endings: dict[str, CampaignEnd] = {}
    for fact in facts:
        match fact.event:
            case funding.VerdictReached(verdict="goal_met") as event:
                ending, at = Ending.MET, event.reached_at
            case funding.VerdictReached(verdict="goal_missed") as event:
                ending, at = Ending.MISSED, event.reached_at
            case funding.CampaignCancelled() as event:
                ending, at = Ending.CANCELLED, event.cancelled_at
            case _:
                continue
        endings[event.campaign_id] = CampaignEnd(ending, at, fact.envelope.sequence)
    return endings


def returned_from(fact: Decoded) -> Returned | None:
    """Read that a pledge went back in full, or that a refund of it did not arrive after all."""
    event = fact.event
    match event:
        case payouts.RefundSucceeded(fully_refunded=True):
            at, again = event.succeeded_at, False
        case payouts.RefundPaidOtherwise(fully_refunded=True):
            at, again = event.paid_at, False
        case payouts.RefundFailed():
            at, again = event.failed_at, True
        case _:
            return None
    return Returned(event.campaign_id, event.pledge_id, event.backer_id, at, again)


_OfUpdates = (
    update_events.UpdatePublished
    | update_events.UpdateCorrected
    | update_events.SurveyOpened
    | update_events.ProblemGraded
    | update_events.RecoveryPlanMissing
)


def _as_of(told: Told, event: _OfUpdates) -> CampaignWide:
    """Return the cause as of what its maker knew, of pledges and of the campaign."""
    return CampaignWide(told, event.pledges_sequence, event.audience_count, event.campaign_sequence)


_Update = update_events.UpdatePublished | update_events.UpdateCorrected


def _of_the_update(event: _Update) -> dict[str, object]:
    return {
        "texts": _texts(event),
        "url": event.url,
        "kind": event.kind,
        "visibility": event.visibility,
        "rewards": event.visible_to_rewards or [],
    }


def _texts(event: _Update) -> list[dict[str, str]]:
    return [text.model_dump(exclude_none=True) for text in event.texts]


def campaign_wide_from(fact: Decoded) -> CampaignWide | None:
    """Read a cause that concerns a whole campaign, None for any other fact."""
    match fact.event:
        case funding.VerdictReached() as event:
            content = {
                "title": event.title,
                "verdict": event.verdict,
                "collected": event.collected,
                "goal": event.goal,
                "currency": event.currency,
            }
            told = Told(
                CauseKind.VERDICT_REACHED,
                event.campaign_id,
                event.campaign_id,
                event.reached_at,
                content,
                origin_of(fact),
            )
            return CampaignWide(told, event.pledges_sequence, None)
        case funding.CampaignCancelled() as event:
            told = Told(
                CauseKind.CAMPAIGN_CANCELLED,
                event.campaign_id,
                event.campaign_id,
                event.cancelled_at,
                {"title": event.title, "reason": event.reason},
                origin_of(fact),
            )
            return CampaignWide(told, event.pledges_sequence, None)
        case update_events.UpdatePublished() as event:
            told = Told(
                CauseKind.UPDATE_PUBLISHED,
                subject_within(event.campaign_id, event.update_id),
                event.campaign_id,
                event.published_at,
                _of_the_update(event),
                origin_of(fact),
            )
            return _as_of(told, event)
        case update_events.RecoveryPlanMissing() as event:
            told = Told(
                CauseKind.RECOVERY_PLAN_MISSING,
                # Missing again after a problem was lowered and raised is told again.
                subject_within(event.campaign_id, f"{event.update_id}-{_seconds(event.due_at)}"),
                event.campaign_id,
                event.missed_at,
                {"update_id": event.update_id, "due_at": event.due_at.isoformat()},
                origin_of(fact),
            )
            return _as_of(told, event)
        case update_events.UpdateCorrected(tells=True) as event:
            told = Told(
                CauseKind.UPDATE_CORRECTED,
                subject_within(event.campaign_id, f"{event.update_id}-{event.revision}"),
                event.campaign_id,
                event.corrected_at,
                _of_the_update(event) | {"changes": event.changes},
                origin_of(fact),
            )
            return _as_of(told, event)
        case update_events.SurveyOpened() as event:
            words = {"title", "language", "url", "closes_at"}
            told = Told(
                CauseKind.SURVEY_OPENED,
                subject_within(event.campaign_id, event.survey_id),
                event.campaign_id,
                event.opened_at,
                event.model_dump(mode="json", include=words, exclude_none=True),
                origin_of(fact),
            )
            return _as_of(told, event)
        case update_events.ProblemGraded() as event if event.pledges_sequence is not None:
            # A delay became an emergency: who was told of the delay alone must know.
            raised = told_from(fact, TELLINGS)
            assert raised is not None
            return _as_of(raised, event)
        case payouts.StagePaid() as event:
            told = Told(
                CauseKind.STAGE_PAID,
                subject_within(event.campaign_id, f"{event.stage}-{event.attempt}"),
                event.campaign_id,
                event.paid_at,
                {"stage": event.stage, "amount": event.amount, "currency": event.currency},
                origin_of(fact),
            )
            return CampaignWide(told, None, None)
    return None


def for_some_from(fact: Decoded) -> ForSome | None:
    """Read a cause that names whom it concerns, None for any other fact."""
    event = fact.event
    content: dict[str, object]
    match event:
        case payouts.RefundSucceeded():
            kind, at = CauseKind.REFUND_SUCCEEDED, event.succeeded_at
            # Returned again after it came back: another success, told under a name of its own.
            again = event.came_back
            subject = subject_within(event.refund_id, str(again)) if again else event.refund_id
            content = {"refund_id": event.refund_id}
        case payouts.RefundFailed():
            kind, at = CauseKind.REFUND_FAILED, event.failed_at
            # Told by a release that names no attempt: once for each refund.
            attempt = str(event.attempt or "")
            subject = subject_within(event.refund_id, attempt)
            content = {"refund_id": event.refund_id, "reason": event.reason}
        case payouts.RefundClaimable():
            kind, at = CauseKind.REFUND_CLAIMABLE, event.claimable_at
            subject = subject_within(event.refund_id, _seconds(event.claimable_at))
            content = {"refund_id": event.refund_id, "reason": event.reason}
        case payouts.ClaimableReminderDue():
            kind, at = CauseKind.CLAIMABLE_REMINDER_DUE, event.due_at
            which = f"{event.days}-{_seconds(event.claimable_at)}"
            subject = subject_within(event.refund_id, which)
            since = event.claimable_at.isoformat()
            content = {"refund_id": event.refund_id, "days": event.days, "claimable_at": since}
        case payouts.RefundPaidOtherwise():
            kind, subject, at = CauseKind.REFUND_PAID_OTHERWISE, event.refund_id, event.paid_at
            content = {"refund_id": event.refund_id, "method": event.method}
        case update_events.CommentAdded():
            return comment_from(fact, event)
        case update_events.ProblemGraded() if event.pledges_sequence is not None:
            # Told to the whole campaign, and to creator and staff with it.
            return None
        case funding.PledgeErrored():
            kind, subject, at = CauseKind.PLEDGE_ERRORED, event.pledge_id, event.errored_at
            content = {"pledge_id": event.pledge_id, "reason": event.reason}
        case funding.PledgeReminderDue():
            kind, at = CauseKind.PLEDGE_REMINDER_DUE, event.due_at
            subject = subject_within(event.pledge_id, str(event.reminder))
            content = {"pledge_id": event.pledge_id, "drops_at": event.drops_at.isoformat()}
        case funding.PledgeDropped():
            kind, subject, at = CauseKind.PLEDGE_DROPPED, event.pledge_id, event.dropped_at
            content = {"pledge_id": event.pledge_id, "because": event.because}
        case _:
            return told_by_table(fact)
    content |= {"amount": event.amount, "currency": event.currency}
    told = Told(kind, subject, event.campaign_id, at, content, origin_of(fact))
    return ForSome(told, (event.backer_id,))


def comment_from(fact: Decoded, event: update_events.CommentAdded) -> ForSome:
    """Read a comment: told to whoever it answers, and to the team."""
    subject = subject_within(_comment(event), _seconds(event.added_at))
    words = ("update_id", "comment_id", "by_team", "answers")
    content = event.model_dump(mode="json", include=set(words), exclude_none=True)
    told = Told(
        CauseKind.COMMENT_ADDED,
        subject,
        event.campaign_id,
        event.added_at,
        content,
        origin_of(fact),
    )
    answered = event.answered_person_id
    return ForSome(told, (answered,) if answered and answered != event.author_id else ())


def _comment(event: update_events.CommentAdded | update_events.CommentHidden) -> str:
    """Return the name of a comment: its id is only unique within its update."""
    update = subject_within(event.campaign_id, event.update_id)
    return subject_within(update, event.comment_id)


# Where what is told by the table stands; what is told by a rule of its own is withdrawn from there.
_TOPICS = {telling.kind: event_type.topic for event_type, telling in TELLINGS.items()}


def withdrawals_from(fact: Decoded) -> list[Withdrawal]:
    """Read which reminders have lost their reason by this fact."""
    topic = fact.event.topic
    return [
        replace(one, elsewhere=_TOPICS.get(one.kind, topic) != topic)
        for one in _withdrawn_by(fact.event)
    ]


def _withdrawn_by(event: Event) -> list[Withdrawal]:
    match event:
        case payouts.RefundSucceeded():
            until = event.succeeded_at
        case payouts.RefundPaidOtherwise():
            until = event.paid_at
        case payouts.RefundBlocked():
            until = event.blocked_at
        case payouts.RefundRefused():
            until = event.refused_at
        case funding.VerdictReached(verdict="goal_missed"):
            return [_asked(event, kind, "", event.reached_at) for kind in _OWED_UNTIL_THE_END]
        case funding.CampaignCancelled():
            return [_asked(event, kind, "", event.cancelled_at) for kind in _OWED_UNTIL_THE_END]
        case update_events.CommentHidden():
            # Nobody is led to what is hidden.
            added = subject_within(_comment(event), "")
            return [Withdrawal(CauseKind.COMMENT_ADDED, event.campaign_id, added, event.hidden_at)]
        case update_events.PromiseAnswered():
            return [_promise_answered(event, event.answered_at)]
        case update_events.PromiseMoved():
            return [_promise_answered(event, event.moved_at)]
        case update_events.PlanPublished(rewards_missing=0):
            return [_asked(event, CauseKind.PLAN_ASKED, "", event.published_at, numbers=1)]
        case update_events.UpdatePublished():
            return _written(event)
        case update_events.SurveyClosed():
            # Nobody can answer it any more.
            kind, asked = CauseKind.SURVEY_REMINDER_DUE, f"{event.survey_id}-"
            return [_asked(event, kind, asked, event.closed_at, numbers=3)]
        case update_events.ProblemGraded(kind="delay_notice"):
            # What is no emergency any more needs no recovery plan.
            kind, asked = CauseKind.RECOVERY_PLAN_REMINDER_DUE, f"{event.update_id}-"
            return [_asked(event, kind, asked, event.graded_at, numbers=1)]
        case update_events.MilestoneSubmitted(revision=revision) if revision > 1:
            # Only the latest evidence can be decided about.
            return [_evidence(event, revision - 1, event.submitted_at)]
        case payouts.MilestoneApproved():
            # Whatever evidence of the stage it is: no other is taken behind it.
            kind, asked = CauseKind.MILESTONE_SUBMITTED, f"{event.stage}-"
            return [_asked(event, kind, asked, event.approved_at, numbers=2)]
        case payouts.MilestoneRejected():
            return [_evidence(event, event.revision, event.rejected_at)]
        case funding.PledgeCollected() | funding.PledgeDropped():
            # Whenever they arose: a payment may be captured before a reminder and told behind it,
            # and no pledge that was paid or given up is asked for again.
            campaign_id, about = event.campaign_id, subject_within(event.pledge_id, "")
            return [
                Withdrawal(CauseKind.PLEDGE_ERRORED, campaign_id, event.pledge_id, alone=True),
                Withdrawal(CauseKind.PLEDGE_REMINDER_DUE, campaign_id, about),
            ]
        case _:
            return []
    kinds = (CauseKind.REFUND_CLAIMABLE, CauseKind.CLAIMABLE_REMINDER_DUE)
    about = subject_within(event.refund_id, "")
    return [Withdrawal(kind, event.campaign_id, about, until) for kind in kinds]


def _asked(
    event: Event, kind: CauseKind, about: str, until: datetime, numbers: int = 0
) -> Withdrawal:
    """Return that this was asked within its campaign and is not any more."""
    about = subject_within(event.key, about)
    return Withdrawal(kind, event.key, about, until, numbers=numbers)


def _promise_answered(
    event: update_events.PromiseAnswered | update_events.PromiseMoved, at: datetime
) -> Withdrawal:
    about = f"{event.reward_id}-{event.batch}-{event.step}-"
    return _asked(event, CauseKind.PROMISE_DUE, about, at, numbers=2)


def _evidence(
    event: update_events.MilestoneSubmitted | payouts.MilestoneRejected,
    revision: int,
    at: datetime,
) -> Withdrawal:
    """Return that this revision of the evidence waits for no decision any more."""
    about = f"{event.stage}-{revision}-"
    return _asked(event, CauseKind.MILESTONE_SUBMITTED, about, at, numbers=1)


def _written(event: update_events.UpdatePublished) -> list[Withdrawal]:
    """Read what the creator was asked to write and has written."""
    at, gone = event.published_at, list[Withdrawal]()
    if event.author_id != NOBODY:
        # Its next word ends a silence, with all that follows from one (`domain.md` 6).
        gone.append(_asked(event, CauseKind.SILENCE_STEP_REACHED, "", at))
    if event.kind == "recovery_plan" and event.answers is not None:
        kind = CauseKind.RECOVERY_PLAN_REMINDER_DUE
        gone.append(_asked(event, kind, f"{event.answers}-", at, numbers=1))
    if event.kind in ("failure_letter", "thank_you"):
        gone.append(_asked(event, CauseKind.LETTER_ASKED, f"{event.kind}-", at))
    if event.kind == "delivery_notice":
        kind = CauseKind.DELIVERY_NOTICE_ASKED
        gone += [_asked(event, kind, f"{one}-", at, numbers=1) for one in event.rewards or ()]
    return gone


def hidings_from(facts: Sequence[Decoded]) -> dict[str, bool]:
    """Read which updates are hidden, and which are no more; of one update the last word holds."""
    hidings = {}
    for fact in facts:
        match fact.event:
            case update_events.UpdateHidden() | update_events.UpdateRestored() as event:
                name = subject_within(event.campaign_id, event.update_id)
                hidings[name] = isinstance(event, update_events.UpdateHidden)
    return hidings


def edits_from(facts: Sequence[Decoded]) -> dict[str, EditedWords]:
    """Read what changed updates say now, whether anybody is told of it; the last word holds."""
    events = [fact.event for fact in facts]
    return {
        subject_within(event.campaign_id, event.update_id): EditedWords(
            revision=event.revision,
            texts=_texts(event),
            url=event.url,
        )
        for event in events
        if isinstance(event, update_events.UpdateCorrected)
    }


def receipt_questions_from(facts: Sequence[Decoded]) -> dict[ReceiptQuestion, datetime | None]:
    """Read since when questions whether a reward came are over, None for no more.

    The last word holds. Nobody is named who is not asked before or behind a move.
    """
    questions = dict[ReceiptQuestion, datetime | None]()
    for fact in facts:
        event = fact.event
        if isinstance(event, update_events.DeliveryChanged):
            for one in event.changes:
                over = is_over(one.old, one.new)
                if over is not None:
                    place = event.campaign_id, event.reward_id, one.backer_id
                    questions[ReceiptQuestion(*place)] = event.changed_at if over else None
    return questions


def _seconds(instant: datetime) -> str:
    """What waits to be claimed once more is told once more: since when it does, names it."""
    return str(int(instant.timestamp()))
