"""Staff raise a problem to an emergency, or lower one."""

from updates.domain.follow_up import FollowUp, grade_problem
from updates.domain.problem import Grade
from updates.handlers.follow_up import load_follow_up
from updates.handlers.known_project import known_project
from updates.handlers.publish import PledgesPosition, audience_of
from updates.ports.unit import UpdatesUnit


async def grade(
    unit: UpdatesUnit, pledges: PledgesPosition, campaign_id: str, problem_id: str, given: Grade
) -> FollowUp:
    """Raise or lower a problem as staff; the same grade again changes nothing.

    Every backer as of now is told of a delay that became an emergency.
    """
    before = await load_follow_up(unit, campaign_id)
    project = await known_project(unit, campaign_id)
    audience = await audience_of(unit, pledges, project)
    moved, facts = grade_problem(before, problem_id, given, audience)
    if facts:
        await unit.follow_ups.save([moved])
        await unit.facts.add(facts)
    return moved
