"""Rewards on their way as events; no number of a parcel, no name and no code is in any of them."""

from collections.abc import Sequence

from servicekit.own_topics import Unexplained
from sosst_contracts import updates as events
from sosst_contracts.codec import Decoded, Draft, decode
from sosst_contracts.event import Event
from updates.domain.tracking import TrackingState
from updates.domain.tracking_facts import (
    DeliveryChanged,
    DeliveryNoticeAsked,
    ReceiptAsked,
    TrackingFact,
)


def delivery_draft(fact: TrackingFact) -> Draft:
    """Turn a fact of rewards on their way into the event that says it."""
    return Draft(event=_event(fact), occurred_at=fact.at)


def _event(fact: TrackingFact) -> Event:
    match fact:
        case DeliveryChanged():
            new = fact.state.value
            return events.DeliveryChanged(
                campaign_id=fact.campaign_id,
                change_id=fact.change_id,
                reward_id=fact.reward_id,
                state=new,
                changes=[
                    events.ChangedDelivery(backer_id=backer, old=old.value, new=new)
                    for backer, old in fact.before
                ],
                changed_by=fact.by,
                changed_at=fact.at,
            )
        case ReceiptAsked():
            return events.ReceiptAsked(
                campaign_id=fact.campaign_id,
                question_id=fact.question_id,
                reward_id=fact.reward_id,
                backers=list(fact.backers),
                asked_at=fact.at,
            )
        case DeliveryNoticeAsked():
            return events.DeliveryNoticeAsked(
                campaign_id=fact.campaign_id,
                reward_id=fact.reward_id,
                asked_at=fact.at,
                platform_sends_at=fact.platform_sends_at,
            )


def deliveries_told_from(unexplained: Sequence[Unexplained]) -> list[TrackingFact]:
    """Read our own facts back, in the order of each campaign; `delivery_draft` the other way."""
    in_order = sorted(unexplained, key=lambda one: one.sequence)
    found = [decode(one.record) for one in in_order]
    told = [_told(one.event) for one in found if isinstance(one, Decoded)]
    return [one for one in told if one is not None]


def _told(event: Event) -> TrackingFact | None:
    match event:
        case events.DeliveryChanged():
            before = tuple((one.backer_id, TrackingState(one.old)) for one in event.changes)
            return DeliveryChanged(
                event.campaign_id,
                event.reward_id,
                TrackingState(event.state),
                before,
                event.changed_by,
                event.changed_at,
            )
        case events.ReceiptAsked():
            who = tuple(event.backers)
            return ReceiptAsked(event.campaign_id, event.reward_id, who, event.asked_at)
        case events.DeliveryNoticeAsked():
            return DeliveryNoticeAsked(
                event.campaign_id, event.reward_id, event.asked_at, event.platform_sends_at
            )
    return None
