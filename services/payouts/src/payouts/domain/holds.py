"""Reasons for which a campaign's stages stand still until somebody lets them go on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from payouts.domain.errors import Refused


class HoldKind(StrEnum):
    """Who holds: staff, an emergency of the creator's, or the creator's silence."""

    STAFF = "staff"
    EMERGENCY = "emergency"
    SILENCE = "silence"


# So the holds are named that are heard of; nobody of the staff gives such a name.
_RESERVED = (f"{HoldKind.EMERGENCY.value}:", f"{HoldKind.SILENCE.value}:")


@dataclass(frozen=True, slots=True)
class Hold:
    """One reason; named by whoever placed it, so that the same again is the same one.

    `about` is the update that is the emergency, `answered_by` what lets staff lift that one: its
    recovery plan, or who of the staff of updates has lowered it.
    """

    hold_id: str
    kind: HoldKind
    reason: str
    by: str
    since: datetime
    released_by: str | None = None
    released_at: datetime | None = None
    about: str | None = None
    answered_by: str | None = None

    @property
    def open(self) -> bool:
        return self.released_at is None


def place(holds: Sequence[Hold], hold: Hold) -> tuple[Hold, ...]:
    """Add a hold; the same again changes nothing, another one under its name is refused."""
    if hold.kind is HoldKind.STAFF and hold.hold_id.startswith(_RESERVED):
        raise Refused("hold-reserved", f"{hold.hold_id} is the name of a hold that is heard")
    for known in holds:
        if known.hold_id != hold.hold_id:
            continue
        if (known.reason, known.kind) != (hold.reason, hold.kind) or not known.open:
            raise Refused("hold-known", f"hold {hold.hold_id} is there with another content")
        return tuple(holds)
    return (*holds, hold)


def release(holds: Sequence[Hold], hold_id: str, by: str, now: datetime) -> tuple[Hold, ...]:
    """Let a hold go; the same again changes nothing, an unknown one is refused.

    One by an emergency goes only once it is answered: no money leaves on a promise.
    """
    if all(known.hold_id != hold_id for known in holds):
        raise Refused("hold-unknown", f"there is no hold {hold_id}")
    for known in holds:
        if known.hold_id == hold_id and known.open and waits_for_plan(known):
            raise Refused("no-recovery-plan", f"the emergency {known.about} has no recovery plan")
    return tuple(
        replace(known, released_by=by, released_at=now)
        if known.hold_id == hold_id and known.open
        else known
        for known in holds
    )


def answer(holds: Sequence[Hold], about: str, answered_by: str) -> tuple[Hold, ...]:
    """Note what answers an emergency: from now on staff may lift its hold."""
    return tuple(
        replace(hold, answered_by=answered_by)
        if hold.kind is HoldKind.EMERGENCY and hold.about == about and hold.open
        else hold
        for hold in holds
    )


def waits_for_plan(hold: Hold) -> bool:
    """Whether it is an emergency's, and nothing has answered it."""
    return hold.kind is HoldKind.EMERGENCY and hold.answered_by is None


def open_holds(holds: Sequence[Hold], kind: HoldKind | None = None) -> tuple[Hold, ...]:
    """Return those that still hold; of one kind, or all."""
    return tuple(hold for hold in holds if hold.open and kind in (None, hold.kind))
