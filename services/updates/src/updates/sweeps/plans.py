"""Creators are asked about promises whose day is near; how many are past is measured."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from servicekit.sweeps import Turns
from servicekit.units import UnitsOfWork
from updates.domain.plan_terms import USUAL_PLAN_TERMS, PlanTerms
from updates.handlers.plans import ask_about_due
from updates.metrics import PROMISE_MOVES, PROMISES
from updates.ports.plans import PlanQueries
from updates.ports.unit import UpdatesUnit

PAGE = 100
# So long after midnight in UTC a day ends where it ends last.
LAST_ZONE = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class AskAboutPromises:
    """Asks what is due in each plan, also what fell due while nothing ran."""

    units: UnitsOfWork[UpdatesUnit]
    queries: PlanQueries
    terms: PlanTerms = USUAL_PLAN_TERMS
    turns: Turns[str] = field(default_factory=partial(Turns, PAGE))

    async def __call__(self, now: datetime) -> int:
        """Return how many questions were asked; another instance may be faster for any plan."""
        due = partial(self.queries.due_plans, now)
        return await self.turns.take(due, partial(self._ask, now=now))

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        return await self.queries.oldest_due_plan()

    async def _ask(self, campaign_id: str, now: datetime) -> int:
        return await self.units.run(lambda unit: ask_about_due(unit, campaign_id, now, self.terms))


@dataclass(frozen=True, slots=True)
class MeasurePromises:
    """Says how many promised days lie ahead and are past, and how many were moved."""

    queries: PlanQueries

    async def __call__(self, now: datetime) -> int:
        """Count them; 0, so that it rests between."""
        counts = await self.queries.promises((now - LAST_ZONE).date())
        PROMISES.labels("ahead").set(counts.ahead)
        PROMISES.labels("past").set(counts.past)
        PROMISE_MOVES.labels("earlier").set(counts.earlier)
        PROMISE_MOVES.labels("later").set(counts.later)
        return 0
