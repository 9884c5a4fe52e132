"""Between its submission and its transfer a stage may wait for days: the gate is asked again.

A worker that dies right after submitting stands for whatever keeps the transfer here so long: a
brake, the provider's pace, a process that is not started again.
"""

from dataclasses import dataclass, replace
from datetime import datetime

import pytest

from infra.servicekit.tests.costs import Cost, cost_of
from payouts.domain.holds import Hold, HoldKind
from payouts.domain.payout_attempt import AttemptState
from payouts.domain.reconciliation import Break, BreakKind
from payouts.domain.stage import Stage, StageState
from payouts.handlers.holds import place_hold, release_hold
from payouts.handlers.work_kinds import STAGE
from servicekit.mongo import Database
from servicekit.work import Claim
from services.payouts.tests.builders import NOW
from services.payouts.tests.conftest import CAMPAIGN, Payouts, mongo_payouts
from services.payouts.tests.test_disputes import assert_true, opened
from services.payouts.tests.test_later_stages import approve, pay, run, second_due, the
from services.payouts.tests.unsteady import ReadsAnew

AMOUNT = 3_000
DAY = 86_400


def a_break(number: int = 1, campaign_id: str = CAMPAIGN) -> Break:
    return Break(
        kind=BreakKind.NOT_AT_PROVIDER,
        account="",
        balance_transaction=f"txn_lost_{number}",
        type="charge",
        currency="EUR",
        amount=-4_970,
        detail="only the book has it",
        first_seen_at=NOW,
        campaign_id=campaign_id,
    )


async def find_break(payouts: Payouts) -> None:
    await payouts.reconciliation.open_breaks([a_break()])


async def explain_break(payouts: Payouts) -> None:
    found = await payouts.reconciliation.break_(a_break().break_id)
    assert found is not None
    await payouts.reconciliation.save_break(replace(found, gone_at=payouts.clock.now()))


async def work_of(payouts: Payouts, number: int) -> Claim:
    claims = await payouts.claim(STAGE)
    (claim,) = [one for one in claims if one.item.payload["number"] == number]
    return claim


async def submitted(payouts: Payouts) -> Stage:
    """The second stage has passed the gate, and its worker is gone before the transfer."""
    await second_due(payouts)
    await approve(payouts, 2, AMOUNT)
    payouts.clock.advance(seconds=90)
    claim = await work_of(payouts, 2)
    await payouts.stages._submit(claim, await the(payouts, 2))
    stage = await the(payouts, 2)
    assert (stage.state, stage.attempt.state) == (StageState.SUBMITTED, AttemptState.INTENDED)
    return stage


def transfers(payouts: Payouts) -> int:
    return len(payouts.provider.transfers)


async def test_a_transfer_waits_for_cash_that_was_found_missing_since(payouts: Payouts) -> None:
    """The line says so; once it is explained the transfer that was submitted leaves, once."""
    await submitted(payouts)
    await find_break(payouts)
    await pay(payouts)
    stage = await the(payouts, 2)
    assert (stage.state, stage.reason) == (StageState.SUBMITTED, "booked_cash")
    assert transfers(payouts) == 1
    await explain_break(payouts)
    await pay(payouts)
    paid = await the(payouts, 2)
    assert (paid.state, paid.reason, len(paid.attempts)) == (StageState.PAID, None, 1)
    assert transfers(payouts) == 2
    await assert_true(payouts)


async def test_a_transfer_waits_for_the_float_that_went_since(payouts: Payouts) -> None:
    """No other campaign's money pays for it."""
    payouts = replace(payouts, funds_reader=ReadsAnew)
    await submitted(payouts)
    payouts.provider.put_in(-1_000_000)
    await pay(payouts)
    assert (await the(payouts, 2)).reason == "provider_funds" and transfers(payouts) == 1
    payouts.provider.put_in(1_000_000)
    await pay(payouts)
    assert (await the(payouts, 2)).state is StageState.PAID and transfers(payouts) == 2
    await assert_true(payouts)


async def test_a_hold_meets_a_stage_whose_transfer_was_not_asked_for(payouts: Payouts) -> None:
    """It stands still and its approval falls, as before its submission; nobody hears of failure."""
    await submitted(payouts)
    hold = Hold("hold-1", HoldKind.STAFF, "a question", "staff-4", NOW)
    await run(payouts, lambda unit: place_hold(unit, CAMPAIGN, hold, payouts.clock.now()))
    await pay(payouts)
    held = await the(payouts, 2)
    assert (held.state, held.approval, held.failures) == (StageState.HELD, None, 0)
    assert transfers(payouts) == 1 and await payouts.published("stage-failed") == []
    await assert_true(payouts)
    await run(
        payouts, lambda unit: release_hold(unit, CAMPAIGN, "hold-1", "staff-4", payouts.clock.now())
    )
    await approve(payouts, 2, AMOUNT)
    await pay(payouts)
    paid = await the(payouts, 2)
    assert (paid.state, paid.attempt.number) == (StageState.PAID, 2) and transfers(payouts) == 2
    await assert_true(payouts)


