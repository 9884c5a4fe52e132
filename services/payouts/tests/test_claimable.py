"""Claimable money: tried again, paid by other means by two people, its backer reminded."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from payouts.domain.acts import OtherMeans, PaymentMethod
from payouts.domain.book import Outcome
from payouts.domain.claimable import REMINDER_DAYS, begin_reminding, remind
from payouts.domain.dispute import ProviderDisputeStatus
from payouts.domain.errors import Refused
from payouts.domain.ledger import Account
from payouts.domain.refund import Refund, RefundState, request
from payouts.handlers.claimable import (
    deny_paid_otherwise,
    tell_paid_otherwise,
    try_refund_again,
)
from payouts.handlers.refund_requests import Person
from payouts.sweeps.refunds import RemindBackers
from services.payouts.tests.builders import NOW, some_money
from services.payouts.tests.conftest import CAMPAIGN, Payouts
from services.payouts.tests.test_later_stages import CREATOR

PROOF = "a" * 64
DAY = timedelta(days=1)


async def claimable(payouts: Payouts) -> Refund:
    """A missed campaign's refund that its card refused three times."""
    payouts.provider.faults["create_refund"] = ["decline"] * 3
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.work_off()
    return await the_refund(payouts)


async def the_refund(payouts: Payouts) -> Refund:
    (refund,) = await payouts.queries.refunds(CAMPAIGN, "", 10)
    return refund


async def tried(payouts: Payouts, refund: Refund, by: str = "backer-1", after: int = 3) -> Refund:
    now = payouts.clock.now()
    return await payouts.units.run(
        lambda unit: try_refund_again(unit, CAMPAIGN, refund.refund_id, after, by, now)
    )


async def told(payouts: Payouts, refund: Refund, by: str = "staff-1", proof: str = PROOF) -> Refund:
    now = payouts.clock.now()
    means = OtherMeans(PaymentMethod.BANK_TRANSFER, proof, "wired", by, now)
    who = Person(by, CREATOR)
    return await payouts.units.run(
        lambda unit: tell_paid_otherwise(unit, CAMPAIGN, refund.refund_id, means, who, now)
    )


async def denied(payouts: Payouts, refund: Refund, by: str = "staff-3") -> Refund:
    now, who = payouts.clock.now(), Person(by, CREATOR)
    return await payouts.units.run(
        lambda unit: deny_paid_otherwise(unit, CAMPAIGN, refund.refund_id, "a slip", who, now)
    )


async def reason_of(attempt: object) -> str:
    with pytest.raises(Refused) as refused:
        await attempt  # type: ignore[misc]
    return refused.value.reason


async def balance(payouts: Payouts, account: Account) -> int:
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None
    return book.balances.get(account, 0)


async def test_a_new_try_by_the_backer_succeeds_and_is_one(payouts: Payouts) -> None:
    """Wished twice, it is tried once; the money leaves once and waits no more."""
    refund = await claimable(payouts)
    await tried(payouts, refund)
    await tried(payouts, refund)
    await payouts.work_off()
    await tried(payouts, refund)
    assert (await the_refund(payouts)).state is RefundState.SUCCEEDED
    assert payouts.provider.refunded == {"ch_1": 5_000}
    assert await balance(payouts, Account.CLAIMABLE) == 0
    await payouts.assert_books_true()


async def test_a_wish_is_taken_once_a_day_and_only_of_what_is_claimable(payouts: Payouts) -> None:
    """Each is up to three attempts; an attempt that never was is not continued."""
    refund = await claimable(payouts)
    assert await reason_of(tried(payouts, refund, after=4)) == "attempt-unknown"
    payouts.provider.faults["create_refund"] = ["decline"] * 6
    await tried(payouts, refund)
    await payouts.work_off()
    assert (await the_refund(payouts)).state is RefundState.CLAIMABLE
    assert await reason_of(tried(payouts, refund, after=6)) == "too-soon"
    payouts.clock.advance(seconds=DAY.total_seconds())
    await tried(payouts, refund, after=6)
    await payouts.work_off()
    assert len((await the_refund(payouts)).attempts) == 9
    await payouts.assert_books_true()


async def test_what_is_on_its_way_is_neither_tried_nor_paid_by_hand(payouts: Payouts) -> None:
    """Only where no attempt is left may a person act."""
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.turn_run_only()
    refund = await the_refund(payouts)
    assert await reason_of(tried(payouts, refund, after=0)) == "not-claimable"
    assert await reason_of(told(payouts, refund)) == "not-claimable"
    assert await reason_of(denied(payouts, refund)) == "not-told"


async def test_two_people_say_that_it_was_paid(payouts: Payouts) -> None:
    """Row 7: the cash that was kept for it is the platform's; nothing is sent ever after."""
    refund = await claimable(payouts)
    await told(payouts, refund)
    await told(payouts, refund)
    assert await balance(payouts, Account.CLAIMABLE) == 5_000
    assert await reason_of(tried(payouts, refund)) == "told-paid"
    assert await reason_of(told(payouts, refund, CREATOR)) == "creator-decides"
    assert await reason_of(told(payouts, refund, "backer-1")) == "backer-decides"
    assert await reason_of(told(payouts, refund, "staff-2", "b" * 64)) == "other-proof"
    paid = await told(payouts, refund, "staff-2")
    assert paid.state is RefundState.PAID_BY_OTHER_MEANS
    for again in ("staff-1", "staff-2"):
        assert await told(payouts, refund, again) == await the_refund(payouts)
    assert await reason_of(told(payouts, refund, "staff-3")) == "not-claimable"
    assert await reason_of(tried(payouts, refund)) == "not-claimable"
    await payouts.work_off()
    assert payouts.provider.refunded == {}
    (fact,) = await payouts.published("refund-paid-otherwise")
    assert (fact.fully_refunded, fact.proof) == (True, PROOF)  # type: ignore[attr-defined]
    for account in (Account.CLAIMABLE, Account.PROVIDER_BALANCE):
        assert await balance(payouts, account) == 0
    await payouts.assert_books_true()


