"""Withdrawn pledges: one refund each, whatever is heard first, and out of our own count."""

import pytest

from payouts.domain.book import Agreement, Outcome, agreement
from payouts.domain.ledger import Account
from payouts.domain.withdrawal import WithdrawnPledge
from payouts.handlers.pledges import PledgeHeard, take_pledges
from services.payouts.tests.builders import a_pledge
from services.payouts.tests.conftest import CAMPAIGN, Payouts


async def balances(payouts: Payouts) -> dict[Account, int]:
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None
    return {account: amount for account, amount in book.balances.items() if amount}


async def test_a_withdrawn_pledge_is_refunded_in_full_at_once(payouts: Payouts) -> None:
    """Before any verdict, by the ordinary machinery; what the others pledged stays."""
    await payouts.collect(1, 2)
    await payouts.withdraw(1, 3)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 5_000}
    (created,) = await payouts.published("refund-created")
    assert created.model_dump()["cause"] == "withdrawal/pledge-1"
    (succeeded,) = await payouts.published("refund-succeeded")
    assert succeeded.model_dump()["fully_refunded"] is True
    assert (await balances(payouts))[Account.BACKER_FUNDS] == 5_000
    await payouts.assert_books_true()


@pytest.mark.trap(2)
@pytest.mark.parametrize("order", ["withdrawal, verdict", "verdict, withdrawal"])
@pytest.mark.parametrize("sent_between", [True, False])
async def test_withdrawal_and_missed_goal_refund_once(
    payouts: Payouts, order: str, sent_between: bool
) -> None:
    """Both say that the pledge goes back; whichever is heard first makes the one refund."""
    await payouts.collect(1, 2)
    steps = [
        lambda: payouts.withdraw(1, 3),
        lambda: payouts.hear_verdict(Outcome.GOAL_MISSED, 1, sequence=3),
    ]
    for step in steps if order.startswith("withdrawal") else reversed(steps):
        await step()
        if sent_between:
            await payouts.work_off()
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 5_000, "ch_2": 5_000}
    assert len(await payouts.published("refund-created")) == 2
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and agreement(book) is Agreement.AGREES
    assert Account.PROVIDER_BALANCE not in await balances(payouts)
    await payouts.assert_books_true()


@pytest.mark.parametrize("verdict_first", [True, False])
async def test_a_met_goal_is_planned_without_what_was_withdrawn(
    payouts: Payouts, verdict_first: bool
) -> None:
    """Our count follows funding's, so it agrees as of N, and not before."""
    await payouts.collect(1, 2, 3)
    if verdict_first:
        await payouts.hear_verdict(Outcome.GOAL_MET, 2, sequence=4)
        assert await payouts.published("plan-scheduled") == []
    await payouts.withdraw(1, 4)
    if not verdict_first:
        await payouts.hear_verdict(Outcome.GOAL_MET, 2, sequence=4)
    (plan,) = await payouts.published("plan-scheduled")
    assert plan.model_dump()["base"] == 10_000
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 5_000}
    await payouts.assert_books_true()


async def test_collected_and_withdrawn_in_one_batch(payouts: Payouts) -> None:
    """The batch that brings both books both."""
    heard = [
        PledgeHeard(CAMPAIGN, "EUR", 1, a_pledge(1)),
        PledgeHeard(CAMPAIGN, "EUR", 2, None, WithdrawnPledge("pledge-1", 5_000, True, None)),
    ]
    payouts.provider.cash += 5_000
    assert await payouts.units.run(lambda u: take_pledges(u, heard, payouts.clock.now())) == {}
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 5_000}
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and (book.count, book.counted) == (0, 0)


async def test_what_the_provider_returned_is_booked_and_nothing_is_sent(payouts: Payouts) -> None:
    """On its own balance transaction; a missed goal finds nothing left of it."""
    await payouts.collect(1, 2)
    await payouts.withdraw(1, 3, returned_in="txn_back")
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1, sequence=3)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_2": 5_000}
    assert Account.PROVIDER_BALANCE not in await balances(payouts)
    await payouts.assert_books_true()


async def test_a_return_beside_our_own_refund_is_left_to_a_person(payouts: Payouts) -> None:
    """The money may have left twice: nothing is booked, and the fact is refused by name."""
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 0, sequence=2)
    await payouts.turn_run_only()
    before = await balances(payouts)
    (refused,) = (await payouts.withdraw(1, 2, returned_in="txn_back")).values()
    assert refused.reason == "returned-beside-us" and await balances(payouts) == before


async def test_a_return_after_the_plan_is_left_to_a_person(payouts: Payouts) -> None:
    """Stages are planned on that money."""
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    late = WithdrawnPledge("pledge-1", 5_000, False, "txn_back")
    heard = [PledgeHeard(CAMPAIGN, "EUR", 3, None, late)]
    refused = await payouts.units.run(lambda u: take_pledges(u, heard, payouts.clock.now()))
    assert refused[0].reason == "returned-beside-us"


async def test_a_pledge_that_was_never_collected_is_refused(payouts: Payouts) -> None:
    """A withdrawal stands behind its collection on the topic; we do not guess."""
    (refused,) = (await payouts.withdraw(1, 1)).values()
    assert refused.reason == "pledge-unknown"


async def test_the_books_hold_whatever_a_withdrawn_pledge_went_back_for(payouts: Payouts) -> None:
    """It came behind the end, and went back for that; that it is withdrawn is heard afterwards."""
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MET, 1)
    await payouts.hear_cancellation(1)
    await payouts.collect(2, counted=False)
    await payouts.work_off()
    returned = payouts.provider.refunded
    assert returned == {"ch_1": 5_000, "ch_2": 5_000}
    withdrawn = WithdrawnPledge("pledge-2", 5_000, False, None)
    heard = [PledgeHeard(CAMPAIGN, "EUR", 3, None, withdrawn)]
    assert await payouts.units.run(lambda u: take_pledges(u, heard, payouts.clock.now())) == {}
    await payouts.work_off()
    assert payouts.provider.refunded == returned
    await payouts.assert_books_true()
