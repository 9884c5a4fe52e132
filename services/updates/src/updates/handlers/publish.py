"""Drafting and publishing: double click, retry and two tabs are one update."""

from dataclasses import dataclass
from datetime import datetime

from updates.domain.errors import Refused
from updates.domain.project import Project, check_may_publish
from updates.domain.update import Audience, Content, Update, UpdateState, draft, publish
from updates.ports import UpdatesUnit


@dataclass(frozen=True, slots=True)
class PledgesPosition:
    """Where this service reads pledges from: the topic and its own group."""

    topic: str
    group: str


async def write_draft(
    unit: UpdatesUnit, campaign_id: str, update_id: str, content: Content, now: datetime
) -> Update:
    """Write or rewrite a draft of a launched campaign."""
    await _project(unit, campaign_id)
    known = await unit.updates.load(campaign_id, update_id)
    update = draft(known, campaign_id, update_id, content, now)
    if update != known:
        await unit.updates.save(update)
    return update


async def publish_update(
    unit: UpdatesUnit,
    pledges: PledgesPosition,
    campaign_id: str,
    update_id: str,
    now: datetime,
) -> Update:
    """Publish the draft, told to every backer as of now; published already is the same answer."""
    update = await unit.updates.load(campaign_id, update_id)
    if update is None:
        raise Refused("update-unknown", "there is no such draft")
    if update.state is UpdateState.PUBLISHED:
        return update
    project = await _project(unit, campaign_id)
    published = publish(update, await audience_of(unit, pledges, project), now)
    await unit.updates.save(published)
    await unit.facts.published(published)
    return published


async def audience_of(unit: UpdatesUnit, pledges: PledgesPosition, project: Project) -> Audience:
    """Return how many would be told now, and the sequence N that the number is as of.

    Both are read in one transaction: the count is moved in the same one as the sequence.
    """
    key = project.campaign_id
    rows = await unit.plumbing.streams.load(pledges.group, pledges.topic, [key])
    return Audience(rows[key].last_sequence, project.backers)


async def _project(unit: UpdatesUnit, campaign_id: str) -> Project:
    return check_may_publish((await unit.projects.load([campaign_id])).get(campaign_id))
