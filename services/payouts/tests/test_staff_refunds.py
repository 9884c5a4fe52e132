"""Refunds that staff ask for, over fakes and MongoDB: two people, each unit once."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from prometheus_client import REGISTRY

from payouts.domain.book import Outcome
from payouts.domain.closing import outstanding
from payouts.domain.dispute import ProviderDisputeStatus
from payouts.domain.errors import Refused
from payouts.domain.ledger import Account
from payouts.domain.plan import StageKind
from payouts.domain.refund import Refund, RefundState
from payouts.domain.refund_request import Wanted
from payouts.domain.stage import StageState
from payouts.handlers.approve_refunds import ApproveRefunds
from payouts.handlers.refund_requests import (
    Person,
    Shown,
    approve_refund,
    ask_refund,
    cancel_refund,
    reject_refund,
)
from payouts.handlers.work_kinds import DISPUTE, REFUND
from payouts.ports.unit import PayoutsUnit
from payouts.sweeps.queues import MeasureQueues
from payouts.sweeps.refunds import ExpireRequests
from services.payouts.tests.builders import CEILINGS, LIMIT, a_pledge
from services.payouts.tests.conftest import CAMPAIGN, Payouts
from services.payouts.tests.fakes import ProcessDied
from services.payouts.tests.test_disputes import LOST, WON, decided, opened
from services.payouts.tests.test_later_stages import (
    CREATOR,
    approve,
    decide,
    first_paid,
    pay,
    show,
    the,
)
from services.payouts.tests.test_reconciliation import compared

WANTED = Wanted("request-1", "pledge-1", 2_000, "a broken lamp")


def staff(number: int) -> Person:
    return Person(f"staff-{number}", CREATOR)


async def asked(payouts: Payouts, wanted: Wanted = WANTED, by: Person | None = None) -> Refund:
    now, who = payouts.clock.now(), by or staff(1)
    return await payouts.units.run(lambda unit: ask_refund(unit, CAMPAIGN, wanted, who, now))


async def approved(payouts: Payouts, refund: Refund, by: Person | None = None) -> Refund:
    shown = Shown(refund.amount, refund.currency, refund.advance_max)
    funds = await payouts.stages.funds.read_to_lend("EUR")
    now, who = payouts.clock.now(), by or staff(2)
    return await payouts.units.run(
        lambda unit: approve_refund(
            unit, CAMPAIGN, refund.refund_id, shown, who, funds, CEILINGS, now
        )
    )


async def cancelled(payouts: Payouts, refund: Refund) -> Refund:
    now = payouts.clock.now()
    return await payouts.units.run(
        lambda unit: cancel_refund(unit, CAMPAIGN, refund.refund_id, "a slip", staff(1), now)
    )


async def current(payouts: Payouts, refund: Refund) -> Refund:
    found = await payouts.queries.refund(CAMPAIGN, refund.refund_id)
    assert found is not None
    return found


async def balance(payouts: Payouts, account: Account) -> int:
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None
    return book.balances.get(account, 0)


@pytest.mark.trap(1)
async def test_equal_parts_under_two_ids_are_two_and_under_one_id_one(payouts: Payouts) -> None:
    """Each goes back once, by the provider's own book; only the last one is the full refund."""
    await payouts.collect(1, 2)
    for request_id in ("request-1", "request-2", "request-1"):
        refund = await asked(payouts, replace(WANTED, request_id=request_id))
        await approved(payouts, refund)
        await approved(payouts, refund)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 4_000}
    await approved(payouts, await asked(payouts, replace(WANTED, request_id="rest", amount=1_000)))
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 5_000}
    told = await payouts.published("refund-succeeded")
    assert [event.fully_refunded for event in told] == [False, False, True]  # type: ignore[attr-defined]
    assert await balance(payouts, Account.BACKER_FUNDS) == 5_000
    with pytest.raises(Refused, match="cannot be returned"):
        await asked(payouts, replace(WANTED, request_id="more", amount=1))
    await payouts.assert_books_true()


