"""Refunds: identity, attempts, keys, unknown answers, late failures."""

from dataclasses import replace
from datetime import timedelta

import pytest

from payouts.domain.errors import Refused
from payouts.domain.ledger import Row
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.refund import (
    Refund,
    RefundClaimable,
    RefundDecision,
    RefundFailed,
    RefundState,
    RefundSucceeded,
    refund_id_of,
    request,
)
from payouts.domain.refund_outcome import (
    ProviderRefundStatus,
    RefundSeen,
    find_absent,
    follow_earlier,
    observe,
    refuse,
    refuse_for_funds,
)
from payouts.domain.refund_sending import RefundStep, lose_sight, next_step, resend, send
from services.payouts.tests.builders import HOUR, NOW, RULES, some_money

CAUSE = "verdict-reached/campaign-1"


def a_sent() -> tuple[Refund, PledgeMoney]:
    asked = request(some_money(), CAUSE, NOW)
    return send(asked.refund, NOW), asked.money


def seen(status: ProviderRefundStatus, **changes: object) -> RefundSeen:
    begin = RefundSeen(1, "re_1", status, "txn_out", reason="expired_card")
    return replace(begin, **changes)  # type: ignore[arg-type]


def succeeded() -> RefundDecision:
    refund, money = a_sent()
    return observe(refund, money, seen(ProviderRefundStatus.SUCCEEDED), NOW)


@pytest.mark.trap(1)
def test_identity() -> None:
    """The id is a function of pledge and cause, never of the amount: equal refunds are two."""
    assert refund_id_of("a", "b") == refund_id_of("a", "b") != refund_id_of("a", "c")
    assert len({refund_id_of("a", "bc"), refund_id_of("ab", "c"), refund_id_of("b", "a")}) == 3


def test_everything_goes_back() -> None:
    """A full refund is the whole pledge, and afterwards nothing more can be asked."""
    decision = succeeded()
    assert decision.refund.amount == 5000
    assert [posting.row for posting in decision.postings] == [Row.REFUND_CASH_LEFT]
    assert decision.facts == (RefundSucceeded(decision.refund, True, NOW),)
    with pytest.raises(Refused):
        request(decision.money, "withdrawal/1", NOW)


def test_success_without_cash_waits() -> None:
    """A status alone posts nothing and ends nothing (R1)."""
    refund, money = a_sent()
    status = ProviderRefundStatus.SUCCEEDED
    decision = observe(refund, money, seen(status, balance_transaction=None), NOW)
    assert decision.refund.state is RefundState.PENDING
    assert decision.postings == () and decision.facts == ()


@pytest.mark.parametrize(
    ("age", "step"),
    [
        (timedelta(0), RefundStep.RESEND),
        (23 * HOUR - timedelta(seconds=1), RefundStep.RESEND),
        (23 * HOUR, RefundStep.LOOK_UP),
    ],
)
def test_unknown_answers(age: timedelta, step: RefundStep) -> None:
    """The same key goes out again only within 23 hours of its first send; later, look up."""
    refund, _ = a_sent()
    for state in (refund, lose_sight(refund)):
        assert next_step(state, NOW + age) is step


def test_resending_keeps_the_key_and_its_age() -> None:
    """Sending again does not make the key younger, and too old a key is refused."""
    refund, _ = a_sent()
    again = resend(refund, NOW + 22 * HOUR)
    assert again.attempt_id == refund.attempt_id
    with pytest.raises(Refused, match="looked up"):
        resend(again, NOW + 23 * HOUR)


def test_absence_counts_only_after_the_last_sender() -> None:
    """While a sender can still hold the key, "not found" is no answer; then a number is safe."""
    refund, money = a_sent()
    early = find_absent(refund, money, RULES, NOW + timedelta(seconds=100))
    assert early.refund == refund
    late = find_absent(refund, money, RULES, NOW + timedelta(seconds=101))
    assert late.refund.state is RefundState.FAILED
    assert send(late.refund, NOW + HOUR).attempt_id == f"{refund.refund_id}/2"


def test_three_failures_make_it_claimable() -> None:
    """Definite failures are tried again, the third makes it claimable at once."""
    refund, money = a_sent()
    facts: list[object] = []
    for _ in range(3):
        decision = refuse(refund, money, "declined", True, NOW)
        facts += decision.facts
        if decision.refund.state is RefundState.CLAIMABLE:
            break
        refund = send(decision.refund, NOW)
    assert [type(fact) for fact in facts] == [RefundFailed] * 3 + [RefundClaimable]
    assert [posting.row for posting in decision.postings] == [Row.REFUND_CLAIMABLE]
    assert decision.money.reserved == 5000


