"""A month is closed by two people who saw the same balance, and is found if it moves afterwards."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from payouts.domain.book import seal_into
from payouts.domain.errors import Refused
from payouts.domain.ledger import Account
from payouts.domain.period import Period, after, digest_of, last_day
from payouts.domain.postings import pledge_collected
from payouts.domain.trial_balance import TrialBalance
from payouts.handlers.periods import close_period, moved_period
from payouts.ports.unit import PayoutsUnit
from payouts.sweeps.books import PERIOD, CheckPeriods
from servicekit import metrics
from services.payouts.tests.conftest import CAMPAIGN, Payouts

MARCH = "2026-03"


async def say(payouts: Payouts, by: str, month: str = MARCH) -> Period:
    now = payouts.clock.now()
    return await close_period(payouts.units, payouts.queries, month, by, now)


async def march_is_over(payouts: Payouts) -> None:
    await payouts.collect(1)
    payouts.clock.advance(seconds=31 * 86_400)


async def test_two_people_close_a_month(payouts: Payouts) -> None:
    """One proposes, the same one again changes nothing, another one closes; once."""
    await march_is_over(payouts)
    first = await say(payouts, "staff-1")
    assert await say(payouts, "staff-1") == await say(payouts, "staff-1")
    assert (first.proposed_by, first.closed_by) == ("staff-1", None)
    closed = await say(payouts, "staff-2")
    assert (closed.closed_by, closed.closed_at) == ("staff-2", payouts.clock.now())
    assert (await say(payouts, "staff-3")).closed_by == "staff-2"
    (kept,) = await payouts.queries.periods()
    assert (kept.month, kept.digest, kept.closed_by) == (MARCH, first.digest, "staff-2")


async def test_a_late_fact_is_booked_in_an_open_month(payouts: Payouts) -> None:
    """What happened in March and is heard of in April moves April, and the closed month stays."""
    await march_is_over(payouts)
    await say(payouts, "staff-1")
    await say(payouts, "staff-2")
    await payouts.collect(2)
    assert await moved_period(payouts.queries) is None
    (*_, block) = await payouts.queries.blocks(CAMPAIGN, 0, 10)
    assert f"{block.sealed_at:%Y-%m}" == "2026-04"


async def test_a_block_in_a_closed_month_is_found(payouts: Payouts) -> None:
    """The offender: somebody seals a block with a day of March; it is named, hour by hour."""
    await march_is_over(payouts)
    await say(payouts, "staff-1")
    await say(payouts, "staff-2")
    sweep = CheckPeriods(payouts.queries)
    await sweep(payouts.clock.now())
    wrong = metrics.INVARIANT_VIOLATIONS.labels(PERIOD)
    assert wrong._value.get() == 0

    async def backdate(unit: PayoutsUnit) -> None:
        book = (await unit.books.load([CAMPAIGN]))[CAMPAIGN]
        march = datetime(2026, 3, 31, 23, tzinfo=UTC)
        moved, blocks = seal_into(book, [pledge_collected(7, 0, "txn_odd")], march)
        await unit.books.append(blocks)
        await unit.books.save([moved])

    await payouts.units.run(backdate)
    await sweep(payouts.clock.now())
    assert wrong._value.get() == 1
    moved = await moved_period(payouts.queries)
    assert moved is not None and moved.month == MARCH


async def test_a_balance_that_moved_is_looked_at_again(payouts: Payouts) -> None:
    """What the first person did not see nobody has said: the next one is the first of two."""
    await march_is_over(payouts)
    first = await say(payouts, "staff-1")

    async def another(unit: PayoutsUnit) -> None:
        known = await unit.periods.load(MARCH)
        assert known is not None
        await unit.periods.save(replace(known, digest="0" * 64))

    await payouts.units.run(another)
    again = await say(payouts, "staff-2")
    assert (again.digest, again.proposed_by, again.closed_by) == (first.digest, "staff-2", None)
    assert (await say(payouts, "staff-2")).closed_by is None
    assert (await say(payouts, "staff-3")).closed_by == "staff-3"


async def test_months_are_closed_when_they_are_over_and_one_after_the_other(
    payouts: Payouts,
) -> None:
    """The first one that is closed may be any; from then on none is left out."""
    await payouts.collect(1)
    with pytest.raises(Refused, match="not over"):
        await say(payouts, "staff-1")
    payouts.clock.advance(seconds=100 * 86_400)
    await say(payouts, "staff-1")
    await say(payouts, "staff-2")
    with pytest.raises(Refused, match="after 2026-03 comes 2026-04"):
        await say(payouts, "staff-1", "2026-05")
    await say(payouts, "staff-1", "2026-04")
    await say(payouts, "staff-2", "2026-04")
    assert [one.month for one in await payouts.queries.periods()] == [MARCH, "2026-04"]


def test_months_follow_each_other() -> None:
    """December too, and a leap year's February; what is no month is refused."""
    assert [after(month) for month in ("2026-12", "2026-01")] == ["2027-01", "2026-02"]
    assert last_day("2028-02") == date(2028, 2, 29)
    for odd in ("2026-13", "0026-03", "1969-12", "3000-01", "9999-12"):
        with pytest.raises(Refused) as refused:
            last_day(odd)
        assert refused.value.reason == "no-month"


def test_a_digest_is_of_every_account() -> None:
    """Whatever the order; zeros say nothing, a unit or another currency says something."""
    one = TrialBalance("EUR", 1, {Account.BACKER_FUNDS: 7, Account.CLAIMABLE: 0})
    same = TrialBalance("EUR", 2, {Account.BACKER_FUNDS: 7})
    assert digest_of([one]) == digest_of([same])
    for other in (replace(one, balances={Account.BACKER_FUNDS: 8}), replace(one, currency="USD")):
        assert digest_of([other]) != digest_of([one])
