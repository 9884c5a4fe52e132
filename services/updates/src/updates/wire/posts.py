"""What creators publish as events, and read back from them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from servicekit.own_topics import Unexplained
from sosst_contracts import updates as events
from sosst_contracts.codec import Decoded, Draft, decode
from sosst_contracts.event import Event
from updates.domain.correction import UpdateCorrected
from updates.domain.hiding import HidingReason
from updates.domain.kinds import (
    DelayNotice,
    DeliveryNotice,
    Emergency,
    FailureLetter,
    News,
    Occurrence,
    Parts,
    PlanAdjustment,
    ProgressReport,
    RecoveryPlan,
    ThankYou,
)
from updates.domain.schedule_change import ScheduleChange
from updates.domain.update import Audience, UpdatePublished, UpdateText, Visibility
from updates.handlers.recover import Corrected, Hid, Published, Told
from updates.wire.markdown import beginning, plain

EXCERPT_CHARACTERS_MAX = 500


Quote = Callable[[UpdateText, Visibility], str | None]


def excerpt(text: UpdateText, visibility: Visibility) -> str | None:
    """Return how the details begin, in plain words; only of what everybody may read."""
    if visibility is not Visibility.PUBLIC:
        return None
    return beginning(plain(text.details), EXCERPT_CHARACTERS_MAX) or None


def _excerpt_once(text: UpdateText, visibility: Visibility) -> str | None:
    """Return what excerpts were in facts that are on the topic for ever: Markdown, cut anywhere."""
    return text.details[:EXCERPT_CHARACTERS_MAX] if visibility is Visibility.PUBLIC else None


def published(fact: UpdatePublished, quote: Quote = excerpt) -> Draft:
    """Turn a published update into the event that says it, ready for the outbox."""
    update = fact.update
    assert update.audience is not None and update.published_at is not None
    content = update.content
    event = events.UpdatePublished(
        campaign_id=update.campaign_id,
        update_id=update.update_id,
        author_id=content.author_id,
        kind=content.kind.value,
        visibility=content.visibility.value,
        texts=[_text(text, content.visibility, quote) for text in content.texts],
        url=update.url,
        pledges_sequence=update.audience.pledges_sequence,
        audience_count=update.audience.count,
        campaign_sequence=update.audience.campaign_sequence,
        published_at=update.published_at,
        resolves=list(content.resolves) or None,
        visible_to_rewards=list(content.rewards) or None,
        **_parts(content.parts, update.published_at),
    )
    return Draft(event=event, occurred_at=update.published_at)


def _parts(parts: Parts, at: datetime) -> dict[str, Any]:
    """Return what an update says beside its texts, as far as everybody may know it."""
    match parts:
        case ThankYou(occasion, subject):
            return {"occasion": occasion.value, "occasion_subject": subject}
        case Emergency(severity):
            return {"severity": severity.value, "declared_promptly": parts.declared_promptly(at)}
        case DelayNotice(schedule):
            return {"dates": _dates(schedule)}
        case RecoveryPlan(answers, schedule):
            return {"answers": answers, "dates": _dates(schedule)}
        case DeliveryNotice(estimated_on, mode, rewards):
            day = estimated_on.isoformat()
            return {"estimated_on": day, "mode": mode.value, "rewards": list(rewards)}
        case FailureLetter(reasons):
            return {"reasons": [reason.value for reason in reasons]}
        case PlanAdjustment(survey_id):
            return {"survey_id": survey_id}
        case News(event=Occurrence(starts_at=starts_at)):
            return {"event_starts_at": starts_at}
        case ProgressReport() | News():
            return {}


def _dates(schedule: ScheduleChange) -> str:
    return "unchanged" if schedule.unchanged else "moved"


def _text(text: UpdateText, visibility: Visibility, quote: Quote = excerpt) -> events.UpdateText:
    return events.UpdateText(
        language=text.language, title=text.title, excerpt=quote(text, visibility)
    )


def corrected(fact: UpdateCorrected) -> Draft:
    """Turn a changed update into the event that says it."""
    update, revision, content = fact.update, fact.revision, fact.update.content
    event = events.UpdateCorrected(
        campaign_id=update.campaign_id,
        update_id=update.update_id,
        revision=update.revision,
        kind=content.kind.value,
        visibility=content.visibility.value,
        visible_to_rewards=list(content.rewards) or None,
        texts=[_text(text, content.visibility) for text in content.texts],
        url=update.url,
        correction=revision.correction,
        tells=fact.tells,
        changes=[change.value for change in revision.changes],
        reason=revision.reason if content.visibility is Visibility.PUBLIC else None,
        corrected_by=revision.replaced_by,
        pledges_sequence=fact.audience.pledges_sequence,
        audience_count=fact.audience.count,
        campaign_sequence=fact.audience.campaign_sequence,
        corrected_at=revision.replaced_at,
    )
    return Draft(event=event, occurred_at=revision.replaced_at)


def publications_from(unexplained: Sequence[Unexplained]) -> list[Told]:
    """Read our own facts back into what became of updates, in order; `draft` the other way."""
    found = [decode(one.record) for one in unexplained]
    told = [_told(one.event) for one in found if isinstance(one, Decoded)]
    return [one for one in told if one is not None]


def _told(event: Event) -> Told | None:
    match event:
        case events.UpdatePublished():
            return _published(event)
        case events.UpdateCorrected():
            return Corrected(
                campaign_id=event.campaign_id,
                update_id=event.update_id,
                revision=event.revision,
                correction=event.correction,
                at=event.corrected_at,
            )
        case events.UpdateHidden():
            reasons = {reason.value: reason for reason in HidingReason}
            return Hid(
                campaign_id=event.campaign_id,
                update_id=event.update_id,
                reason=reasons.get(event.reason, HidingReason.OTHER),
                by=event.hidden_by,
                at=event.hidden_at,
            )
        case events.UpdateRestored():
            return Hid(
                campaign_id=event.campaign_id,
                update_id=event.update_id,
                reason=None,
                by=event.restored_by,
                at=event.restored_at,
            )
    return None


def _published(event: events.UpdatePublished) -> Published:
    return Published(
        campaign_id=event.campaign_id,
        update_id=event.update_id,
        audience=Audience(event.pledges_sequence, event.audience_count, event.campaign_sequence),
        at=event.published_at,
        says=lambda update: any(
            published(UpdatePublished(update), quote).event == event
            for quote in (excerpt, _excerpt_once)
        ),
    )
