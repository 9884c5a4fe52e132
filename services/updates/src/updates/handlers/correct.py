"""Changing what is published: one revision, one fact, and what was said before stays."""

from datetime import datetime, timedelta

from updates.domain.correction import (
    EDIT_WINDOW,
    Correcting,
    UpdateCorrected,
    already_corrected,
    correct,
)
from updates.domain.errors import Refused
from updates.domain.update import Update
from updates.handlers.media import check_files_show
from updates.handlers.publish import PledgesPosition, audience_of, known_update, saved
from updates.ports.unit import UpdatesUnit


async def correct_update(
    unit: UpdatesUnit,
    pledges: PledgesPosition,
    campaign_id: str,
    update_id: str,
    asked: Correcting,
    now: datetime,
    window: timedelta = EDIT_WINDOW,
) -> Update:
    """Write the next revision; the same revision again is the same answer.

    A correction may come after the campaign's end: what is wrong is put right.
    """
    update = await known_update(unit, campaign_id, update_id)
    if already_corrected(update, asked):
        return update
    if update.hidden:
        raise Refused("update-hidden", "what is hidden is told to nobody, nor is its correction")
    changed, before = correct(update, asked, now, window)
    # What had no words before may be put right though its image was withdrawn.
    if changed.content.stands_on_files and not update.content.stands_on_files:
        await check_files_show(unit, campaign_id, changed.content.attachments)
    project = (await unit.projects.load([campaign_id])).get(campaign_id)
    if project is None:
        raise Refused("campaign-unknown", "there is no such campaign")
    audience = await audience_of(unit, pledges, project)
    await unit.revisions.add(before)
    await unit.facts.add([UpdateCorrected(changed, before, audience)])
    return await saved(unit, changed)
