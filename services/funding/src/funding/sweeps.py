"""Timed work of funding: deadlines, verdicts, and figures of both."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from funding.domain.campaign import Campaign, CampaignState
from funding.domain.settling import Line
from funding.handlers.errored import step_errored
from funding.handlers.settle import explain, settle
from funding.metrics import (
    BLOCKED,
    CAMPAIGNS,
    ERRORED_PLEDGES,
    observe_errored,
    observe_verdict,
)
from funding.ports import FundingUnit, Intake, Queries
from servicekit import traces
from servicekit.sweeps import Turns, together
from servicekit.units import UnitsOfWork

PAGE = 100


class SettleDueCampaigns:
    """Steps every campaign whose next step is due; any instance may do it at any time."""

    def __init__(self, units: UnitsOfWork[FundingUnit], queries: Queries, intake: Intake) -> None:
        self._units = units
        self._queries = queries
        self._intake = intake
        self._turns = Turns[str](PAGE)

    async def __call__(self, now: datetime) -> int:
        """Return how many campaigns were stepped to a new state."""
        due = partial(self._queries.due, now)
        return await self._turns.take(due, partial(self._settle, now=now))

    async def _settle(self, campaign_id: str, now: datetime) -> int:
        with traces.span("settle", campaign_id=campaign_id):
            campaign = await settle(self._units, self._intake, campaign_id, now)
        return self._observe(campaign) if campaign is not None else 0

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        return await self._queries.oldest_due()

    def _observe(self, campaign: Campaign) -> int:
        if campaign.verdict is not None:
            observe_verdict(campaign.verdict)
        return int(campaign.blocked_at is None or campaign.verdict is not None)


@dataclass(frozen=True, slots=True)
class StepErroredPledges:
    """Reminds, tries a last time and drops; any instance may do it at any time."""

    units: UnitsOfWork[FundingUnit]
    queries: Queries
    turns: Turns[Sequence[str]] = field(default_factory=lambda: Turns(PAGE, weight=len))

    async def __call__(self, now: datetime) -> int:
        """Return how many pledges were stepped."""
        due, step = partial(self._due, now), partial(self._step, now=now)
        return await self.turns.take(due, lambda pledges: together(pledges, step))

    async def _due(self, now: datetime, limit: int, skip: int) -> list[list[str]]:
        """Return a page that is stepped in one transaction, none where nothing is due."""
        due = await self.queries.due_pledges(now, limit, skip)
        return [due] if due else []

    async def _step(self, pledge_ids: Sequence[str], now: datetime) -> int:
        stepped = await self.units.run(lambda unit: step_errored(unit, pledge_ids, now))
        for pledge in stepped:
            observe_errored(pledge)
        return len(stepped)

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        return await self.queries.oldest_due_pledge()


@dataclass(frozen=True, slots=True)
class MeasureCampaigns:
    """Counts campaigns by state and what verdicts wait for, and the pledges that errored."""

    units: UnitsOfWork[FundingUnit]
    queries: Queries
    intake: Intake

    async def __call__(self, now: datetime) -> int:
        """Publish the figures; 0, so that it rests between."""
        states = await self.queries.states()
        for state in CampaignState:
            CAMPAIGNS.labels(state.value).set(states.get(state.value, 0))
        missing: Counter[Line] = Counter()
        for campaign_id in await self.queries.settling(PAGE):
            lines = await explain(self.units, self.intake, campaign_id, now)
            missing.update(line.line for line in lines if not line.met)
        for line in Line:
            BLOCKED.labels(line.value).set(missing[line])
        ERRORED_PLEDGES.set(await self.queries.errored_pledges())
        return 0
