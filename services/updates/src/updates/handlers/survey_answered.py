"""A plan is adjusted to what backers said: there is a survey in which they said it (S18)."""

from updates.domain.errors import Refused
from updates.domain.kinds import PlanAdjustment
from updates.domain.survey import SurveyState
from updates.domain.update import Update
from updates.ports.unit import UpdatesUnit


async def check_survey(unit: UpdatesUnit, update: Update) -> None:
    """Raise `Refused` where a plan adjustment answers no survey that was opened in its campaign."""
    parts = update.content.parts
    if not isinstance(parts, PlanAdjustment):
        return
    survey = await unit.surveys.load(update.campaign_id, parts.survey_id)
    if survey is None or survey.state is SurveyState.DRAFT:
        raise Refused("survey-unasked", f"nobody was asked survey {parts.survey_id}")