async def test_an_approval_falls_with_its_destination_before_the_transfer(
    payouts: Payouts,
) -> None:
    """The account that was approved is no longer the creator's: nothing leaves for it."""
    await submitted(payouts)
    await payouts.give_destination("acct_2")
    await pay(payouts)
    due = await the(payouts, 2)
    assert (due.state, due.approval) == (StageState.DUE, None) and transfers(payouts) == 1
    await approve(payouts, 2, AMOUNT, version=2)
    await pay(payouts)
    paid = await the(payouts, 2)
    assert (paid.state, paid.attempt.account) == (StageState.PAID, "acct_2")
    await assert_true(payouts)


async def test_an_approval_expires_before_the_transfer_too(payouts: Payouts) -> None:
    """After seven days nobody's signature stands, submitted or not."""
    await submitted(payouts)
    payouts.clock.advance(seconds=8 * DAY)
    await pay(payouts)
    due = await the(payouts, 2)
    assert (due.state, due.approval) == (StageState.DUE, None) and transfers(payouts) == 1
    await assert_true(payouts)


async def test_a_chargeback_takes_back_what_was_not_asked_for(payouts: Payouts) -> None:
    """Its reserve is what the stage's money was: it is approved again as what is left."""
    await submitted(payouts)
    await opened(payouts, 2)
    await pay(payouts)
    stage = await the(payouts, 2)
    assert (stage.state, stage.approval) == (StageState.DUE, None) and transfers(payouts) == 1
    await assert_true(payouts)


@pytest.mark.parametrize("fault", ["rate_limited", "timeout_after"])
async def test_a_transfer_without_an_answer_is_looked_up_at_a_shut_gate(
    payouts: Payouts, fault: str
) -> None:
    """One that was made goes on to the bank; one that was not is asked for when the gate opens."""
    await submitted(payouts)
    payouts.clock.advance(seconds=60)
    payouts.provider.faults["create_transfer"] = [fault]
    await payouts.turn()
    assert (await the(payouts, 2)).attempt.state is not AttemptState.INTENDED
    await find_break(payouts)
    await pay(payouts)
    made = fault == "timeout_after"
    asked = [key for operation, key in payouts.provider.calls if operation == "create_transfer"]
    assert len(asked) == 2 and transfers(payouts) == 1 + int(made)
    assert ((await the(payouts, 2)).state is StageState.PAID) == made
    await explain_break(payouts)
    await pay(payouts, 60)
    paid = await the(payouts, 2)
    assert (paid.state, paid.failures) == (StageState.PAID, 0) and transfers(payouts) == 2
    await assert_true(payouts)


@dataclass
class FoundMeanwhile:
    """A view that has read everything, while the reconciliation finds a break."""

    payouts: Payouts

    async def fresh_since(self, decision_id: str) -> datetime | None:
        await find_break(self.payouts)
        return self.payouts.clock.now()


async def test_the_gate_sees_cash_that_was_found_missing_a_moment_ago(payouts: Payouts) -> None:
    """It is read in the transaction that submits, as everything that the database knows."""
    await second_due(payouts)
    await approve(payouts, 2, AMOUNT)
    payouts.clock.advance(seconds=90)
    stages = replace(payouts.stages, freshness=FoundMeanwhile(payouts))
    await stages._submit(await work_of(payouts, 2), await the(payouts, 2))
    stage = await the(payouts, 2)
    assert (stage.state, stage.reason) == (StageState.APPROVED, "booked_cash")


async def test_a_campaigns_open_breaks_are_read_alone(database: Database) -> None:
    """Neither what others' books miss nor what is explained is read for it, or sorted."""
    payouts = mongo_payouts(database)
    others = [a_break(number, f"campaign-{number}") for number in range(100, 400)]
    gone = [replace(a_break(number), gone_at=NOW) for number in range(400, 700)]
    mine = [a_break(number) for number in range(3)]
    await payouts.reconciliation.open_breaks([*others, *gone, *mine])
    cost = await cost_of(database, lambda: payouts.units.run(lambda u: u.breaks.open_of(CAMPAIGN)))
    assert cost == Cost(documents=3, keys=3, returned=3)