def test_a_hopeless_failure_is_claimable_at_once() -> None:
    """What another try cannot help is not tried again."""
    refund, money = a_sent()
    decision = refuse(refund, money, "already_refunded_elsewhere", False, NOW)
    assert decision.refund.state is RefundState.CLAIMABLE


def test_waiting_for_funds_uses_up_no_try() -> None:
    """Too little available is nobody's failure: it waits, and goes on under a new number."""
    refund, money = a_sent()
    for _ in range(5):
        waiting = refuse_for_funds(refund, money, "balance_insufficient")
        assert waiting.refund.state is RefundState.AWAITING_FUNDS and waiting.facts == ()
        refund = send(waiting.refund, NOW)
    assert (refund.failures, refund.attempt.number) == (0, 6)


@pytest.mark.trap(7)
def test_late_failure() -> None:
    """A refund that bounces after it succeeded is owed again, and another try is made."""
    paid = succeeded()
    status = ProviderRefundStatus.FAILED
    bounced = seen(status, failure_balance_transaction="txn_back")
    decision = observe(paid.refund, paid.money, bounced, NOW)
    assert decision.refund.state is RefundState.FAILED
    assert [posting.row for posting in decision.postings] == [Row.REFUND_CASH_BACK]
    assert (decision.money.returned, decision.money.reserved) == (0, 5000)
    assert next_step(decision.refund, NOW) is RefundStep.SEND


def test_failed_with_cash_still_out_waits() -> None:
    """Before the cash is seen to be back, a failed refund is not paid a second time."""
    paid = succeeded()
    decision = observe(paid.refund, paid.money, seen(ProviderRefundStatus.FAILED), NOW)
    assert decision.refund.state is RefundState.SUCCEEDED and decision.postings == ()


@pytest.mark.trap(21)
def test_an_abandoned_attempt_that_wakes_up_is_loud() -> None:
    """Cash of an attempt that was answered "absent" is refused, not booked as the next one's."""
    refund, money = a_sent()
    absent = find_absent(refund, money, RULES, NOW + HOUR).refund
    for later in (absent, send(absent, NOW + HOUR)):
        with pytest.raises(Refused) as refused:
            observe(later, money, seen(ProviderRefundStatus.SUCCEEDED), NOW + HOUR)
        assert refused.value.reason == "abandoned-attempt-woke"


@pytest.mark.trap(21)
def test_a_refusal_because_of_an_earlier_attempt_makes_that_one_the_refund() -> None:
    """Its cash is booked once, its late failure is followed, and the next number is a new one."""
    refund, money = a_sent()
    later = send(find_absent(refund, money, RULES, NOW + HOUR).refund, NOW + HOUR)
    earlier = seen(ProviderRefundStatus.SUCCEEDED)
    waits = follow_earlier(later, money, earlier, RULES, NOW + HOUR, refused=False)
    assert waits == RefundDecision(later, money), "the later one may be on its way"
    paid = follow_earlier(later, money, earlier, RULES, NOW + HOUR, refused=True)
    assert paid.refund.state is RefundState.SUCCEEDED and paid.refund.attempt.number == 1
    assert [posting.row for posting in paid.postings] == [Row.REFUND_CASH_LEFT]
    back = seen(ProviderRefundStatus.FAILED, failure_balance_transaction="txn_back", reason="late")
    failed = observe(paid.refund, paid.money, back, NOW + HOUR)
    assert failed.refund.state is RefundState.FAILED
    assert send(failed.refund, NOW + HOUR).attempt.number == 3


def test_an_earlier_attempt_without_cash_is_waited_for() -> None:
    """Pending for funds there: nothing is owed again before it has failed."""
    refund, money = a_sent()
    later = send(find_absent(refund, money, RULES, NOW + HOUR).refund, NOW + HOUR)
    pending = seen(ProviderRefundStatus.PENDING, balance_transaction=None)
    waits = follow_earlier(later, money, pending, RULES, NOW + HOUR, refused=True)
    assert waits.refund.state is RefundState.SUBMITTED and waits.postings == ()
    moved = replace(pending, balance_transaction="txn_out")
    out = follow_earlier(waits.refund, waits.money, moved, RULES, NOW + HOUR, refused=True)
    assert out.refund.state is RefundState.PENDING and out.refund.attempt.cash_is_out


def test_foreign_refunds_are_not_ours() -> None:
    """Another refund of the same attempt, other cash, or an attempt never made is refused."""
    paid = succeeded()
    status = ProviderRefundStatus.SUCCEEDED
    for changes in (
        {"provider_refund_id": "re_other"},
        {"balance_transaction": "txn_other"},
        {"attempt": 2},
    ):
        with pytest.raises(Refused):
            observe(paid.refund, paid.money, seen(status, **changes), NOW)
