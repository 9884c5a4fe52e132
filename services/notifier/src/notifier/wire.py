"""The only place that knows both a contract's event and this service's words for it."""

import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime
from json.encoder import encode_basestring

from notifier.domain.cause import (
    Cause,
    CauseKind,
    Origin,
    Told,
    Totals,
    Withdrawal,
    subject_within,
)
from notifier.domain.chunk import Chunk
from notifier.domain.notification import NotificationIds
from notifier.handlers.hear import CampaignWide, ForOne
from notifier.ports import Departure, Membership
from servicekit.publish import key_hash
from servicekit.traces import current_traceparent
from sosst_contracts import funding, notifier, payouts
from sosst_contracts import updates as update_events
from sosst_contracts.codec import Decoded, Draft, Record, decode
from sosst_contracts.envelope import hashed_id
from sosst_contracts.event import Event

CAMPAIGNS_TOPIC = funding.VerdictReached.topic
PLEDGES_TOPIC = funding.PledgeCollected.topic
REFUNDS_TOPIC = payouts.RefundSucceeded.topic
POSTS_TOPIC = update_events.UpdatePublished.topic
NOTIFICATIONS_TOPIC = notifier.BackerNotified.topic


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
    )


def creators_from(facts: Sequence[Decoded]) -> dict[str, str]:
    """Read who owns which campaign; verdicts say it too, for campaigns launched long ago."""
    events = [fact.event for fact in facts]
    named = [e for e in events if isinstance(e, funding.CampaignLaunched | funding.VerdictReached)]
    # The first word holds, as in the store.
    return {event.campaign_id: event.creator_id for event in reversed(named)}


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
                _origin(fact),
            )
            return CampaignWide(told, event.pledges_sequence, None)
        case funding.CampaignCancelled() as event:
            told = Told(
                CauseKind.CAMPAIGN_CANCELLED,
                event.campaign_id,
                event.campaign_id,
                event.cancelled_at,
                {"title": event.title, "reason": event.reason},
                _origin(fact),
            )
            return CampaignWide(told, event.pledges_sequence, None)
        case update_events.UpdatePublished() as event:
            texts = [text.model_dump(exclude_none=True) for text in event.texts]
            told = Told(
                CauseKind.UPDATE_PUBLISHED,
                subject_within(event.campaign_id, event.update_id),
                event.campaign_id,
                event.published_at,
                {"texts": texts, "url": event.url},
                _origin(fact),
            )
            return CampaignWide(told, event.pledges_sequence, event.audience_count)
    return None


def for_one_from(fact: Decoded) -> ForOne | None:
    """Read a cause that concerns one person, None for any other fact."""
    event = fact.event
    content: dict[str, object]
    match event:
        case payouts.RefundSucceeded():
            kind, subject, at = CauseKind.REFUND_SUCCEEDED, event.refund_id, event.succeeded_at
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
            return None
    content |= {"amount": event.amount, "currency": event.currency}
    told = Told(kind, subject, event.campaign_id, at, content, _origin(fact))
    return ForOne(told, event.backer_id)


def withdrawals_from(fact: Decoded) -> list[Withdrawal]:
    """Read which reminders have lost their reason by this fact."""
    event = fact.event
    match event:
        case payouts.RefundSucceeded():
            until = event.succeeded_at
        case payouts.RefundPaidOtherwise():
            until = event.paid_at
        case payouts.RefundBlocked():
            until = event.blocked_at
        case payouts.RefundRefused():
            until = event.refused_at
        case funding.PledgeCollected() | funding.PledgeDropped():
            at = fact.envelope.time
            return [Withdrawal(CauseKind.PLEDGE_REMINDER_DUE, event.pledge_id, at)]
        case _:
            return []
    kinds = (CauseKind.REFUND_CLAIMABLE, CauseKind.CLAIMABLE_REMINDER_DUE)
    return [Withdrawal(kind, event.refund_id, until) for kind in kinds]


def _seconds(instant: datetime) -> str:
    """What waits to be claimed once more is told once more: since when it does, names it."""
    return str(int(instant.timestamp()))


