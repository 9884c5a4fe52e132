"""The simulator: what it shows is what the run then does, and it writes nothing."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payouts.domain.book import Outcome
from payouts.domain.errors import Refused
from payouts.domain.fees import fees_of
from payouts.domain.launch import LaunchTerms
from payouts.domain.stage import StageState
from payouts.handlers.simulate import Simulate, SimulatedPage
from payouts.handlers.work_kinds import REFUND_RUN
from services.payouts.tests.builders import SHARES
from services.payouts.tests.conftest import CAMPAIGN, FEES, Payouts, memory_payouts
from services.payouts.tests.test_cancelling_after_verdict import (
    AFTER_ONE,
    EXAMPLE,
    TOTAL,
    collected,
    met,
    met_with,
    one_page,
    paid,
    stuck_in_its_call,
)
from services.payouts.tests.test_cancelling_with_rewards import (
    OPENED,
    claim_fact,
    delivery,
    shares_of,
    told,
)
from services.payouts.tests.test_later_stages import approve, decide, pay, show, the
from sosst_contracts.event import Event

GOAL = 10_000


async def launched(payouts: Payouts, goal: int = GOAL) -> None:
    terms = LaunchTerms(CAMPAIGN, "EUR", goal, SHARES, FEES)
    await payouts.units.run(lambda unit: unit.launches.add([terms]))


async def simulated(payouts: Payouts, limit: int = 50) -> tuple[SimulatedPage, dict[str, int]]:
    """Return the first page, and what every pledge gets, over all pages."""
    simulate, now = Simulate(payouts.units), payouts.clock.now()
    first = page = await simulate(CAMPAIGN, "", limit, now)
    gets: dict[str, int] = {}
    while page.shares:
        gets |= {m.payment_reference: s.amount for m, s in page.shares if s.amount}
        page = await simulate(CAMPAIGN, page.shares[-1][0].pledge_id, limit, now)
    return first, gets


@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_it_shows_what_a_cancellation_would_pay(payouts: Payouts, limit: int) -> None:
    """After stage one 80.01, 39.99, 26.67, whatever the pages; the rest is what stays unpaid."""
    await paid(payouts, 1)
    book = await payouts.queries.book(CAMPAIGN)
    page, gets = await simulated(payouts, limit)
    assert gets == AFTER_ONE
    division = page.totals.division
    assert (division.amount, division.whole, page.totals.unpaid) == (TOTAL - 3_666, TOTAL, 3_666)
    assert page.totals.deadline is None, "the deadline is over"
    assert await payouts.queries.book(CAMPAIGN) == book, "nothing is written"
    await payouts.hear_cancellation(3)
    await payouts.work_off()
    assert payouts.provider.refunded == gets
    page, gets = await simulated(payouts, limit)
    assert (gets, page.totals.unpaid) == ({}, 3_666), "what is owed by the creator stays shown"


@pytest.mark.parametrize("place", ["approved", "sending", "last_approved"])
async def test_what_is_approved_comes_back_and_what_may_have_left_does_not(
    payouts: Payouts, place: str
) -> None:
    """As the cancellation itself would find it: fees are given back, an open transfer is gone."""
    if place == "last_approved":
        await paid(payouts, 2)
        await show(payouts, 3)
        await decide(payouts, 3)
        await approve(payouts, 3, (await the(payouts, 3)).payable)
        gone = 3_666 + 5_499
    else:
        await met(payouts)
        gone = 3_666 if place == "sending" else 0
    if place == "approved":
        await payouts.turn()
        assert (await the(payouts, 1)).state is StageState.APPROVED
    go_on = await stuck_in_its_call(payouts) if place == "sending" else None
    page, _ = await simulated(payouts)
    assert page.totals.division.amount == TOTAL - gone
    if go_on is not None:
        await go_on()


async def test_while_a_run_goes_on_it_shows_what_is_still_to_come(payouts: Payouts) -> None:
    """The frozen division, for the pledges that no page has reached."""
    await paid(payouts, 1)
    await payouts.hear_cancellation(3)
    assert (await payouts.work.backlog(REFUND_RUN)).items == 1
    await one_page(payouts)
    _, gets = await simulated(payouts)
    assert gets == {"ch_3": AFTER_ONE["ch_3"]}


@pytest.mark.parametrize(
    ("heard", "entitled", "settled"),
    [
        ([delivery("delivered", 1)], (2, 3), {"pledge-1"}),
        ([delivery("received", 1, 3), claim_fact(OPENED, 3)], (2, 3), {"pledge-1"}),
        ([delivery("delivered", 1), delivery("shipped", 1)], (1, 2, 3), set()),
        ([delivery("delivered", 1, 2, 3)], (), {"pledge-1", "pledge-2", "pledge-3"}),
    ],
)
async def test_who_has_the_reward_is_shown_without_a_share(
    payouts: Payouts, heard: list[Event], entitled: tuple[int, ...], settled: set[str]
) -> None:
    """As the cancellation would find it, although no book has moved since it was last asked."""
    await paid(payouts, 2)
    left = TOTAL - 3_666 - 5_499
    _, gets = await simulated(payouts)
    assert gets == shares_of(left, 1, 2, 3)
    simulate, now = Simulate(payouts.units), payouts.clock.now()
    await simulate(CAMPAIGN, "", 50, now)
    await told(payouts, *heard)
    page = await simulate(CAMPAIGN, "", 50, now)
    shares = shares_of(left, *entitled)
    assert {m.payment_reference: s.amount for m, s in page.shares if s.amount} == shares
    assert page.settled == settled
    division, owed = page.totals.division, sum(EXAMPLE[number] for number in entitled)
    assert (division.whole, page.totals.unpaid) == (owed, owed - sum(shares.values()))
    _, gets = await simulated(payouts, limit=1)
    assert gets == shares
    await payouts.hear_cancellation(3)
    await payouts.work_off()
    assert payouts.provider.refunded == shares
    await told(payouts, delivery("preparing", 1, 2, 3))
    page, gets = await simulated(payouts)
    assert (gets, page.settled) == ({}, settled), "who is out was decided with the shares"
    assert page.totals.unpaid == owed - sum(shares.values())


@pytest.mark.parametrize("outcome", [Outcome.GOAL_MISSED, Outcome.CANCELLED])
async def test_what_failed_gives_everything_back(payouts: Payouts, outcome: Outcome) -> None:
    """Before its run everybody gets all, behind it nothing more; nothing stays unpaid."""
    await collected(payouts)
    await payouts.hear_verdict(outcome, 3, TOTAL // 3)
    page, gets = await simulated(payouts)
    assert gets == {f"ch_{number}": amount for number, amount in EXAMPLE.items()}
    await payouts.work_off()
    page, gets = await simulated(payouts)
    assert (gets, page.totals.unpaid) == ({}, 0)


@pytest.mark.parametrize(("goal", "is_met"), [(TOTAL, True), (TOTAL + 1, False)])
async def test_before_the_verdict_the_deadline_is_played_dry(
    payouts: Payouts, goal: int, is_met: bool
) -> None:
    """Now everybody gets all back; at the deadline too, or stages by share and the fees."""
    with pytest.raises(Refused, match="nothing is known"):
        await simulated(payouts)
    await launched(payouts, goal)
    page, gets = await simulated(payouts)
    assert gets == {} and page.totals.deadline is not None
    assert not page.totals.deadline.met and page.totals.deadline.collected == 0
    await collected(payouts)
    await payouts.collect(4, amount=1_000)
    await payouts.withdraw(4, 5, amount=1_000)
    page, gets = await simulated(payouts)
    assert gets == {f"ch_{number}": amount for number, amount in EXAMPLE.items()}
    dry = page.totals.deadline
    assert dry is not None and (dry.goal, dry.collected, dry.met) == (goal, TOTAL, is_met)
    if not is_met:
        assert (dry.first, dry.second, dry.last, dry.fees.total) == (0, 0, None, 0)
        return
    assert (dry.first, dry.second) == (3_666, 5_499)
    assert dry.fees == fees_of(EXAMPLE.values(), FEES) and dry.last is not None
    assert dry.first + dry.second + dry.last.payable + dry.fees.total == TOTAL


async def test_a_campaign_launched_before_this_release_has_no_dry_deadline(
    payouts: Payouts,
) -> None:
    """Its goal was never heard; what everybody would get is shown all the same."""
    await collected(payouts)
    page, gets = await simulated(payouts)
    assert page.totals.deadline is None and sum(gets.values()) == TOTAL


async def test_the_first_word_about_a_launch_holds(payouts: Payouts) -> None:
    """Terms are fixed; one of another campaign is another one."""
    await launched(payouts)
    await launched(payouts, GOAL + 1)
    kept = await payouts.units.run(lambda unit: unit.launches.load(CAMPAIGN))
    assert kept == LaunchTerms(CAMPAIGN, "EUR", GOAL, SHARES, FEES)
    assert await payouts.units.run(lambda unit: unit.launches.load("campaign-2")) is None


@settings(max_examples=40)
@given(
    amounts=st.lists(st.integers(1, 5_000), min_size=1, max_size=7),
    stages=st.booleans(),
    arrived=st.frozensets(st.integers(1, 7)),
    claimed=st.frozensets(st.integers(1, 7)),
)
def test_what_is_shown_is_what_is_paid(
    amounts: Sequence[int], stages: bool, arrived: frozenset[int], claimed: frozenset[int]
) -> None:
    """Random books, whatever is paid, arrived and claimed: the same function, to the unit."""

    async def story() -> None:
        payouts = memory_payouts()
        await met_with(payouts, amounts)
        if stages:
            await pay(payouts)
        if arrived:
            await told(payouts, delivery("delivered", *arrived))
        await told(payouts, *(claim_fact(OPENED, n, f"claim-{n}") for n in claimed))
        page, gets = await simulated(payouts)
        await payouts.hear_cancellation(len(amounts))
        await payouts.work_off()
        assert payouts.provider.refunded == gets
        out = {f"pledge-{n}" for n in arrived - claimed if n <= len(amounts)}
        assert page.settled == out and not {f"ch_{one[7:]}" for one in out} & set(gets)
        assert sum(gets.values()) == page.totals.division.amount

    asyncio.run(story())
