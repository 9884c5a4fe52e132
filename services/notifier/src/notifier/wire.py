"""The only place that knows both a contract's event and this service's words for it."""

import json
from collections.abc import Iterator

from notifier.domain.cause import Cause, CauseKind, Told, Totals
from notifier.domain.chunk import Chunk
from notifier.domain.notification import notification_id
from notifier.handlers.hear import CampaignWide, ForOne
from notifier.ports import Membership
from servicekit.publish import key_hash
from sosst_contracts import funding, notifier, payouts
from sosst_contracts import updates as update_events
from sosst_contracts.codec import Decoded, Draft, Record, decode
from sosst_contracts.envelope import hashed_id

CAMPAIGNS_TOPIC = funding.VerdictReached.topic
PLEDGES_TOPIC = funding.PledgeCollected.topic
REFUNDS_TOPIC = payouts.RefundSucceeded.topic
POSTS_TOPIC = update_events.UpdatePublished.topic
NOTIFICATIONS_TOPIC = notifier.BackerNotified.topic

_RECIPIENT = "@@recipient@@"
_NOTIFICATION = "@@notification@@"


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
            )
            return CampaignWide(told, event.pledges_sequence, None)
        case update_events.UpdatePublished() as event:
            texts = [text.model_dump(exclude_none=True) for text in event.texts]
            told = Told(
                CauseKind.UPDATE_PUBLISHED,
                f"{event.campaign_id}:{event.update_id}",
                event.campaign_id,
                event.published_at,
                {"texts": texts, "url": event.url},
            )
            return CampaignWide(told, event.pledges_sequence, event.audience_count)
    return None


def for_one_from(fact: Decoded) -> ForOne | None:
    """Read a cause that concerns one person, None for any other fact."""
    event = fact.event
    if not isinstance(event, payouts.RefundSucceeded):
        return None
    content = {"amount": event.amount, "currency": event.currency, "refund_id": event.refund_id}
    told = Told(
        CauseKind.REFUND_SUCCEEDED,
        event.refund_id,
        event.campaign_id,
        event.succeeded_at,
        content,
    )
    return ForOne(told, event.backer_id)


def records_of(chunk: Chunk) -> Iterator[Record]:
    """Render one event per recipient by splicing ids into a template that pydantic made once.

    The first rendered one is decoded again, so that a template that breaks is never sent.
    """
    template = _Template(chunk.told)
    for position, recipient_id in enumerate(chunk.recipients):
        record = template.record(recipient_id)
        if position == 0 and not isinstance(decode(record), Decoded):
            raise ValueError(f"a rendered notification of {chunk.chunk_id} cannot be read back")
        yield record


class _Template:
    """One cause's event with holes for the recipient and the notification id."""

    def __init__(self, told: Told) -> None:
        self._told = told
        event = notifier.BackerNotified(
            notification_id=_NOTIFICATION,
            cause=told.cause,
            campaign_id=told.campaign_id,
            recipient_id=_RECIPIENT,
            kind=told.kind.value,
            role="backer",
            notified_at=told.caused_at,
        )
        record = Draft(event, told.caused_at, identity=_NOTIFICATION).seal()
        assert record.value is not None
        self._value = record.value
        changing = ("ce_id", "ce_subject")
        self._headers = tuple(h for h in record.headers if h[0] not in changing)

    def record(self, recipient_id: str) -> Record:
        """Return the event for this person; equal on every retry."""
        told_id = notification_id(self._told.cause, self._told.caused_at, recipient_id)
        key = recipient_id.encode()
        value = self._value.replace(_NOTIFICATION.encode(), told_id.encode()).replace(
            _RECIPIENT.encode(), _json_text(recipient_id)
        )
        ids = (
            ("ce_id", hashed_id(NOTIFICATIONS_TOPIC, told_id).encode()),
            ("ce_subject", key),
        )
        return Record(NOTIFICATIONS_TOPIC, key, value, ids + self._headers)


def _json_text(text: str) -> bytes:
    """Return the text as it stands between the quotes of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1].encode()


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
    return Draft(event, cause.planned_at)


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
    return Draft(event, cause.completed_at)