async def test_nothing_moves_before_a_second_person_has_approved(payouts: Payouts) -> None:
    """Asked for and left alone, it holds back no unit and calls nobody; then it expires, told."""
    await payouts.collect(1)
    refund = await asked(payouts)
    await payouts.work_off()
    assert await balance(payouts, Account.BACKER_FUNDS) == 5_000
    assert payouts.provider.calls == []
    expire = ExpireRequests(payouts.units, payouts.queries)
    payouts.clock.advance(seconds=7 * 86_400 - 1)
    assert await expire(payouts.clock.now()) == 0
    assert await expire.oldest_due() == refund.created_at + timedelta(days=7)
    payouts.clock.advance(seconds=1)
    assert await expire(payouts.clock.now()) == 1
    assert await expire(payouts.clock.now()) == 0 and await expire.oldest_due() is None
    assert (await current(payouts, refund)).state is RefundState.REFUSED
    (told,) = await payouts.published("refund-refused")
    assert told.reason == "approval-expired"  # type: ignore[attr-defined]
    assert await payouts.published("refund-created") == []


async def test_two_staff_race_for_the_same_approval(payouts: Payouts) -> None:
    """One of them approves, the other hears that it is decided; it is owed once."""
    await payouts.collect(1)
    refund = await asked(payouts)
    answers = await asyncio.gather(
        *(approved(payouts, refund, staff(number)) for number in range(2, 7)),
        return_exceptions=True,
    )
    won = [one for one in answers if isinstance(one, Refund)]
    lost = [one.reason for one in answers if isinstance(one, Refused)]
    assert len(won) == 1 and lost == ["already-decided"] * 4
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 2_000}
    assert len((await current(payouts, refund)).acts) == 2
    await payouts.assert_books_true()


async def test_approval_races_rejection_and_cancellation(payouts: Payouts) -> None:
    """Whichever is saved first holds, and what was taken back is not sent."""
    await payouts.collect(1)
    refund = await asked(payouts)
    now = payouts.clock.now()
    await asyncio.gather(
        approved(payouts, refund),
        payouts.units.run(
            lambda unit: reject_refund(unit, CAMPAIGN, refund.refund_id, "no", staff(3), now)
        ),
        cancelled(payouts, refund),
        return_exceptions=True,
    )
    await payouts.work_off()
    ended = await current(payouts, refund)
    sent = payouts.provider.refunded.get("ch_1", 0)
    assert sent == (2_000 if ended.state is RefundState.SUCCEEDED else 0)
    assert await balance(payouts, Account.BACKER_FUNDS) == 5_000 - sent
    assert len(await payouts.published("refund-refused")) == (sent == 0)
    await payouts.assert_books_true()


async def test_taken_back_before_it_is_sent(payouts: Payouts) -> None:
    """The work that was offered ends by itself, nothing is called, all is held as before."""
    await payouts.collect(1)
    refund = await approved(payouts, await asked(payouts))
    assert await balance(payouts, Account.BACKER_FUNDS) == 3_000
    await cancelled(payouts, refund)
    await payouts.work_off()
    assert payouts.provider.calls == []
    assert await balance(payouts, Account.BACKER_FUNDS) == 5_000
    assert await balance(payouts, Account.REFUNDS_IN_FLIGHT) == 0
    with pytest.raises(Refused) as refused:
        await approved(payouts, refund, staff(3))
    assert refused.value.reason == "already-decided"
    await payouts.assert_books_true()


async def test_a_missed_goal_takes_the_rest_and_refuses_what_nobody_approved(
    payouts: Payouts,
) -> None:
    """The run returns what is not on its way already; nothing of a pledge is returned twice."""
    await payouts.collect(1, 2)
    on_its_way = await approved(payouts, await asked(payouts))
    late = await asked(payouts, replace(WANTED, request_id="late", pledge_id="pledge-2"))
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 2)
    await payouts.turn_run_only()
    with pytest.raises(Refused) as refused:
        await cancelled(payouts, on_its_way)
    assert refused.value.reason == "owed-anyway"
    assert (await approved(payouts, late)).reason == "not-returnable"
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 5_000, "ch_2": 5_000}
    assert await balance(payouts, Account.PROVIDER_BALANCE) == 0
    await payouts.assert_books_true()


async def test_a_part_goes_back_before_the_last_stage(payouts: Payouts) -> None:
    """What a refund takes of a met campaign is not paid to its creator; fees stay the same."""
    await first_paid(payouts)
    await approved(payouts, await asked(payouts))
    await pay(payouts)
    await show(payouts, 2)
    await decide(payouts, 2)
    with pytest.raises(Refused):
        await approve(payouts, 2, 3_001)
    second = await the(payouts, 2)
    assert second.state.value == "due"
    await payouts.assert_books_true()


