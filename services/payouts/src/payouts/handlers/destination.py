"""Where the creator's money goes: given over HTTP, versioned, verified at the provider."""

from datetime import datetime

from payouts.domain.destination import Destination, give
from payouts.handlers.work_kinds import stage_work
from payouts.ports.unit import PayoutsUnit


async def give_destination(
    unit: PayoutsUnit, campaign_id: str, provider: str, account: str, now: datetime
) -> Destination:
    """Keep the destination and wake the stages that wait for it; the same again is the same."""
    current = await unit.destinations.load(campaign_id)
    destination = give(current, campaign_id, provider, account, now)
    if destination != current:
        await unit.destinations.save(destination)
    stages = await unit.stages.load(campaign_id)
    await unit.plumbing.work.hasten([stage_work(stage, now).id for stage in stages], now)
    return destination
