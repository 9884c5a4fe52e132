"""Questionnaires that time moves on: backers are asked and noticed, what is over is erased."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from servicekit.sweeps import Turns
from servicekit.units import UnitsOfWork
from updates.domain.questionnaire import Questionnaire, QuestionnaireTerms
from updates.domain.reward_reply import RewardReply
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
    turns: Turns[Questionnaire] = field(default_factory=partial(Turns, PAGE))

    async def __call__(self, now: datetime) -> int:
        """Return how many were due; one that another instance moves is looked at again."""
        due = partial(self.queries.due_questionnaires, now)
        return await self.turns.take(due, partial(self._step, now=now))

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        first = await self.queries.due_questionnaires(None, 1)
        return first[0].next_due if first else None

    async def _step(self, due: Questionnaire, now: datetime) -> int:
        await self.units.run(partial(step_questionnaire, terms=self.terms, due=due, now=now))
        return 1


@dataclass(frozen=True, slots=True)
class EraseReplies:
    """Erases replies whose reward came long ago, or will never be sent."""

    units: UnitsOfWork[UpdatesUnit]
    queries: QuestionnaireQueries
    turns: Turns[RewardReply] = field(default_factory=partial(Turns, PAGE))

    async def __call__(self, now: datetime) -> int:
        """Return how many were due."""
        due = partial(self.queries.due_erasures, now)
        return await self.turns.take(due, partial(self._erase, now=now))

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        first = await self.queries.due_erasures(None, 1)
        return first[0].next_due if first else None

    async def _erase(self, due: RewardReply, now: datetime) -> int:
        await self.units.run(partial(erase_reply, due=due, now=now))
        REPLIES_ERASED.inc()
        return 1
