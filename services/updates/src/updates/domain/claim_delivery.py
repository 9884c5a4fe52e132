"""What a claim knows of its reward's delivery: by the plan, and by where the reward is."""

from dataclasses import replace
from datetime import datetime, time
from zoneinfo import ZoneInfo

from updates.domain.claim_reason import Delivery, DeliveryStage
from updates.domain.delivery_plan import DeliveryPlan
from updates.domain.reward_tracking import RewardTracking
from updates.domain.tracking import Tracking, TrackingState

_STAGES = {
    TrackingState.NOT_STARTED: DeliveryStage.NOT_SHIPPED,
    TrackingState.PREPARING: DeliveryStage.NOT_SHIPPED,
    TrackingState.RECEIVED: DeliveryStage.RECEIVED,
}


def delivery_of(
    plan: DeliveryPlan | None,
    reward_id: str | None,
    reward: RewardTracking | None = None,
    tracking: Tracking | None = None,
) -> Delivery:
    """Return how far the reward is, and when it is promised for, of one backer's.

    A reward is tracked once a notice told of it or its team moved it for somebody. The day counts
    from its beginning in the campaign. Of several batches, where nobody said whose is whose, the
    last one's day counts, as it stands now, and only the one batch of a reward is named.
    """
    if reward_id is None:
        return Delivery()
    state = tracking.state if tracking is not None else TrackingState.NOT_STARTED
    tracked = reward is not None or tracking is not None
    promised = _promised(plan, reward_id, tracking.batch if tracking is not None else None)
    return replace(
        promised,
        stage=_STAGES.get(state, DeliveryStage.SHIPPED) if tracked else DeliveryStage.UNTRACKED,
        received_at=tracking.received_at if tracking is not None else None,
    )


def _promised(plan: DeliveryPlan | None, reward_id: str, batch_of: int | None) -> Delivery:
    lines = [line for line in plan.lines if line.reward_id == reward_id] if plan else []
    lines = [line for line in lines if line.batch == batch_of] or lines
    if plan is None or not lines:
        return Delivery(batch=None if batch_of is None else str(batch_of))
    # Delivery of a product, the end of a service: what was promised last in each.
    day = max(line.promises[-1].day for line in lines)
    promised_at = datetime.combine(day, time(), ZoneInfo(plan.zone))
    batch = str(lines[0].batch) if len(lines) == 1 else None
    return Delivery(promised_at=promised_at, batch=batch)
