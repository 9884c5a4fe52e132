"""Staff have a stage tried again whose tries are used up."""

from datetime import datetime

from payouts.domain.stage import Stage, StageDecision
from payouts.domain.stage_sending import try_again
from payouts.handlers.stages import load_open_view, save_decision
from payouts.handlers.wake import wake
from payouts.ports.unit import PayoutsUnit


async def try_stage_again(
    unit: PayoutsUnit, campaign_id: str, number: int, after_attempt: int, by: str, now: datetime
) -> Stage:
    """Let it go on, after the last attempt that the person saw. Raises `Refused`."""
    view = await load_open_view(unit, campaign_id, number, now)
    tried = try_again(view.stage, after_attempt, by, now)
    await save_decision(unit, view, StageDecision(tried))
    await wake(unit, [], [tried], now)
    return tried
