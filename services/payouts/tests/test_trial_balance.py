"""The trial balance of any day: what was booked until its end, debits equal to credits."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import Caller
from payouts.commands import perform_trial_balance
from payouts.domain.book import Outcome
from payouts.domain.ledger import Account
from payouts.domain.trial_balance import TrialBalance, end_of
from payouts.handlers.pledges import PledgeHeard, take_pledges
from servicekit.problems import install_problems
from services.payouts.tests.builders import a_pledge
from services.payouts.tests.conftest import Payouts, memory_payouts
from services.payouts.tests.test_http import api_of

DAY = timedelta(days=1)
FIRST = date(2026, 3, 1)


async def three_days(payouts: Payouts) -> None:
    """Two pledges, a day later another campaign's in another currency, then a missed goal."""
    await payouts.collect(1, 2)
    payouts.clock.advance(seconds=DAY.total_seconds())
    theirs = replace(a_pledge(9), currency="USD")
    heard = [PledgeHeard("campaign-2", "USD", 1, theirs)]
    await payouts.units.run(lambda unit: take_pledges(unit, heard, payouts.clock.now()))
    payouts.clock.advance(seconds=DAY.total_seconds())
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 2)
    await payouts.turn_run_only()


async def balances(payouts: Payouts, day: date) -> dict[str, Mapping[Account, int]]:
    found = await payouts.queries.trial_balances(end_of(day))
    for one in found:
        assert one.debits == one.credits > 0
    return {one.currency: {a: n for a, n in one.balances.items() if n} for one in found}


async def test_each_day_shows_what_was_booked_until_its_end(payouts: Payouts) -> None:
    """Yesterday's balance does not move with what is booked today; currencies stay apart."""
    await three_days(payouts)
    costs = {Account.PROVIDER_COSTS: 60, Account.PLATFORM_CURRENT: 60}
    held = {Account.PROVIDER_BALANCE: 10_000, Account.BACKER_FUNDS: 10_000}
    assert await balances(payouts, FIRST - DAY) == {}
    assert await balances(payouts, FIRST) == {"EUR": held | costs}
    second = await balances(payouts, FIRST + DAY)
    assert second["EUR"] == held | costs and second["USD"][Account.BACKER_FUNDS] == 5_000
    third = await balances(payouts, FIRST + 2 * DAY)
    refunding = {Account.PROVIDER_BALANCE: 10_000, Account.REFUNDS_IN_FLIGHT: 10_000}
    assert third["EUR"] == refunding | costs and third["USD"] == second["USD"]


def test_what_stands_on_the_wrong_side_changes_its_column() -> None:
    """The platform's current account may stand on either; nothing is shown below zero."""
    one = TrialBalance("EUR", 1, {Account.PLATFORM_CURRENT: -7, Account.BACKER_FUNDS: 7})
    assert one.columns() == {Account.PLATFORM_CURRENT: (7, 0), Account.BACKER_FUNDS: (0, 7)}
    assert (one.debits, one.credits) == (7, 7)


async def test_the_command_prints_it_and_finds_one_that_is_not_even(
    payouts: Payouts, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 and its columns; 1 where debits are not credits, which no true book shows."""
    await three_days(payouts)
    arguments = Namespace(as_of=FIRST)
    assert await perform_trial_balance(arguments, payouts.queries) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "EUR as of 2026-03-01, 1 books, minor units"
    assert [line.split() for line in printed[1:]] == [
        ["backer_funds", "0", "10000"],
        ["platform_current", "0", "60"],
        ["provider_balance", "10000", "0"],
        ["provider_costs", "60", "0"],
        ["total", "10060", "10060"],
    ]

    async def uneven(as_of: object) -> list[TrialBalance]:
        return [TrialBalance("EUR", 1, {Account.BACKER_FUNDS: 7})]

    payouts.queries.trial_balances = uneven  # type: ignore[method-assign, assignment]
    assert await perform_trial_balance(arguments, payouts.queries) == 1


async def test_staff_read_it_over_http() -> None:
    """A day in the query, columns in the answer."""
    payouts = memory_payouts()
    await payouts.collect(1)
    api = api_of(payouts)
    install_problems(api)
    staff = bearer(Caller("staff-1", ("staff",)))
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://payouts") as client:
        answer = await client.get(
            "/ledger/trial-balance", params={"as_of": "2026-03-01"}, headers=staff
        )
        wrong = await client.get("/ledger/trial-balance", params={"as_of": "x"}, headers=staff)
    (euro,) = answer.json()["items"]
    assert (euro["debits"], euro["credits"], euro["books"]) == (5_030, 5_030, 1)
    assert wrong.status_code == 422
