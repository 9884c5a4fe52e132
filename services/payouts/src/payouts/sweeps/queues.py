"""What waits is measured, and what must be topped up before it may leave."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf

from payouts.domain.dispute import DisputeState
from payouts.domain.funds import top_up_needed
from payouts.domain.plan import StageKind
from payouts.domain.refund import RefundState
from payouts.domain.stage import StageState
from payouts.handlers.funds import FundsReader
from payouts.metrics import (
    APPROVALS_WAITING,
    AWAITING_FUNDS,
    DISPUTES,
    RECEIVABLES,
    REFUND_OLDEST,
    REFUNDS,
    RUN_ETA,
    RUN_REMAINING,
    STAGE_IN_TRANSIT_OLDEST,
    STAGES,
    TOP_UP,
    UNCLAIMED,
    WINDOWS_CLOSING,
)
from payouts.ports.queries import Queries, Queue

# Nobody needs to know how many more there are.
COUNTED_MAX = 1_000
_UNSENT = (RefundState.REQUESTED, RefundState.AWAITING_FUNDS)


@dataclass(slots=True)
class MeasureFunds:
    """Says what must be topped up at the provider before all that waits may leave."""

    queries: Queries
    funds: FundsReader
    _currencies: set[str] = field(default_factory=set)

    async def __call__(self, now: datetime) -> int:
        """Publish it by currency; 0, so that it rests between."""
        waiting = await self.queries.awaiting_funds()
        self._currencies |= waiting.keys() | set(await self.queries.currencies())
        for currency in self._currencies:
            funds = await self.funds.read(currency)
            if funds is not None:
                _, amount = waiting.get(currency, (0, 0))
                TOP_UP.labels(currency).set(top_up_needed(funds, amount))
        return 0


@dataclass(slots=True)
class MeasureQueues:
    """Counts refunds and stages by state, for those who watch what does not move."""

    queries: Queries
    window_warning: timedelta = timedelta(days=14)
    _currencies: set[str] = field(default_factory=set)
    _remaining: tuple[datetime, int] | None = None

    async def __call__(self, now: datetime) -> int:
        """Publish the figures; 0, so that it rests between."""
        nothing = Queue(0, None)
        refunds = await self.queries.refund_queues()
        for state in RefundState:
            queue = refunds.get(state, nothing)
            REFUNDS.labels(state.value).set(queue.count)
            oldest = queue.oldest.timestamp() if queue.oldest else 0
            REFUND_OLDEST.labels(state.value).set(oldest)
        unsent = sum(refunds.get(state, nothing).count for state in _UNSENT)
        self._measure_runs(await self.queries.still_to_create() + unsent, now)
        closing = await self.queries.windows_closing(now + self.window_warning, None, COUNTED_MAX)
        WINDOWS_CLOSING.set(len(closing))
        UNCLAIMED.set(len(await self.queries.books_with_unclaimed("", COUNTED_MAX)))
        stages = await self.queries.stage_queues()
        for kind in StageKind:
            for stage in StageState:
                count = stages.get((kind, stage), nothing).count
                STAGES.labels(kind.value, stage.value).set(count)
        in_transit = await self.queries.in_transit_since()
        STAGE_IN_TRANSIT_OLDEST.set(in_transit.timestamp() if in_transit else 0)
        second = StageState.AWAITING_SECOND_APPROVAL
        asked = sum(stages.get((kind, second), nothing).count for kind in StageKind)
        asked += refunds.get(RefundState.AWAITING_APPROVAL, nothing).count
        APPROVALS_WAITING.set(asked)
        disputes = await self.queries.dispute_queues()
        for dispute in DisputeState:
            DISPUTES.labels(dispute.value).set(disputes.get(dispute, nothing).count)
        RECEIVABLES.set(await self.queries.open_receivables())
        waiting = await self.queries.awaiting_funds()
        self._currencies |= waiting.keys()
        for currency in self._currencies:
            count, _ = waiting.get(currency, (0, 0))
            AWAITING_FUNDS.labels(currency).set(count)
        return 0

    def _measure_runs(self, remaining: int, now: datetime) -> None:
        RUN_REMAINING.set(remaining)
        before, self._remaining = self._remaining, (now, remaining)
        if not remaining or before is None:
            RUN_ETA.set(inf if remaining else 0)
            return
        done, seconds = before[1] - remaining, (now - before[0]).total_seconds()
        RUN_ETA.set(remaining * seconds / done if done > 0 else inf)
