"""Stages: approval by the verdict, two legs, a bounce that is never transferred twice."""

from datetime import timedelta

import pytest

from payouts.domain.destination import give
from payouts.domain.errors import Refused
from payouts.domain.ledger import Row
from payouts.domain.payout_attempt import AttemptState
from payouts.domain.stage import Stage, StageState, make_due
from payouts.domain.stage_approval import approve_by_verdict, drop_approval
from payouts.domain.stage_outcome import (
    PayoutSeen,
    ProviderPayoutStatus,
    TransferSeen,
    find_absent,
    observe_payout,
    observe_transfer,
    refuse,
)
from payouts.domain.stage_sending import StageStep, next_step, send, submit
from services.payouts.tests.builders import (
    HOUR,
    LIMIT,
    NOW,
    RULES,
    a_destination,
    a_sent_stage,
    an_approved_stage,
    the_stages,
)

TRANSFER = TransferSeen(1, "tr_1", "txn_tr")
PAID = PayoutSeen(1, "po_1", ProviderPayoutStatus.PAID, "txn_po")
BOUNCED = PayoutSeen(1, "po_1", ProviderPayoutStatus.FAILED, "txn_po", "txn_back", "no_account")


def a_paid_stage() -> Stage:
    transferred = observe_transfer(a_sent_stage(), TRANSFER)
    assert [posting.row for posting in transferred.postings] == [Row.STAGE_CASH]
    paid = observe_payout(send(transferred.stage, NOW), PAID, NOW)
    assert [posting.row for posting in paid.postings] == [Row.STAGE_CASH]
    return paid.stage


def test_paid_by_two_legs() -> None:
    """Transfer, payout, confirmation: the stage is paid with one posting per leg."""
    stage = a_paid_stage()
    assert stage.state is StageState.PAID and stage.paid_at == NOW
    assert next_step(stage, NOW) is StageStep.REST


def test_the_verdict_approves_within_limits() -> None:
    """Above the limit, for another stage, or without a verified destination, a person is needed."""
    first = make_due(the_stages()[0], 3666, NOW).stage
    second = make_due(the_stages()[1], 5499, NOW).stage
    unverified = give(None, "campaign-1", "sandbox", "acct_1", NOW)
    for stage, amount, destination in (
        (first, LIMIT + 1, a_destination()),
        (second, 5499, a_destination()),
        (first, 3666, unverified),
    ):
        with pytest.raises(Refused):
            approve_by_verdict(stage, amount, destination, LIMIT, NOW)


def test_nothing_to_pay() -> None:
    """A stage of zero ends without a posting."""
    due = make_due(the_stages(0)[0], 0, NOW).stage
    decision = approve_by_verdict(due, 0, a_destination(), LIMIT, NOW)
    assert decision.stage.state is StageState.NOTHING_TO_PAY and decision.postings == ()


def test_an_approval_that_falls_can_be_given_again() -> None:
    """Each approval has its own cause, so that falling and approving again are all posted."""
    first = an_approved_stage()
    due = drop_approval(first, "destination-changed")
    again = approve_by_verdict(due.stage, 3666, a_destination(), LIMIT, NOW)
    assert again.stage.approval_id != first.approval_id
    assert due.postings[0].entries[0].debit == again.postings[0].entries[0].credit


@pytest.mark.trap(7)
def test_a_bounced_payout_is_paid_from_the_connected_account() -> None:
    """After a late failure the next attempt is a payout only, to the account that has the money."""
    bounced = observe_payout(a_paid_stage(), BOUNCED, NOW)
    assert [posting.row for posting in bounced.postings] == [Row.STAGE_LATE_FAILURE]
    again = submit(bounced.stage, (), a_destination(), NOW)
    assert again.postings == ()
    assert next_step(again.stage, NOW) is StageStep.SEND_PAYOUT
    assert again.stage.attempt.transfer_id == "tr_1"
    assert again.stage.payout_key != bounced.stage.payout_key


def test_a_bounce_without_its_cash_waits() -> None:
    """A confirmed payout called failed is not paid again before the money is seen to be back."""
    status = ProviderPayoutStatus.FAILED
    decision = observe_payout(a_paid_stage(), PayoutSeen(1, "po_1", status, "txn_po"), NOW)
    assert decision.stage.state is StageState.PAID


def test_a_refused_transfer_is_tried_again_from_the_start() -> None:
    """Nothing left, so the next attempt begins with a transfer, under a new key."""
    refused = refuse(a_sent_stage(), "account_closed", NOW).stage
    assert refused.attempt.state is AttemptState.TRANSFER_REFUSED
    again = submit(refused, (), a_destination(), NOW).stage
    assert next_step(again, NOW) is StageStep.SEND_TRANSFER
    assert again.transfer_key != refused.transfer_key
    assert again.failures == 1


def test_unknown_transfer_is_looked_up_after_23_hours() -> None:
    """The key rules hold for each leg, and absence counts only when no sender is left."""
    stage = a_sent_stage()
    assert next_step(stage, NOW + 22 * HOUR) is StageStep.RESEND_TRANSFER
    assert next_step(stage, NOW + 23 * HOUR) is StageStep.LOOK_UP_TRANSFER
    assert find_absent(stage, RULES, NOW + timedelta(seconds=100)).stage == stage
    assert find_absent(stage, RULES, NOW + HOUR).stage.state is StageState.FAILED


@pytest.mark.parametrize("leg", ["transfer", "payout"])
def test_an_absent_leg_uses_up_no_try(leg: str) -> None:
    """Nobody refused it: as for a refund, the next attempt follows however often it happens."""
    stage = a_sent_stage()
    if leg == "payout":
        stage = send(observe_transfer(stage, TRANSFER).stage, NOW)
    for number in range(2, 7):
        absent = find_absent(stage, RULES, NOW + HOUR).stage
        assert (absent.state, absent.reason, absent.failures) == (StageState.FAILED, "absent", 0)
        stage = send(submit(absent, (), a_destination(), NOW).stage, NOW)
        assert stage.attempt.number == number
    assert refuse(stage, "account_closed", NOW).stage.failures == 1


@pytest.mark.trap(21)
def test_a_second_transfer_is_loud() -> None:
    """A transfer that wakes up after it was taken for absent is refused, not booked."""
    absent = find_absent(a_sent_stage(), RULES, NOW + HOUR).stage
    with pytest.raises(Refused) as refused:
        observe_transfer(absent, TRANSFER)
    assert refused.value.reason == "abandoned-attempt-woke"
