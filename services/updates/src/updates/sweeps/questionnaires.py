"""Questionnaires that time moves on: backers are asked and noticed, what is over is erased."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from servicekit.errors import Conflict
from servicekit.units import UnitsOfWork
from updates.domain.questionnaire import QuestionnaireTerms
from updates.handlers.questionnaires import erase_reply, step_questionnaire
from updates.metrics import REPLIES_ERASED
from updates.ports.questionnaires import QuestionnaireQueries
from updates.ports.unit import UpdatesUnit

PAGE = 100


@dataclass(frozen=True, slots=True)
class AskForReplies:
    """Moves each questionnaire that is due by one page of its backers."""

    units: UnitsOfWork[UpdatesUnit]
    queries: QuestionnaireQueries
    terms: QuestionnaireTerms

    async def __call__(self, now: datetime) -> int:
        """Return how many were due; one that another instance moves is looked at again."""
        due = await self.queries.due_questionnaires(now, PAGE)
        for one in due:
            try:
                await self.units.run(
                    partial(step_questionnaire, terms=self.terms, due=one, now=now)
                )
            except Conflict:
                continue
        return len(due)

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        first = await self.queries.due_questionnaires(None, 1)
        return first[0].next_due if first else None


@dataclass(frozen=True, slots=True)
class EraseReplies:
    """Erases replies whose reward came long ago, or will never be sent."""

    units: UnitsOfWork[UpdatesUnit]
    queries: QuestionnaireQueries

    async def __call__(self, now: datetime) -> int:
        """Return how many were due."""
        due = await self.queries.due_erasures(now, PAGE)
        for one in due:
            try:
                await self.units.run(partial(erase_reply, due=one, now=now))
                REPLIES_ERASED.inc()
            except Conflict:
                continue
        return len(due)

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        first = await self.queries.due_erasures(None, 1)
        return first[0].next_due if first else None