def _origin(fact: Decoded) -> Origin:
    envelope = fact.envelope
    # A fact without a story is the first of its own.
    return Origin(envelope.id, envelope.correlation_id or envelope.id, envelope.traceparent)


def _draft(event: Event, occurred_at: datetime, told: Told, identity: str | None = None) -> Draft:
    """Return the draft of an event that is there because of what is told."""
    origin = told.origin
    return Draft(
        event,
        occurred_at,
        identity,
        correlation_id=origin.correlation_id if origin else None,
        causation_id=origin.fact_id if origin else None,
        traceparent=current_traceparent() or (origin.traceparent if origin else None),
    )


def records_of(chunk: Chunk) -> Iterator[Record]:
    """Render one event per recipient by splicing ids into a template that pydantic made once.

    The first rendered one is decoded and compared, so that a template that breaks is never sent:
    `ValueError`.
    """
    template, ids = _Template(chunk.told), NotificationIds(chunk.told.cause, chunk.told.caused_at)
    for position, recipient_id in enumerate(chunk.recipients):
        told_id = ids.of(recipient_id)
        record = template.record(recipient_id, told_id)
        if position == 0:
            _must_read_back(record, _event(chunk.told, recipient_id, told_id))
        yield record


def _must_read_back(record: Record, event: notifier.BackerNotified) -> None:
    decoded = decode(record)
    if not isinstance(decoded, Decoded) or decoded.event != event:
        raise ValueError(f"a rendered notification of {event.cause} cannot be read back")


def _event(told: Told, recipient_id: str, told_id: str) -> notifier.BackerNotified:
    return notifier.BackerNotified(
        notification_id=told_id,
        cause=told.cause,
        campaign_id=told.campaign_id,
        recipient_id=recipient_id,
        kind=told.kind.value,
        role="backer",
        notified_at=told.caused_at,
    )


class _Template:
    """One cause's event, cut at the holes for the notification id and the recipient."""

    def __init__(self, told: Told) -> None:
        # Drawn anew for each template: no id that somebody chose can contain it.
        recipient, told_id = secrets.token_hex(16), secrets.token_hex(16)
        record = _draft(_event(told, recipient, told_id), told.caused_at, told, told_id).seal()
        assert record.value is not None
        self._before, _, rest = record.value.partition(told_id.encode())
        self._between, _, self._after = rest.partition(recipient.encode())
        changing = ("ce_id", "ce_subject")
        self._headers = tuple(h for h in record.headers if h[0] not in changing)

    def record(self, recipient_id: str, told_id: str) -> Record:
        """Return the event for this person; equal on every retry."""
        key = recipient_id.encode()
        value = b"".join(
            (self._before, told_id.encode(), self._between, _json_text(recipient_id), self._after)
        )
        ids = (
            ("ce_id", hashed_id(NOTIFICATIONS_TOPIC, told_id).encode()),
            ("ce_subject", key),
        )
        return Record(NOTIFICATIONS_TOPIC, key, value, ids + self._headers)


def _json_text(text: str) -> bytes:
    """Return the text as it stands between the quotes of a JSON string."""
    return encode_basestring(text)[1:-1].encode()


def planned(cause: Cause) -> Draft:
    """Turn a planned cause into the event that says it."""
    assert cause.planned_at is not None
    event = notifier.NoticePlanned(
        campaign_id=cause.told.campaign_id,
        cause=cause.name,
        kind=cause.told.kind.value,
        pledges_sequence=cause.pledges_sequence,
        audience=cause.audience,
        planned_at=cause.planned_at,
    )
    return _draft(event, cause.planned_at, cause.told)


def completed(cause: Cause, totals: Totals) -> Draft:
    """Turn a completed cause into the event that says it."""
    assert cause.completed_at is not None
    event = notifier.NoticeCompleted(
        campaign_id=cause.told.campaign_id,
        cause=cause.name,
        kind=cause.told.kind.value,
        pledges_sequence=cause.pledges_sequence,
        audience=cause.audience,
        supplements=totals.supplements,
        delivered=totals.delivered,
        suppressed=totals.suppressed,
        failed=totals.failed,
        completed_at=cause.completed_at,
    )
    return _draft(event, cause.completed_at, cause.told)
