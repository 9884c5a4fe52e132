"""A stage that the creator's bank sent back again and again goes on once staff say so."""

from typing import Any

import pytest

from payouts.domain.book import Outcome
from payouts.domain.errors import Refused
from payouts.domain.ledger import Account
from payouts.domain.payout_attempt import AttemptState
from payouts.domain.stage import Stage, StageState
from payouts.handlers.retries import try_stage_again
from payouts.handlers.wake import wake
from payouts.handlers.work_kinds import STAGE
from services.payouts.tests.conftest import CAMPAIGN, LEASE_SECONDS, Payouts
from services.payouts.tests.test_later_stages import first_paid, pay, the


async def tried_again(payouts: Payouts, after: int, by: str = "staff-1") -> Stage:
    now = payouts.clock.now()
    return await payouts.units.run(lambda unit: try_stage_again(unit, CAMPAIGN, 1, after, by, now))


async def refused(payouts: Payouts, after: int) -> str:
    with pytest.raises(Refused) as found:
        await tried_again(payouts, after)
    return found.value.reason


async def bounced(payouts: Payouts, failures: int) -> None:
    """The bank confirms each payout and sends it back."""
    for _ in range(100):
        stage = await the(payouts, 1)
        if stage.failures == failures:
            return
        if stage.state is StageState.PAID:
            payouts.provider.bounce(stage)
            payouts.clock.advance(seconds=3_600)
        await pay(payouts, 1)
    raise AssertionError("it never failed so often")


@pytest.mark.trap(7)
async def test_what_a_bank_sent_back_three_times_is_paid_once_staff_say_so(
    payouts: Payouts,
) -> None:
    """Its transfer was made, so its approval cannot fall: only another payout brings it there."""
    await first_paid(payouts)
    await bounced(payouts, 3)
    await pay(payouts)
    stage = await the(payouts, 1)
    assert (stage.state, len(stage.attempts)) == (StageState.FAILED, 3)
    assert payouts.provider.accounts["acct_1"] == stage.sent
    for by in ("staff-1", "staff-2"):
        await tried_again(payouts, 3, by)
    await pay(payouts)
    paid = await the(payouts, 1)
    assert (paid.state, len(paid.attempts)) == (StageState.PAID, 4)
    assert [(one.after_attempt, one.by) for one in paid.tried_again] == [(3, "staff-1")]
    assert await tried_again(payouts, 3) == paid
    assert payouts.provider.accounts["acct_1"] == 0
    assert len(payouts.provider.transfers) == 1
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and not book.balances[Account.PAYOUTS_IN_FLIGHT]
    await payouts.assert_books_true()


async def test_what_goes_on_by_itself_is_not_tried_again_by_hand(payouts: Payouts) -> None:
    """Neither while tries are left, nor what was never sent, nor after an attempt not seen."""
    await first_paid(payouts)
    assert await refused(payouts, 1) == "not-used-up"
    assert await refused(payouts, 2) == "attempt-unknown"
    await bounced(payouts, 3)
    assert await refused(payouts, 2) == "not-used-up"
    with pytest.raises(Refused, match="has no stage"):
        await payouts.units.run(
            lambda unit: try_stage_again(unit, CAMPAIGN, 9, 0, "staff-1", payouts.clock.now())
        )


@pytest.mark.trap(7)
async def test_a_paid_stage_is_looked_at_for_a_week_and_afterwards_when_it_is_woken(
    payouts: Payouts,
) -> None:
    """A bank may send it back days later: within the week it is seen by itself."""
    await first_paid(payouts)
    week = 7 * 86_400
    await payouts.live(week - 600)
    assert (await payouts.work.backlog(STAGE)).items == 1
    await payouts.live(2 * week)
    assert (await payouts.work.backlog(STAGE)).items == 0
    payouts.provider.bounce(await the(payouts, 1))
    stages, now = await payouts.queries.stages(CAMPAIGN), payouts.clock.now()
    await payouts.units.run(lambda unit: wake(unit, [], stages[:1], now))
    await payouts.turn()
    assert (await the(payouts, 1)).state is StageState.FAILED
    await pay(payouts)
    assert (await the(payouts, 1)).state is StageState.PAID
    assert len(payouts.provider.transfers) == 1 and len(payouts.provider.payouts) == 2
    await payouts.assert_books_true()


@pytest.mark.trap(21)
async def test_a_transfer_that_no_list_showed_in_time_is_not_made_twice(
    payouts: Payouts,
) -> None:
    """Given up by the rule, and there after all: the campaign stands still for a person.

    Whoever lets its money go on stops it again, until all of that transfer came back.
    """
    payouts.provider.faults["create_transfer"] = ["error_after"]
    payouts.provider.list_lags = True
    await payouts.collect(1, 2, amount=5_000)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2, amount=5_000)
    await payouts.give_destination()
    for _ in range(100):
        stage = await the(payouts, 1)
        if stage.state is StageState.FAILED:
            break
        await pay(payouts, 1)
    assert (stage.state, stage.attempt.state) == (StageState.FAILED, AttemptState.TRANSFER_REFUSED)
    assert len(payouts.provider.transfers) == 1
    payouts.provider.list_lags = False
    await pay(payouts, 40)
    stage = await the(payouts, 1)
    assert len(payouts.provider.transfers) == 1 and stage.state is StageState.SUBMITTED
    stopped = payouts.brake.stopped(CAMPAIGN)
    assert stopped is not None and stopped.by == "payouts"
    (made,) = payouts.provider.transfers.values()
    for part in (0, 1, stage.sent - 1):
        if part:
            payouts.provider.reverse(made.transfer_id, part)
        payouts.brake.pulled.clear()
        await pay(payouts)
        whole = part > 1
        assert (payouts.brake.stopped(CAMPAIGN) is None) is whole
        assert len(payouts.provider.transfers) == (2 if whole else 1)
    assert (await the(payouts, 1)).state is StageState.PAID
    assert payouts.provider.accounts["acct_1"] == 0
    await payouts.assert_books_true()


@pytest.mark.trap(21)
async def test_who_was_overtaken_stops_no_money_for_the_transfer_of_who_overtook(
    payouts: Payouts,
) -> None:
    """It looks for transfers that the stage does not know, and knows the stage of before."""
    await payouts.collect(1, 2, amount=5_000)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2, amount=5_000)
    await payouts.give_destination()
    look = payouts.provider.transfers_of

    async def overtaken(stage: Stage) -> Any:
        payouts.provider.transfers_of = look  # type: ignore[method-assign]
        payouts.clock.advance(seconds=LEASE_SECONDS + 1)
        await payouts.turn()
        return await look(stage)

    payouts.provider.transfers_of = overtaken  # type: ignore[method-assign]
    await pay(payouts)
    assert payouts.brake.stopped(CAMPAIGN) is None
    assert (await the(payouts, 1)).state is StageState.PAID
    assert len(payouts.provider.transfers) == 1
