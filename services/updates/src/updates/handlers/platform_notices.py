"""A reward that is sent without a delivery notice gets the platform's own."""

from datetime import datetime

from updates.domain.platform_notice import notice_id, platform_notice
from updates.domain.project import Verdict
from updates.domain.reminders import today_in
from updates.domain.reward_tracking import without_notice
from updates.handlers.publish import PledgesPosition, publish_update, write_draft
from updates.ports.unit import UpdatesUnit


async def send_platform_notice(
    unit: UpdatesUnit, pledges: PledgesPosition, campaign_id: str, reward_id: str, now: datetime
) -> bool:
    """Publish it where it is still owed; return whether it was.

    View and plan hear of a campaign by readers of their own: where one has not yet, it waits.
    """
    reward = (await unit.rewards.load(campaign_id, {reward_id})).get(reward_id)
    if reward is None or reward.next_due is None or reward.next_due > now:
        return False
    project = (await unit.projects.load([campaign_id])).get(campaign_id)
    plan = await unit.plans.load(campaign_id)
    if project is None or project.verdict is None or plan is None:
        return False
    if project.verdict is not Verdict.GOAL_MET:
        # Cancelled meanwhile: whoever has something to say of it says it.
        await unit.rewards.save([without_notice(reward)])
        return False
    name = notice_id(reward_id)
    content = platform_notice(plan, reward_id, today_in(plan.zone, now))
    await write_draft(unit, campaign_id, name, content, now)
    await publish_update(unit, pledges, campaign_id, name, now)
    return True
