"""Months are closed by two people, and the last closed one is looked at again and again."""

from datetime import datetime

from payouts.domain.period import Period, close, digest_of, last_day
from payouts.domain.trial_balance import end_of
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.units import UnitsOfWork


async def close_period(
    units: UnitsOfWork[PayoutsUnit], queries: Queries, month: str, by: str, now: datetime
) -> Period:
    """Take one person's word about a month, or close it with a second one's."""
    digest = await _digest(queries, month)

    async def work(unit: PayoutsUnit) -> Period:
        last = await unit.periods.last_closed()
        known = await unit.periods.load(month)
        period = close(known, last.month if last else None, month, digest, by, now)
        if period != known:
            await unit.periods.save(period)
        return period

    return await units.run(work)


async def moved_period(queries: Queries) -> Period | None:
    """Return the last closed month if its balance is not what two people closed, else None.

    Balances are sums since the beginning, so a block that is put into any closed month moves it.
    """
    closed = [one for one in await queries.periods() if one.closed_at is not None]
    if not closed or await _digest(queries, closed[-1].month) == closed[-1].digest:
        return None
    return closed[-1]


async def _digest(queries: Queries, month: str) -> str:
    return digest_of(await queries.trial_balances(end_of(last_day(month))))
