"""Scheduling: put off, moved, let go; what is due goes out by the ordinary handler, once."""

from datetime import datetime

from updates.domain.phases import check_may_publish
from updates.domain.scheduling import keep_back, schedule, unschedule
from updates.domain.update import Update, check_edition
from updates.handlers.follow_up import paused
from updates.handlers.publish import (
    USUAL_PUBLISHING_TERMS,
    PledgesPosition,
    PublishingTerms,
    known_update,
    publish_update,
    saved,
)
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
    unit: UpdatesUnit,
    pledges: PledgesPosition,
    campaign_id: str,
    update_id: str,
    now: datetime,
    terms: PublishingTerms = USUAL_PUBLISHING_TERMS,
) -> Update | None:
    """Publish what is due; None where another instance was faster, or it was moved or let go.

    Raises `Refused` where the rules do not let it go out by now; nothing may be kept then.
    """
    update = await known_update(unit, campaign_id, update_id)
    if not _is_due(update, now):
        return None
    if await paused(unit, campaign_id) or await _is_unknown(unit, campaign_id):
        return await saved(unit, keep_back(update, now))
    return await publish_update(unit, pledges, campaign_id, update_id, now, terms=terms)


async def unschedule_refused(
    unit: UpdatesUnit, campaign_id: str, update_id: str, because: str, now: datetime
) -> bool:
    """Make a draft again of what was due and refused, with the reason; whether it still was due."""
    update = await known_update(unit, campaign_id, update_id)
    if not _is_due(update, now):
        return False
    await saved(unit, unschedule(update, because))
    return True


def _is_due(update: Update, now: datetime) -> bool:
    return update.schedule is not None and update.schedule.next_due <= now


async def _is_unknown(unit: UpdatesUnit, campaign_id: str) -> bool:
    """Whether our view has not heard of the launch, or not again: it is a matter of time then."""
    project = (await unit.projects.load([campaign_id])).get(campaign_id)
    return project is None or project.profile is None
