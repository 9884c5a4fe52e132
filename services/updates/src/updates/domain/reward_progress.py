"""How far a reward has come to a backer: by its tracking, or by what the plan says of them all.

Who sends rewards need not track each of them; the creator's answers to the plan's days do then.
"""

from datetime import datetime

from updates.domain.delivery_plan import DeliveryPlan, Line, PromiseState
from updates.domain.tracking import Tracking, TrackingState

_COME = frozenset({TrackingState.DELIVERED, TrackingState.RECEIVED})


def is_being_prepared(plan: DeliveryPlan | None, reward_id: str, tracking: Tracking | None) -> bool:
    """Whether it is made for this backer, or further; or the first step of some batch is done."""
    if tracking is not None and tracking.state is not TrackingState.NOT_STARTED:
        return True
    return any(_is_done(line, 0) for line in _lines(plan, reward_id))


def came_at(
    plan: DeliveryPlan | None, reward_id: str, tracking: Tracking | None, now: datetime
) -> datetime | None:
    """Return when it came to this backer, None while it has not.

    Where nobody tracks it: now, once the last step of every batch is done.
    """
    if tracking is not None:
        return tracking.changed_at if tracking.state in _COME else None
    lines = _lines(plan, reward_id)
    return now if lines and all(_is_done(line, -1) for line in lines) else None


def _lines(plan: DeliveryPlan | None, reward_id: str) -> list[Line]:
    return [line for line in plan.lines if line.reward_id == reward_id] if plan else []


def _is_done(line: Line, place: int) -> bool:
    return line.promises[place].state is PromiseState.DONE
