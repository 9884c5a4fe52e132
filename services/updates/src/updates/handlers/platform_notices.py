"""A reward that is sent without a delivery notice gets the platform's own."""

from datetime import datetime

from updates.domain.platform_notice import notice_id, platform_notice
from updates.domain.project import Project, Verdict
from updates.domain.reminders import today_in
from updates.domain.reward_tracking import without_notice
from updates.handlers.plans import load_plan
from updates.handlers.publish import PledgesPosition, publish_update, write_draft
from updates.ports.unit import UpdatesUnit


async def send_platform_notice(
    unit: UpdatesUnit, pledges: PledgesPosition, campaign_id: str, reward_id: str, now: datetime
) -> bool:
    """Publish it where it is still owed; return whether it was."""
    reward = (await unit.rewards.load(campaign_id, {reward_id})).get(reward_id)
    if reward is None or reward.next_due is None or reward.next_due > now:
        return False
    project = (await unit.projects.load([campaign_id])).get(campaign_id)
    if not _owes_rewards(project):
        # Cancelled meanwhile: whoever has something to say of it says it.
        await unit.rewards.save([without_notice(reward)])
        return False
    plan, name = await load_plan(unit, campaign_id), notice_id(reward_id)
    content = platform_notice(plan, reward_id, today_in(plan.zone, now))
    await write_draft(unit, campaign_id, name, content, now)
    await publish_update(unit, pledges, campaign_id, name, now)
    return True


def _owes_rewards(project: Project | None) -> bool:
    return project is not None and project.verdict is Verdict.GOAL_MET
