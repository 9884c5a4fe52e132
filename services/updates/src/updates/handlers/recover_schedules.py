"""Schedules after a restored backup: nothing goes out unseen that its creator may have taken back.

No topic tells of a draft that was rewritten, moved, let go or withdrawn. What the backup says is
due would go out as the backup has it, and what was told is not taken back: it is a draft again,
which its page and `recover` say. What is due later is left to its time, and named.
"""

from datetime import datetime
from functools import partial

from servicekit.units import UnitsOfWork
from updates.domain.scheduling import AHEAD_MAX, unschedule
from updates.domain.update import Update, UpdateState
from updates.ports.queries import Queries
from updates.ports.unit import UpdatesUnit

# Shown to its creator as the reason for which it did not go out.
RESTORED = "restored-from-backup"
PAGE = 100


async def schedules_again(
    units: UnitsOfWork[UpdatesUnit], queries: Queries, now: datetime
) -> list[str]:
    """Let go of what should have gone out by now; return a line for each schedule."""
    places: list[tuple[str, str]] = []
    # No plan reaches further.
    while page := await queries.due_updates(now + AHEAD_MAX, PAGE, len(places)):
        places += page
    return [await units.run(partial(_schedule_again, place=one, now=now)) for one in places]


async def _schedule_again(unit: UpdatesUnit, place: tuple[str, str], now: datetime) -> str:
    update = await unit.updates.load(*place)
    assert update is not None and update.schedule is not None
    at = update.schedule.publish_at
    name = f"update {update.update_id} of {update.campaign_id}"
    when = at.isoformat(timespec="seconds")
    if at > now:
        return f"{name}: goes out at {when}, as the backup has it"
    await unit.updates.save(let_go(update))
    return (
        f"{name}: was to go out at {when}, is a draft again; "
        "its creator must look at it, and publish it or not"
    )


def let_go(update: Update) -> Update:
    """Return what is scheduled as a draft that does not go out by itself, with the reason."""
    return unschedule(update, RESTORED) if update.state is UpdateState.SCHEDULED else update
