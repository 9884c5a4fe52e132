"""Publishing at a time: a draft waits, may be moved or let go, and goes out once."""

from dataclasses import replace
from datetime import datetime, timedelta

from updates.domain.errors import Refused
from updates.domain.kinds import UpdateKind
from updates.domain.update import Schedule, Update, UpdateState, move

# A plan beyond this is a typing error.
AHEAD_MAX = timedelta(days=366)
# While something keeps it back it is looked at so often.
LOOK_AGAIN = timedelta(seconds=60)


def schedule(update: Update, publish_at: datetime, now: datetime) -> Update:
    """Let the draft wait for its time, or move the time; the same again is the same."""
    if update.schedule is not None and update.schedule.publish_at == publish_at:
        return update
    if update.state is UpdateState.PUBLISHED:
        raise Refused("already-published", "it is published already")
    if update.content.kind is UpdateKind.EMERGENCY:
        raise Refused("emergency-at-once", "an emergency is said at once, never at a time")
    if not now < publish_at <= now + AHEAD_MAX:
        days = AHEAD_MAX.days
        raise Refused("invalid-time", f"the time must be ahead, and at most {days} days")
    if update.state is not UpdateState.SCHEDULED:
        update = move(update, UpdateState.SCHEDULED)
    return replace(update, schedule=Schedule(publish_at, publish_at))


def unschedule(update: Update, because: str | None = None) -> Update:
    """Make it a draft again; `because` is the rule that did not let it go out."""
    if update.state is UpdateState.DRAFT:
        return update
    if update.state is UpdateState.PUBLISHED:
        raise Refused("already-published", "it is published already")
    return replace(move(update, UpdateState.DRAFT), unscheduled_because=because)


def keep_back(update: Update, now: datetime) -> Update:
    """Leave it scheduled, to be looked at again soon."""
    assert update.schedule is not None
    return replace(update, schedule=replace(update.schedule, next_due=now + LOOK_AGAIN))
