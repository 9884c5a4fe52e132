"""The campaign that a command is about, as the project view knows it."""

from updates.domain.phases import check_launched
from updates.domain.project import Project
from updates.ports.unit import UpdatesUnit


async def known_project(unit: UpdatesUnit, campaign_id: str) -> Project:
    """Return it; `Refused` where the view has not heard of its launch."""
    return check_launched((await unit.projects.load([campaign_id])).get(campaign_id))
