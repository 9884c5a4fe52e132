"""Something was heard from the provider: the work it concerns looks now, not later.

A webhook or a balance transaction only wakes the read (`money.md` 6): nothing in it is believed.
"""

from collections.abc import Sequence
from datetime import datetime

from payouts.domain.refund import Refund
from payouts.domain.stage import Stage
from payouts.handlers.work_kinds import refund_work, stage_work
from payouts.ports import CashMovement, PayoutsUnit, Provider, Queries
from servicekit.units import UnitsOfWork

REFUND_TYPES = frozenset({"refund", "refund_failure"})
CURSOR = "balance-transactions"


async def wake(
    unit: PayoutsUnit, refunds: Sequence[Refund], stages: Sequence[Stage], now: datetime
) -> None:
    """Make the work due now; work that had ended is taken up again."""
    items = [refund_work(refund, now) for refund in refunds]
    items += [stage_work(stage, now) for stage in stages]
    await unit.plumbing.work.offer(items)
    await unit.plumbing.work.hasten([item.id for item in items], now)


async def follow_cash(
    units: UnitsOfWork[PayoutsUnit], queries: Queries, provider: Provider, now: datetime
) -> int:
    """Read the next page of the provider's balance transactions; return how many there were.

    This is what finds a refund that came back although its webhook was lost (trap 15).
    """
    movements = await provider.movements_after(await queries.cursor(CURSOR))
    if not movements:
        return 0
    sources = {one.source: one.id for one in movements if one.type in REFUND_TYPES}
    refunds = await queries.refunds_of_provider(list(sources))
    unbooked = [refund for refund in refunds if not _is_booked(refund, movements)]
    if unbooked:
        await units.run(lambda unit: wake(unit, unbooked, [], now))
    await queries.move_cursor(CURSOR, movements[-1].id)
    return len(movements)


def _is_booked(refund: Refund, movements: Sequence[CashMovement]) -> bool:
    booked = {attempt.balance_transaction for attempt in refund.attempts}
    booked |= {attempt.failure_balance_transaction for attempt in refund.attempts}
    provider_ids = {attempt.provider_refund_id for attempt in refund.attempts}
    return all(movement.id in booked for movement in movements if movement.source in provider_ids)
