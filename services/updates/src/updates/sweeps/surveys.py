"""Surveys that time moves on: reminders of the silent, page by page, ends, counts."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from servicekit.sweeps import Turns
from servicekit.units import UnitsOfWork
from updates.domain.survey import Survey, SurveyState
from updates.domain.survey_terms import USUAL_SURVEY_TERMS, SurveyTerms
from updates.handlers.surveys import step_survey
from updates.metrics import SURVEYS
from updates.ports.surveys import SurveyQueries
from updates.ports.unit import UpdatesUnit

PAGE = 50


@dataclass(frozen=True, slots=True)
class StepSurveys:
    """Moves each survey that is due one step; a long list takes several."""

    units: UnitsOfWork[UpdatesUnit]
    surveys: SurveyQueries
    terms: SurveyTerms = USUAL_SURVEY_TERMS
    turns: Turns[Survey] = field(default_factory=partial(Turns, PAGE))

    async def __call__(self, now: datetime) -> int:
        """Return how many were due; one that another instance moves is looked at again."""
        due = partial(self.surveys.surveys_due, now)
        return await self.turns.take(due, partial(self._step, now=now))

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        first = await self.surveys.surveys_due(None, 1)
        return first[0].next_due if first else None

    async def _step(self, due: Survey, now: datetime) -> int:
        await self.units.run(partial(step_survey, due=due, now=now, terms=self.terms))
        return 1


@dataclass(frozen=True, slots=True)
class MeasureSurveys:
    """Says how many surveys are in which state."""

    surveys: SurveyQueries

    async def __call__(self, now: datetime) -> int:
        """Count them; 0, so that it rests between."""
        counts = await self.surveys.surveys_by_state()
        for state in SurveyState:
            SURVEYS.labels(state.value).set(counts.get(state, 0))
        return 0