async def last_milestone_approved(payouts: Payouts) -> None:
    """Two pledges of 5 000, two stages paid, and the third only waits for its approval."""
    await first_paid(payouts)
    await show(payouts, 2)
    await decide(payouts, 2)
    await approve(payouts, 2, 3_000, limit=LIMIT)
    await pay(payouts)
    await show(payouts, 3)
    await decide(payouts, 3)


async def all_stages_paid(payouts: Payouts) -> None:
    """Two pledges of 5 000, all three stages paid: the campaign holds nothing more."""
    await last_milestone_approved(payouts)
    await approve(payouts, 3, 5_000 - 1_020, limit=LIMIT)
    await pay(payouts)
    assert await balance(payouts, Account.BACKER_FUNDS) == 0


async def test_the_platform_lends_only_where_two_people_said_so(payouts: Payouts) -> None:
    """Without it the campaign holds too little; with it the creator owes what was lent."""
    await all_stages_paid(payouts)
    with pytest.raises(Refused) as refused:
        await asked(payouts)
    assert refused.value.reason == "above-campaign-funds"
    refund = await asked(payouts, replace(WANTED, advance_max=2_000))
    await approved(payouts, refund)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 2_000}
    assert await balance(payouts, Account.CREATOR_RECEIVABLE) == 2_000
    await payouts.assert_books_true()


async def test_an_advance_waits_for_the_platforms_own_money(payouts: Payouts) -> None:
    """R2: no other campaign's backers lend; the approval says what is missing, and goes later."""
    await all_stages_paid(payouts)
    refund = await asked(payouts, replace(WANTED, advance_max=2_000))
    kept, payouts.provider.cash = payouts.provider.cash, 1_500 + await booked(payouts)
    payouts.clock.advance(seconds=2)
    payouts = payouts.crashed()
    with pytest.raises(Refused, match="500 short"):
        await approved(payouts, refund)
    assert (await current(payouts, refund)).state is RefundState.AWAITING_APPROVAL
    payouts.provider.cash = kept
    payouts = payouts.crashed()
    assert (await approved(payouts, refund)).advanced == 2_000


async def test_a_payment_that_no_book_has_yet_is_not_lent(payouts: Payouts) -> None:
    """It was captured before its fact is here: in the provider's total, and somebody's pledge.

    Neither while it is new, nor once the reconciliation holds it in suspense; its book frees none.
    """
    await all_stages_paid(payouts)
    refund = await asked(payouts, replace(WANTED, advance_max=2_000))
    float_before = payouts.provider.cash - await booked(payouts)
    payouts.provider.put_in(-float_before)
    late = a_pledge(9, counted=False)
    payouts.capture([late])
    with pytest.raises(Refused, match="2000 short"):
        await approved(payouts, refund)
    await compared(payouts)
    # The suspense is of the whole payment: the provider's fee of it is the platform's.
    with pytest.raises(Refused, match="2030 short"):
        await approved(payouts, refund)
    await payouts.hear_collected({9: late})
    await compared(payouts)
    with pytest.raises(Refused, match="2030 short"):
        await approved(payouts, refund)
    payouts.provider.put_in(2_030)
    assert (await approved(payouts, refund)).advanced == 2_000


async def test_what_may_not_have_left_yet_is_not_lent(payouts: Payouts) -> None:
    """A refund may be in its call: its cash is in the provider's total, and another's money."""
    await all_stages_paid(payouts)
    refund = await asked(payouts, replace(WANTED, advance_max=2_000))
    await payouts.collect(9, counted=False)
    payouts.provider.put_in(await booked(payouts) - payouts.provider.cash)
    payouts.provider.faults["create_refund"] = ["crash_before"]
    (claim,) = await payouts.claim(REFUND)
    with pytest.raises(ProcessDied):
        await payouts.refunds(claim)
    payouts = payouts.crashed()
    with pytest.raises(Refused, match="2000 short"):
        await approved(payouts, refund)
    payouts.provider.put_in(2_000)
    assert (await approved(payouts, refund)).advanced == 2_000
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 2_000, "ch_9": 5_000}
    await payouts.assert_books_true()


