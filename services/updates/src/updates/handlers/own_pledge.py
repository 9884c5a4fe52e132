"""What a backer sees of a campaign without signing in: their pledge, what became of it, questions.

Everything is asked by person and campaign, so that nothing of anybody else can be named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from updates.domain.errors import Refused
from updates.domain.pledge import Pledge
from updates.domain.project import Verdict
from updates.domain.survey import Survey, is_over
from updates.domain.tracking import Tracking
from updates.handlers.tracking import trackings_of_backer
from updates.ports.unit import UpdatesUnit


@dataclass(frozen=True, slots=True)
class AskedSurvey:
    """A survey that takes the person's answer now, and whether they have given one."""

    survey: Survey
    answered: bool


@dataclass(frozen=True, slots=True)
class OwnPledge:
    """A backer's pledges in one campaign, the rewards they are owed, and what they are asked."""

    title: str
    verdict: Verdict | None
    pledges: Sequence[Pledge]
    rewards: Sequence[Tracking]
    surveys: Sequence[AskedSurvey]
    reward_titles: Mapping[str, str]


async def own_pledge(
    unit: UpdatesUnit,
    campaign_id: str,
    person_id: str,
    surveys: Sequence[Survey],
    now: datetime,
) -> OwnPledge:
    """Return what the person sees, of the campaign's `surveys` too; `Refused` for a stranger."""
    project = (await unit.projects.load([campaign_id])).get(campaign_id)
    pledges = await unit.pledges.of_backer(campaign_id, person_id)
    if project is None or project.profile is None or not pledges:
        raise Refused("pledge-unknown", "you have no pledge in this campaign")
    rewards = await trackings_of_backer(unit, campaign_id, person_id)
    asked = await _asked(unit, person_id, surveys, now)
    plan = await unit.plans.load(campaign_id)
    titles = plan.rewards if plan is not None else {}
    return OwnPledge(project.profile.title, project.verdict, pledges, rewards, asked, titles)


async def _asked(
    unit: UpdatesUnit, person_id: str, surveys: Sequence[Survey], now: datetime
) -> list[AskedSurvey]:
    """Return those that were opened to the person and are not over."""
    found = []
    for one in surveys:
        joined = await unit.asked.joined(one.campaign_id, person_id)
        until = one.audience.pledges_sequence if one.audience else -1
        if joined is not None and joined <= until and not is_over(one, now):
            place = (one.campaign_id, one.survey_id)
            answered = await unit.answers.has_answered(place, person_id)
            found.append(AskedSurvey(one, answered))
    return found
