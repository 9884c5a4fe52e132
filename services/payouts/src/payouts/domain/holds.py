"""Reasons for which a campaign's stages stand still until somebody lets them go on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from payouts.domain.errors import Refused


class HoldKind(StrEnum):
    """Who may hold: so far staff; emergencies and silence are heard with their topics."""

    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Hold:
    """One reason; named by whoever placed it, so that the same again is the same one."""

    hold_id: str
    kind: HoldKind
    reason: str
    by: str
    since: datetime
    released_by: str | None = None
    released_at: datetime | None = None

    @property
    def open(self) -> bool:
        return self.released_at is None


def place(holds: Sequence[Hold], hold: Hold) -> tuple[Hold, ...]:
    """Add a hold; the same again changes nothing, another one under its name is refused."""
    for known in holds:
        if known.hold_id != hold.hold_id:
            continue
        if (known.reason, known.kind) != (hold.reason, hold.kind) or not known.open:
            raise Refused("hold-known", f"hold {hold.hold_id} is there with another content")
        return tuple(holds)
    return (*holds, hold)


def release(holds: Sequence[Hold], hold_id: str, by: str, now: datetime) -> tuple[Hold, ...]:
    """Let a hold go; the same again changes nothing, an unknown one is refused."""
    if all(known.hold_id != hold_id for known in holds):
        raise Refused("hold-unknown", f"there is no hold {hold_id}")
    return tuple(
        replace(known, released_by=by, released_at=now)
        if known.hold_id == hold_id and known.open
        else known
        for known in holds
    )


def open_holds(holds: Sequence[Hold]) -> tuple[Hold, ...]:
    """Return those that still hold."""
    return tuple(hold for hold in holds if hold.open)