async def test_two_processes_do_not_lend_the_same_money(payouts: Payouts) -> None:
    """Both read the float before either was saved: one of them reads again, and it is not there."""
    await all_stages_paid(payouts)
    wanted = [replace(WANTED, request_id=name, advance_max=2_000) for name in ("one", "other")]
    refunds = [await asked(payouts, one) for one in wanted]
    payouts.provider.cash = 3_000 + await booked(payouts)
    payouts.clock.advance(seconds=2)
    processes = [payouts.crashed() for _ in refunds]
    answers = await asyncio.gather(
        *(lends(process, one) for process, one in zip(processes, refunds, strict=True)),
        return_exceptions=True,
    )
    assert [type(one) for one in answers if not isinstance(one, Refused)] == [Refund]
    assert [one.reason for one in answers if isinstance(one, Refused)] == ["top-up-needed"]
    assert await balance(payouts, Account.CREATOR_RECEIVABLE) == 2_000
    await payouts.assert_books_true()


async def test_an_old_reading_of_the_float_lends_nothing(payouts: Payouts) -> None:
    """Who read before another one was saved is told so, whatever the reading said."""
    await all_stages_paid(payouts)
    refunds = [
        await asked(payouts, replace(WANTED, request_id=name, amount=500, advance_max=500))
        for name in ("one", "other")
    ]
    funds, now = await payouts.stages.funds.read_to_lend("EUR"), payouts.clock.now()
    first, second = (
        partial(
            approve_refund,
            campaign_id=CAMPAIGN,
            refund_id=refund.refund_id,
            shown=Shown(500, "EUR", 500),
            person=staff(2),
            funds=funds,
            ceilings=CEILINGS,
            now=now,
        )
        for refund in refunds
    )
    assert (await payouts.units.run(first)).advanced == 500
    with pytest.raises(Refused) as refused:
        await payouts.units.run(second)
    assert refused.value.reason == "float-moved"
    assert await balance(payouts, Account.CREATOR_RECEIVABLE) == 500


async def lends(payouts: Payouts, refund: Refund) -> Refund:
    """Approve it as the API does, in a process of its own."""
    approve = ApproveRefunds(
        payouts.units, payouts.queries, payouts.stages.funds, CEILINGS, payouts.clock
    )
    shown = Shown(refund.amount, refund.currency, refund.advance_max)
    return await approve(CAMPAIGN, refund.refund_id, shown, "staff-2")


async def booked(payouts: Payouts) -> int:
    return await balance(payouts, Account.PROVIDER_BALANCE)


@pytest.mark.parametrize("fault", ["crash_before", "crash_after", "timeout_after", "error_after"])
@pytest.mark.trap(1)
async def test_a_part_is_sent_once_whatever_happens_to_its_call(
    payouts: Payouts, fault: str
) -> None:
    """Another part of the same pledge is not taken for it, nor it for the other."""
    await payouts.collect(1)
    payouts.provider.faults["create_refund"] = [fault]
    for request_id in ("request-1", "request-2"):
        await approved(payouts, await asked(payouts, replace(WANTED, request_id=request_id)))
    try:
        await payouts.turn()
    except ProcessDied:
        payouts = payouts.crashed()
        payouts.clock.advance(seconds=60)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 4_000}
    assert await balance(payouts, Account.BACKER_FUNDS) == 1_000
    await payouts.assert_books_true()


async def test_the_queue_is_oldest_first_over_all_campaigns(payouts: Payouts) -> None:
    """Page by page nothing is left out and nothing is shown twice."""
    await payouts.collect(1, 2)
    made = []
    for number in range(5):
        wanted = replace(WANTED, request_id=f"request-{number}", amount=1)
        made.append(await asked(payouts, wanted))
        payouts.clock.advance(seconds=number % 2)
    state, after = RefundState.AWAITING_APPROVAL, None
    found: list[Refund] = []
    while page := await payouts.queries.refund_queue(state, after, 2):
        found += page
        after = (page[-1].created_at, page[-1].refund_id)
    assert [r.refund_id for r in found] == [
        r.refund_id for r in sorted(made, key=lambda r: (r.created_at, r.refund_id))
    ]
    assert await payouts.queries.refund_queue(RefundState.REQUESTED, None, 2) == []


