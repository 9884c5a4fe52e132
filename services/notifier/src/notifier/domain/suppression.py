"""Addresses that are written to no more: for days after soft bounces, else for ever.

Kept by the address's digest, so that erasing a person leaves no address behind, and whoever comes
back with it is not written to against their word.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from notifier.domain.bounce import BounceClass

SOFT = timedelta(days=5)
THIRD_SOFT = timedelta(days=180)
COUNTED_WITHIN = timedelta(days=90)
SOFTS = 3


class SuppressionReason(StrEnum):
    SOFT_BOUNCE = "soft-bounce"
    HARD_BOUNCE = "hard-bounce"
    COMPLAINT = "complaint"


# A complaint is the reader's own word and outweighs what servers say.
_WEIGHTS = {
    SuppressionReason.SOFT_BOUNCE: 0,
    SuppressionReason.HARD_BOUNCE: 1,
    SuppressionReason.COMPLAINT: 2,
}


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why an address is not written to, and until when; `until` None is for ever.

    `softs` are the soft bounces of the last ninety days.
    """

    address: str
    reason: SuppressionReason
    until: datetime | None
    softs: tuple[datetime, ...] = ()

    def holds(self, now: datetime) -> bool:
        return self.until is None or now < self.until


def address_digest(address: str) -> str:
    """Return what an address is known by here; its case makes no difference."""
    return hashlib.sha256(address.strip().casefold().encode()).hexdigest()


def after_soft(known: Suppression | None, address: str, now: datetime) -> Suppression:
    """Take a soft bounce: five days, the third within ninety a hundred and eighty."""
    if known is not None and known.until is None:
        return known
    before = known.softs if known is not None else ()
    softs = (*(at for at in before if now - at < COUNTED_WITHIN), now)[-SOFTS:]
    pause = THIRD_SOFT if len(softs) >= SOFTS else SOFT
    until = now + pause
    if known is not None and known.until is not None:
        until = max(until, known.until)
    return Suppression(address, SuppressionReason.SOFT_BOUNCE, until, softs)


def after_bounce(
    known: Suppression | None, address: str, what: BounceClass, now: datetime
) -> Suppression:
    """Take a bounce that says something of the address."""
    if what is BounceClass.HARD:
        return for_ever(known, address, SuppressionReason.HARD_BOUNCE)
    return after_soft(known, address, now)


def for_ever(known: Suppression | None, address: str, reason: SuppressionReason) -> Suppression:
    """Take a hard bounce or a complaint; the heavier word stays."""
    if known is None:
        return Suppression(address, reason, None)
    heavier = max(known.reason, reason, key=_WEIGHTS.__getitem__)
    return replace(known, reason=heavier, until=None)
