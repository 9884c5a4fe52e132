"""What Stripe calls cancelled ends as what failed does: nothing stands still for ever."""

import pytest

from payouts.adapters.stripe_objects import payout_schedule, payout_seen, refund_seen, transfer_seen
from payouts.domain.errors import Refused
from payouts.domain.ledger import Row
from payouts.domain.payout_attempt import AttemptState
from payouts.domain.refund import RefundState, request
from payouts.domain.refund_outcome import observe
from payouts.domain.refund_sending import RefundStep, next_step, send
from payouts.domain.stage import StageState
from payouts.domain.stage_outcome import TransferSeen, observe_payout, observe_transfer
from payouts.domain.stage_sending import StageStep, submit
from payouts.domain.stage_sending import next_step as next_stage_step
from payouts.domain.stage_sending import send as send_stage
from payouts.ports.provider import MANUAL
from services.payouts.tests.builders import NOW, a_destination, a_sent_stage, some_money


@pytest.mark.parametrize("cash", ["txn_out", None], ids=["cash left", "no cash"])
def test_a_cancelled_refund_is_tried_again(cash: str | None) -> None:
    """Whether its cash had left for it and is back, or never moved."""
    asked = request(some_money(), "verdict-reached/campaign-1", NOW)
    body = {"id": "re_1", "status": "requires_action", "metadata": {"attempt": "1"}}
    waiting = observe(
        send(asked.refund, NOW), asked.money, refund_seen(body | {"balance_transaction": cash}), NOW
    )
    assert (waiting.refund.state, waiting.refund.reason) == (
        RefundState.PENDING,
        "needs-its-backer",
    )
    back = {"failure_balance_transaction": cash and "txn_back"}
    over = body | {"status": "canceled", "balance_transaction": cash} | back
    ended = observe(waiting.refund, waiting.money, refund_seen(over), NOW)
    assert (ended.refund.state, ended.refund.reason) == (
        RefundState.FAILED,
        "cancelled-by-provider",
    )
    assert [one.row for one in ended.postings] == ([Row.REFUND_CASH_BACK] if cash else [])
    assert next_step(ended.refund, NOW) is RefundStep.SEND


def test_what_a_refund_waits_for_is_what_was_seen_last() -> None:
    """Stripe asks the backer only once it could not go on by itself, and then goes on."""
    asked = request(some_money(), "verdict-reached/campaign-1", NOW)
    refund, reasons = send(asked.refund, NOW), []
    body = {"id": "re_1", "metadata": {"attempt": "1"}}
    for status, why in [
        ("pending", "insufficient_funds"),
        ("requires_action", None),
        ("pending", "processing"),
    ]:
        shown = refund_seen(body | {"status": status, "pending_reason": why})
        refund = observe(refund, asked.money, shown, NOW).refund
        assert refund.state is RefundState.PENDING
        reasons.append(refund.reason)
    assert reasons == ["insufficient_funds", "needs-its-backer", "processing"]


def test_another_amount_than_was_asked_for_is_for_a_person() -> None:
    """Nothing is booked of it: its unit is not ours, or it is not what we asked for."""
    asked = request(some_money(), "verdict-reached/campaign-1", NOW)
    body = {"id": "x_1", "metadata": {"attempt": "1"}, "balance_transaction": "txn", "status": "ok"}
    sent, other = send(asked.refund, NOW), body | {"amount": 50}
    with pytest.raises(Refused, match="x_1 is 50, asked for was 5000"):
        observe(sent, asked.money, refund_seen(other), NOW)
    assert observe(sent, asked.money, refund_seen(body | {"amount": 5_000}), NOW).postings
    stage = a_sent_stage()
    with pytest.raises(Refused, match="x_1 is 50, asked for was 3666"):
        observe_transfer(stage, transfer_seen(other))
    moved = observe_transfer(stage, transfer_seen(body | {"amount": 3_666})).stage
    with pytest.raises(Refused, match="x_1 is 50, asked for was 3666"):
        observe_payout(send_stage(moved, NOW), payout_seen(other), NOW)


@pytest.mark.parametrize("shown", [{}, {"settings": None}, {"settings": {"payouts": None}}])
def test_a_schedule_that_is_not_shown_is_not_manual(shown: dict[str, object]) -> None:
    """Of an account that hides its settings nobody knows that it leaves its money alone."""
    assert payout_schedule(shown) == "unknown"
    manual = {"settings": {"payouts": {"schedule": {"interval": "manual"}}}}
    assert payout_schedule(shown | manual) == MANUAL


def test_a_cancelled_payout_is_sent_again_without_a_second_transfer() -> None:
    """The money is on the creator's account there already."""
    sent = observe_transfer(a_sent_stage(), TransferSeen(1, "tr_1", "txn_1")).stage
    body = {"id": "po_1", "status": "pending", "metadata": {"attempt": "1"}}
    going = observe_payout(send_stage(sent, NOW), payout_seen(body), NOW).stage
    assert going.state is StageState.IN_TRANSIT
    ended = observe_payout(going, payout_seen(body | {"status": "canceled"}), NOW).stage
    assert (ended.state, ended.attempt.state) == (StageState.FAILED, AttemptState.FAILED)
    assert ended.reason == "cancelled-by-provider"
    again = submit(ended, (), a_destination(), NOW).stage
    assert next_stage_step(again, NOW) is StageStep.SEND_PAYOUT
