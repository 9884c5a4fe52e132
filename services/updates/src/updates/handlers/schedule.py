"""Scheduling: put off, moved, let go; what is due goes out by the ordinary handler, once."""

from datetime import datetime

from updates.domain.errors import Refused
from updates.domain.phases import check_may_publish
from updates.domain.scheduling import keep_back, schedule, unschedule
from updates.domain.update import Update, UpdateState, check_edition
from updates.handlers.follow_up import paused
from updates.handlers.publish import PledgesPosition, known_update, publish_update, saved
from updates.ports.unit import UpdatesUnit


async def schedule_update(
    unit: UpdatesUnit,
    campaign_id: str,
    update_id: str,
    publish_at: datetime,
    edition: int | None,
    now: datetime,
) -> Update:
    """Let a draft of a running campaign wait for its time."""
    update = await known_update(unit, campaign_id, update_id)
    planned = schedule(update, publish_at, now)
    if planned == update:
        return update
    check_edition(update, edition)
    check_may_publish(
        (await unit.projects.load([campaign_id])).get(campaign_id), update.content.kind
    )
    return await saved(unit, planned)


async def unschedule_update(unit: UpdatesUnit, campaign_id: str, update_id: str) -> Update:
    """Make a scheduled update a draft again; a draft already is the same."""
    update = await known_update(unit, campaign_id, update_id)
    let_go = unschedule(update)
    return update if let_go == update else await saved(unit, let_go)


async def publish_scheduled(
    unit: UpdatesUnit, pledges: PledgesPosition, campaign_id: str, update_id: str, now: datetime
) -> Update | None:
    """Publish what is due; None where another instance was faster, or it was moved or let go.

    What the rules refuse by now is a draft again, with the reason.
    """
    update = await known_update(unit, campaign_id, update_id)
    if update.schedule is None or update.schedule.next_due > now:
        return None
    if await paused(unit, campaign_id):
        return await saved(unit, keep_back(update, now))
    try:
        return await publish_update(unit, pledges, campaign_id, update_id, now)
    except Refused as refusal:
        assert update.state is UpdateState.SCHEDULED
        return await saved(unit, unschedule(update, refusal.reason))