async def test_what_waits_for_a_second_person_is_measured(payouts: Payouts) -> None:
    """Staff see on one figure that somebody is needed."""
    await payouts.collect(1)
    refund = await asked(payouts)
    measure: Callable[[], object] = partial(
        REGISTRY.get_sample_value, "sosst_payouts_approvals_waiting"
    )
    await MeasureQueues(payouts.queries)(payouts.clock.now())
    assert measure() == 1
    await approved(payouts, refund)
    await MeasureQueues(payouts.queries)(payouts.clock.now() + timedelta(seconds=1))
    assert measure() == 0


async def test_a_pledge_of_another_campaign_is_unknown(payouts: Payouts) -> None:
    """Nor is a refund of one campaign decided through another one's path."""
    await payouts.collect(1)
    with pytest.raises(Refused) as refused:
        await asked(payouts, replace(WANTED, pledge_id="pledge-9"))
    assert refused.value.reason == "pledge-unknown"
    refund, now = await asked(payouts), payouts.clock.now()

    async def elsewhere(unit: PayoutsUnit) -> Refund:
        return await cancel_refund(unit, "campaign-9", refund.refund_id, "a slip", staff(1), now)

    with pytest.raises(Refused) as refused:
        await payouts.units.run(elsewhere)
    assert refused.value.reason == "refund-unknown"


async def test_a_part_and_then_the_pledge_is_withdrawn(payouts: Payouts) -> None:
    """The backer gets the rest; the two together are the pledge, and every sum agrees."""
    await payouts.collect(1)
    await approved(payouts, await asked(payouts))
    await payouts.work_off()
    await payouts.withdraw(1, 2)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 5_000}
    await payouts.assert_books_true()


WHOLE = replace(WANTED, amount=5_000)


@pytest.mark.trap(2)
async def test_nobody_takes_back_the_refund_of_a_pledge_that_was_withdrawn_behind_it(
    payouts: Payouts,
) -> None:
    """All of it was given when the withdrawal was heard: it stays, and no fee is taken of it."""
    await payouts.collect(1, 2)
    refund = await approved(payouts, await asked(payouts, WHOLE))
    await payouts.withdraw(1, 3)
    with pytest.raises(Refused) as refused:
        await cancelled(payouts, refund)
    assert refused.value.reason == "owed-anyway"
    await payouts.hear_verdict(Outcome.GOAL_MET, 1, sequence=3)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 5_000}
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None and book.fee_base == 5_000
    await payouts.assert_books_true()


@pytest.mark.trap(3)
async def test_what_a_bank_left_of_a_withdrawn_pledge_is_owed(payouts: Payouts) -> None:
    """A part is charged back, which ends the refund that held all of it: the rest is asked for."""
    await payouts.collect(1, 2)
    refund = await approved(payouts, await asked(payouts, WHOLE))
    await payouts.withdraw(1, 3)
    dispute = payouts.provider.dispute("ch_1", 2_000)
    await payouts.follow_cash(payouts.clock.now())
    for claim in await payouts.claim(DISPUTE):
        await payouts.disputes(claim)
    assert (await current(payouts, refund)).state is RefundState.BLOCKED
    await decided(payouts, dispute, LOST)
    assert (await current(payouts, refund)).state is RefundState.CANCELLED
    rest = {one.cause: one.amount for one in await payouts.queries.refunds(CAMPAIGN, "", 10)}
    assert rest == {refund.cause: 5_000, "withdrawal/pledge-1": 3_000}
    assert await balance(payouts, Account.BACKER_FUNDS) == 5_000
    await payouts.assert_books_true()


async def test_an_advance_that_is_taken_back_is_owed_no_more(payouts: Payouts) -> None:
    """Row 8: what the platform had lent is its own again, the book is as it was."""
    await all_stages_paid(payouts)
    before = await payouts.queries.book(CAMPAIGN)
    refund = await approved(payouts, await asked(payouts, replace(WANTED, advance_max=2_000)))
    await payouts.assert_books_true()
    assert (await cancelled(payouts, refund)).advanced == 0
    after = await payouts.queries.book(CAMPAIGN)
    assert before is not None and after is not None
    assert {a: n for a, n in after.balances.items() if n} == {
        a: n for a, n in before.balances.items() if n
    }
    await payouts.assert_books_true()


