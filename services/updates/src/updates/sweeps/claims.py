"""What becomes due of claims by time alone, and how many wait for whom."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from servicekit.sweeps import Turns
from servicekit.units import UnitsOfWork
from updates.domain.claim import ALARMED, SWEPT, Claim, ClaimState
from updates.handlers.claims import ClaimDesk, run_out_claim
from updates.metrics import CLAIM_OVERDUE, CLAIMS
from updates.ports.claims import ClaimQueries
from updates.ports.unit import UpdatesUnit

PAGE = 100


@dataclass(frozen=True, slots=True)
class RunOutClaims:
    """Hands claims to staff whose creator let the time pass."""

    units: UnitsOfWork[UpdatesUnit]
    claims: ClaimQueries
    desk: ClaimDesk
    turns: Turns[Claim] = field(default_factory=partial(Turns, PAGE))

    async def __call__(self, now: datetime) -> int:
        """Return how many were due; one that somebody moves meanwhile is looked at again."""
        due = partial(self.claims.claims_waiting, SWEPT, now)
        return await self.turns.take(due, partial(self._run_out, now=now))

    async def oldest_due(self) -> datetime | None:
        """Return when the first of them is due."""
        first = await self.claims.claims_waiting(SWEPT, None, 1)
        return first[0].due_at if first else None

    async def _run_out(self, claim: Claim, now: datetime) -> int:
        await self.units.run(partial(run_out_claim, desk=self.desk, due=claim, now=now))
        return 1


@dataclass(frozen=True, slots=True)
class MeasureClaims:
    """Says how many claims are in which state, and which answers are late."""

    claims: ClaimQueries

    async def __call__(self, now: datetime) -> int:
        """Count them; 0, so that it rests between."""
        counts = await self.claims.claims_by_state()
        for state in ClaimState:
            CLAIMS.labels(state.value).set(counts.get(state, 0))
        for state in ALARMED:
            CLAIM_OVERDUE.labels(state.value).set(await self.claims.claims_overdue({state}, now))
        return 0
