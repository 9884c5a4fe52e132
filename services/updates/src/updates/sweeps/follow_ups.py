"""What a campaign owes in words is asked for when it is due; how much is open is measured."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from servicekit.sweeps import Turns
from servicekit.units import UnitsOfWork
from updates.domain.follow_up import FollowUpTerms, SilenceStep
from updates.domain.problem import ProblemKind
from updates.handlers.follow_time import follow
from updates.handlers.publish import PledgesPosition
from updates.metrics import OPEN_PROBLEMS, SILENT_PROJECTS
from updates.ports.follow_ups import FollowUpQueries
from updates.ports.unit import UpdatesUnit

PAGE = 100


@dataclass(frozen=True, slots=True)
class FollowDue:
    """Takes due steps, also those missed while nothing ran, each of them once."""

    units: UnitsOfWork[UpdatesUnit]
    queries: FollowUpQueries
    pledges: PledgesPosition
    terms: FollowUpTerms
    turns: Turns[str] = field(default_factory=partial(Turns, PAGE))

    async def __call__(self, now: datetime) -> int:
        """Return of how many campaigns steps were taken; those that wait are no reason to hurry."""
        due = partial(self.queries.due_follow_ups, now)
        return await self.turns.take(due, partial(self._follow, now=now))

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        return await self.queries.oldest_due_follow_up()

    async def _follow(self, campaign_id: str, now: datetime) -> bool:
        return await self.units.run(
            lambda unit: follow(unit, self.pledges, self.terms, campaign_id, now)
        )


@dataclass(frozen=True, slots=True)
class MeasureFollowUps:
    """Says how many problems are open, and how far the silence of projects has come."""

    queries: FollowUpQueries

    async def __call__(self, now: datetime) -> int:
        """Count them; 0, so that it rests between."""
        problems = await self.queries.open_problems()
        for kind in ProblemKind:
            OPEN_PROBLEMS.labels(kind.value).set(problems.get(kind, 0))
        silent = await self.queries.silent_projects()
        for step in SilenceStep:
            SILENT_PROJECTS.labels(step.value).set(silent.get(step, 0))
        return 0
