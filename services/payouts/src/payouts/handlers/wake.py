"""Something was heard from the provider: the work it concerns looks now, not later.

A webhook or a balance transaction only wakes the read (`money.md` 6): nothing in it is believed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from payouts.domain.dispute import DisputeState
from payouts.domain.refund import Refund
from payouts.domain.stage import Stage
from payouts.handlers.work_kinds import dispute_work, refund_work, stage_work
from payouts.ports.provider import CashMovement, Provider
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.units import UnitsOfWork

CASH_LEFT = "refund"
DISPUTE_TYPES = frozenset({"dispute", "dispute_reversal"})
REFUND_TYPES = frozenset({CASH_LEFT, "refund_failure"})
CURSOR = "balance-transactions"


async def wake(
    unit: PayoutsUnit, refunds: Sequence[Refund], stages: Sequence[Stage], now: datetime
) -> None:
    """Make the work due now; work that had ended is taken up again."""
    items = [refund_work(refund, now) for refund in refunds]
    items += [stage_work(stage, now) for stage in stages]
    await unit.plumbing.work.offer(items)
    await unit.plumbing.work.hasten([item.id for item in items], now)


@dataclass(frozen=True, slots=True)
class CashPage:
    """The oldest movements that were not followed yet, and those that no book has."""

    movements: Sequence[CashMovement]
    unbooked: frozenset[str]


async def look_at_cash(
    units: UnitsOfWork[PayoutsUnit], queries: Queries, provider: Provider, now: datetime
) -> CashPage:
    """Read the next page of the provider's balance transactions and wake what they concern.

    This is what finds a refund that came back although its webhook was lost (trap 15).
    """
    movements = await provider.movements_after(await queries.cursor(CURSOR)) or []
    concerning = [one for one in movements if one.type in REFUND_TYPES]
    refunds = await queries.refunds_of_provider([one.source for one in concerning])
    by_source = {a.provider_refund_id: refund for refund in refunds for a in refund.attempts}
    unbooked = {}
    for movement in concerning:
        refund = by_source.get(movement.source)
        if not _is_settled(movement, refund):
            unbooked[movement.id] = refund
    woken = {refund.refund_id: refund for refund in unbooked.values() if refund is not None}
    disputed = [one for one in movements if one.type in DISPUTE_TYPES]
    undecided = [one for one in disputed if not await _is_followed(queries, one)]
    if woken or undecided:
        await units.run(lambda unit: _wake_all(unit, list(woken.values()), undecided, now))
    return CashPage(movements, frozenset(unbooked) | {one.id for one in undecided})


async def wake_disputes(unit: PayoutsUnit, dispute_ids: Sequence[str], now: datetime) -> None:
    """Read these disputes now."""
    items = [dispute_work(one, now) for one in dispute_ids]
    await unit.plumbing.work.offer(items)
    await unit.plumbing.work.hasten([item.id for item in items], now)


async def _wake_all(
    unit: PayoutsUnit, refunds: Sequence[Refund], movements: Sequence[CashMovement], now: datetime
) -> None:
    await wake(unit, refunds, [], now)
    await wake_disputes(unit, sorted({one.source for one in movements}), now)


async def _is_followed(queries: Queries, movement: CashMovement) -> bool:
    """Whether a dispute has booked this cash, or is kept until its pledge is known."""
    dispute = await queries.dispute(movement.source)
    if dispute is None:
        return False
    if dispute.state is DisputeState.UNATTRIBUTED:
        return True
    return movement.id in (dispute.withdrawn_in, dispute.reinstated_in)


def _is_settled(movement: CashMovement, refund: Refund | None) -> bool:
    if refund is None:
        # The answer to a refund's call may still be on its way, and with it the provider's id.
        # Its work waits for that answer, so cash that left is no news; cash that came back is.
        return movement.type == CASH_LEFT
    booked = {attempt.balance_transaction for attempt in refund.attempts}
    return movement.id in booked | {a.failure_balance_transaction for a in refund.attempts}