async def test_what_is_taken_back_after_the_last_stage_is_a_supplement(payouts: Payouts) -> None:
    """Row 22: nobody gets it back any more, so it is the creator's, approved as any stage."""
    await last_milestone_approved(payouts)
    refund = await approved(payouts, await asked(payouts))
    await approve(payouts, 3, 5_000 - 1_020 - 2_000, limit=LIMIT)
    for _ in range(2):
        await cancelled(payouts, refund)
    await pay(payouts)
    supplement = await the(payouts, 4)
    assert (supplement.kind, supplement.state) == (StageKind.SUPPLEMENT, StageState.DUE)
    assert supplement.amount == 2_000
    await payouts.assert_books_true()


async def test_a_supplement_whose_money_is_spent_ends_by_itself(payouts: Payouts) -> None:
    """A chargeback took what was there for it: nobody has to approve nothing."""
    await last_milestone_approved(payouts)
    refund = await approved(payouts, await asked(payouts))
    await approve(payouts, 3, 5_000 - 1_020 - 2_000, limit=LIMIT)
    await cancelled(payouts, refund)
    await pay(payouts)
    await decided(payouts, await opened(payouts, 2, 5_000), LOST)
    await pay(payouts)
    supplement = await the(payouts, 4)
    assert (supplement.state, supplement.amount) == (StageState.NOTHING_TO_PAY, 0)
    await payouts.assert_books_true()


async def test_what_waits_for_a_bank_is_not_given_to_another_backer(payouts: Payouts) -> None:
    """A blocked refund's money lies there for its own backer; more than the rest would be lent."""
    await last_milestone_approved(payouts)
    await payouts.brake.stop(CAMPAIGN, "staff-9", "a look")
    await approved(payouts, await asked(payouts))
    await opened(payouts, 1, 500)
    # Of 50.00 the bank has 5.00, and 15.00 more are the blocked refund's.
    other = replace(WANTED, request_id="other", pledge_id="pledge-2", amount=3_001)
    with pytest.raises(Refused, match="1 less"):
        await asked(payouts, other)
    lent = await asked(payouts, replace(other, advance_max=1))
    assert (await approved(payouts, lent)).advanced == 1
    await payouts.assert_books_true()


@pytest.mark.parametrize("verdict", [WON, LOST])
async def test_what_waits_for_a_bank_is_no_supplement(
    payouts: Payouts, verdict: ProviderDisputeStatus
) -> None:
    """Row 22: a late pledge's refund is blocked; its money is not the creator's."""
    await all_stages_paid(payouts)
    await payouts.collect(3, counted=False)
    dispute = await opened(payouts, 3, 2_000)
    assert len(await payouts.queries.stages(CAMPAIGN)) == 3
    await decided(payouts, dispute, verdict)
    await payouts.work_off()
    assert len(await payouts.queries.stages(CAMPAIGN)) == 3
    went, waits = payouts.provider.refunded, await balance(payouts, Account.CLAIMABLE)
    # Of a payment that its bank took the provider returns no more: the rest is claimable.
    assert (went, waits) == (({"ch_3": 5_000}, 0) if verdict is WON else ({}, 3_000))
    kept = await payouts.checks.kept(CAMPAIGN)
    assert (outstanding(kept) == []) == (verdict is WON)
    await payouts.assert_books_true()


async def test_what_was_lent_a_moment_ago_is_not_lent_again(payouts: Payouts) -> None:
    """R2: each approval reads anew what the platform has; the second of two is short of it."""
    await all_stages_paid(payouts)
    first, second = [
        await asked(payouts, replace(WANTED, request_id=name, amount=1_500, advance_max=1_500))
        for name in ("request-1", "request-2")
    ]
    payouts.provider.cash = 2_000 + await booked(payouts)
    payouts = payouts.crashed()
    assert (await approved(payouts, first)).advanced == 1_500
    with pytest.raises(Refused, match="1000 short"):
        await approved(payouts, second)


async def test_a_run_over_the_whole_campaign_goes_first(payouts: Payouts) -> None:
    """While shares are frozen or pages are made nobody takes a part out of what is divided."""
    await payouts.collect(1, 2)
    refund = await asked(payouts)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 2)
    with pytest.raises(Refused) as refused:
        await asked(payouts, replace(WANTED, request_id="late"))
    assert refused.value.reason == "run-unfinished"
    assert (await approved(payouts, refund)).reason == "run-unfinished"
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 5_000, "ch_2": 5_000}
