"""What keeps the stages that are due, measured: by the gate's lines, or by nobody but ourselves."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from payouts.domain.gate import LINES
from payouts.domain.stage import Stage
from payouts.domain.stage_readiness import NOT_ON_ITS_WAY, kept_by, ready_since
from payouts.handlers.pay_stages import PayStages
from payouts.metrics import GATE_BLOCKED, STAGE_READY_OLDEST
from payouts.ports.queries import Queries
from servicekit.sweeps import one_by_one

PAGE = 100


@dataclass(frozen=True, slots=True)
class MeasureGate:
    """Asks the gate of every stage that is due and not on its way what it waits for."""

    queries: Queries
    stages: PayStages

    async def __call__(self, now: datetime) -> int:
        """Publish the figures; 0, so that it rests between."""
        keeping: Counter[str] = Counter()
        ready: list[datetime] = []

        async def look(one: Stage) -> int:
            stage, lines = await self.stages.explain(one.campaign_id, one.number)
            if stage.state not in NOT_ON_ITS_WAY:
                return 0
            keeping.update(line.name for line in kept_by(stage, lines))
            since = ready_since(stage, lines)
            if since is not None:
                ready.append(since)
            return 0

        await one_by_one(self._stages(), look)
        for line in LINES:
            GATE_BLOCKED.labels(line).set(keeping[line])
        STAGE_READY_OLDEST.set(min(ready).timestamp() if ready else 0)
        return 0

    async def _stages(self) -> AsyncIterator[Stage]:
        after: tuple[datetime, str] | None = None
        while page := await self.queries.stage_queue(NOT_ON_ITS_WAY, after, PAGE):
            for stage in page:
                yield stage
            after = (page[-1].waits_since, page[-1].stage_id)