async def test_a_word_that_falls_or_is_denied_pays_nothing(payouts: Payouts) -> None:
    """After seven days a second person's word is a first one; denied, it can be tried again.

    Who has an interest in it denies nothing: its backer would be paid by both ways.
    """
    refund = await claimable(payouts)
    await told(payouts, refund)
    payouts.clock.advance(seconds=7 * DAY.total_seconds())
    assert (await told(payouts, refund, "staff-2")).state is RefundState.CLAIMABLE
    for who, word in (("backer-1", "backer-decides"), (CREATOR, "creator-decides")):
        assert await reason_of(denied(payouts, refund, who)) == word
    await denied(payouts, refund)
    await denied(payouts, refund)
    await tried(payouts, refund)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 5_000}
    await payouts.assert_books_true()


async def test_reminders_are_facts_on_their_days_and_end_before_the_debt(payouts: Payouts) -> None:
    """Four times, each once however often it is looked at; the money still waits."""
    await claimable(payouts)
    began = payouts.clock.now()
    sweep = RemindBackers(payouts.units, payouts.queries)
    for days in range(0, 400, 1):
        now = began + days * DAY
        await sweep(now)
        assert await sweep(now) == 0
    told_on = [e.days for e in await payouts.published("claimable-reminder-due")]  # type: ignore[attr-defined]
    assert told_on == list(REMINDER_DAYS)
    assert await balance(payouts, Account.CLAIMABLE) == 5_000


@pytest.mark.parametrize(
    ("looked", "days", "following"),
    [
        (6.9, None, None),
        (7, 7, 30),
        (29, 7, 30),
        (30, 30, 90),
        (100, 90, 180),
        (180, 180, None),
        (1_000, 180, None),
    ],
)
def test_after_a_long_stop_only_the_latest_reminder_is_told(
    looked: float, days: int | None, following: int | None
) -> None:
    """Late rather than never, and never two at once."""
    asked = request(some_money(), "verdict-reached/campaign-1", NOW).refund
    waits = begin_reminding(replace(asked, state=RefundState.CLAIMABLE), NOW)
    reminder = remind(waits, NOW + looked * DAY)
    assert (reminder and reminder.days) == days
    if reminder is not None:
        expected: datetime | None = NOW + following * DAY if following else None
        assert reminder.refund.remind_at == expected
    assert remind(replace(waits, state=RefundState.REQUESTED), NOW + 99 * DAY) is None


@pytest.mark.trap(3)
@pytest.mark.parametrize("status", [ProviderDisputeStatus.WON, ProviderDisputeStatus.LOST])
async def test_a_chargeback_meets_what_somebody_says_is_paid(
    payouts: Payouts, status: ProviderDisputeStatus
) -> None:
    """It is not sent behind that person's back; denied, the dispute takes it back and decides."""
    refund = await claimable(payouts)
    await told(payouts, refund)
    payouts.provider.dispute("ch_1", 5_000, 2_000)
    await turns(payouts)
    assert (await the_refund(payouts)).state is RefundState.CLAIMABLE
    assert (await denied(payouts, refund)).state is RefundState.BLOCKED
    payouts.provider.move_dispute("dp_0", status)
    await turns(payouts)
    await payouts.work_off()
    won = status is ProviderDisputeStatus.WON
    assert payouts.provider.refunded.get("ch_1", 0) == (5_000 if won else 0)
    await payouts.assert_books_true()


@pytest.mark.trap(3)
async def test_denied_behind_a_part_that_the_bank_gave_the_rest_is_asked_for(
    payouts: Payouts,
) -> None:
    """30.00 of 50.00 were charged back meanwhile, and lost: 20.00 are owed in its place."""
    refund = await claimable(payouts)
    await told(payouts, refund)
    name = payouts.provider.dispute("ch_1", 3_000)
    payouts.provider.move_dispute(name, ProviderDisputeStatus.LOST)
    await turns(payouts)
    assert (await denied(payouts, refund)).state is RefundState.CANCELLED
    await payouts.work_off()
    [full, rest] = await payouts.units.run(lambda unit: unit.refunds.of_pledge("pledge-1"))
    assert rest.cause == f"{full.cause}/after-{full.refund_id}"
    assert (rest.state, rest.amount) == (RefundState.CLAIMABLE, 2_000)
    assert await balance(payouts, Account.BACKER_FUNDS) == 0
    assert await balance(payouts, Account.LOSS_COSTS) == 0
    await payouts.assert_books_true()


async def turns(payouts: Payouts) -> None:
    for _ in range(4):
        await payouts.turn()
        payouts.clock.advance(seconds=20)
