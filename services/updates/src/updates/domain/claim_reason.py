"""Whether a reward's problem may be claimed now, by what is known of its delivery.

What nobody tracks and nobody promised stands in nobody's way, except that nothing can be late
which was promised for no date (`domain.md` 6, Claims).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from updates.domain.errors import Refused


class Reason(StrEnum):
    QUALITY = "quality"
    MISSING = "missing"
    WRONG = "wrong"
    LATE = "late"
    OTHER = "other"


class DeliveryStage(StrEnum):
    """How far a reward is on its way to one backer, as far as a claim asks."""

    UNTRACKED = "untracked"
    NOT_SHIPPED = "not_shipped"
    SHIPPED = "shipped"
    RECEIVED = "received"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is known of one backer's reward; a date that nobody told is None."""

    stage: DeliveryStage = DeliveryStage.UNTRACKED
    received_at: datetime | None = None
    promised_at: datetime | None = None
    batch: str | None = None


def check_reason(reason: Reason, delivery: Delivery, now: datetime, window: timedelta) -> None:
    """Raise `Refused` unless the reason may be claimed; `window` counts from the receipt."""
    match reason:
        case Reason.OTHER:
            return
        case Reason.LATE:
            _check_late(delivery, now)
        case Reason.QUALITY | Reason.MISSING | Reason.WRONG:
            _check_shipped(delivery, now, window)


def _check_late(delivery: Delivery, now: datetime) -> None:
    if delivery.promised_at is None:
        raise Refused("no-promised-date", "no date was promised for this reward")
    if now < delivery.promised_at:
        raise Refused("not-late-yet", f"it is promised for {delivery.promised_at:%Y-%m-%d}")
    if delivery.stage is DeliveryStage.RECEIVED:
        raise Refused("received", "this reward was received")


def _check_shipped(delivery: Delivery, now: datetime, window: timedelta) -> None:
    if delivery.stage is DeliveryStage.NOT_SHIPPED:
        raise Refused("not-shipped", "this reward was not shipped yet")
    if delivery.received_at is not None and now > delivery.received_at + window:
        raise Refused("window-closed", "it was received too long ago")
