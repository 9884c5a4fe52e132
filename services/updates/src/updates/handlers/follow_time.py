"""The clock moves what a campaign owes in words: reminders, terms that end, steps of silence."""

from datetime import datetime

from updates.domain.follow_up import FollowUpTerms, take_time
from updates.handlers.follow_up import load_follow_up
from updates.handlers.publish import PledgesPosition, audience_of
from updates.ports.unit import UpdatesUnit


async def follow(
    unit: UpdatesUnit,
    pledges: PledgesPosition,
    terms: FollowUpTerms,
    campaign_id: str,
    now: datetime,
) -> bool:
    """Take the steps of a campaign that are due; return whether any were looked at.

    The view hears of a campaign by a reader of its own: where it has not yet, the steps wait.
    """
    before = await load_follow_up(unit, campaign_id)
    if before.next_due is None or before.next_due > now:
        return False
    project = (await unit.projects.load([campaign_id])).get(campaign_id)
    if project is None:
        return False
    audience = await audience_of(unit, pledges, project)
    moved, facts = take_time(before, audience, terms, now)
    await unit.follow_ups.save([moved])
    await unit.facts.add(facts)
    return True
