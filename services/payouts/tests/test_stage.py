"""Stages: approval by the verdict, two legs, a bounce or reversal never transferred twice."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from payouts.domain.approval import Concerned
from payouts.domain.destination import give, verify
from payouts.domain.errors import Refused
from payouts.domain.ledger import Account, Posting, Row
from payouts.domain.payout_attempt import AttemptState
from payouts.domain.postings import stage_submitted
from payouts.domain.stage import Stage, StageDecision, StageDue, StageState, make_due
from payouts.domain.stage_approval import approve_by_person, approve_by_verdict, drop_approval
from payouts.domain.stage_outcome import (
    PayoutSeen,
    ProviderPayoutStatus,
    Reversal,
    TransferSeen,
    find_absent,
    observe_payout,
    observe_transfer,
    refuse,
)
from payouts.domain.stage_recovery import TransferMade, adopt, in_turn, standing, take_back
from payouts.domain.stage_reversal import observe_reversal
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


def taken_back(*parts: Reversal) -> TransferSeen:
    return replace(
        TRANSFER, reversed_amount=sum(part.amount for part in parts), reversals=tuple(parts)
    )


BACK = taken_back(Reversal(3_666, "txn_trr"))


def a_failed_payout(owed: int = 0) -> tuple[Stage, list[Posting]]:
    """A stage whose transfer lies on an account that pays nothing out, and all that was posted."""
    submitted = submit(an_approved_stage(), (), a_destination(), NOW, owed)
    transferred = observe_transfer(send(submitted.stage, NOW), TRANSFER)
    failed = refuse(send(transferred.stage, NOW), "payouts_not_allowed", NOW)
    return failed.stage, [*submitted.postings, *transferred.postings]


def moved(made: Iterable[Posting]) -> dict[Account, int]:
    """What all of it together moved, by account: debits less credits."""
    sums: Counter[Account] = Counter()
    for entry in (entry for posting in made for entry in posting.entries):
        sums[entry.debit] += entry.amount
        sums[entry.credit] -= entry.amount
    return {account: amount for account, amount in sums.items() if amount}


@pytest.mark.parametrize("owed", [0, 666])
def test_a_transfer_that_was_taken_back_leaves_nothing_owed(owed: int) -> None:
    """Row 18, and the approval falls: all is the backers' again, what was set off is a debt."""
    failed, before = a_failed_payout(owed)
    seen = taken_back(Reversal(failed.sent, "txn_trr"))
    back = observe_reversal(failed, seen)
    due = back.stage
    assert (due.state, due.approval, due.reason) == (StageState.DUE, None, "transfer-reversed")
    assert (due.attempt.state, due.failures, due.set_off) == (AttemptState.REVERSED, 0, 0)
    assert back.postings[0].row is Row.STAGE_REVERSED
    assert back.postings[0].balance_transaction == "txn_trr"
    # The approval before had taken it from the backers.
    assert moved([*before, *back.postings]) == {
        Account.CREATOR_PAYABLE: 3_666,
        Account.BACKER_FUNDS: -3_666,
    }
    assert observe_reversal(due, seen) == StageDecision(due), "the same again changes nothing"


@pytest.mark.trap(7)
def test_what_was_taken_back_is_paid_anew_by_another_transfer() -> None:
    """A person approves it, to whatever account is the destination now; each cause is a new one."""
    failed, before = a_failed_payout()
    due = observe_reversal(failed, BACK).stage
    with pytest.raises(Refused) as refused:
        approve_by_verdict(due, 3_666, a_destination(), LIMIT, NOW)
    assert refused.value.reason == "transfer-reversed"
    other = verify(give(a_destination(), "campaign-1", "sandbox", "acct_2", NOW), NOW)
    concerned = Concerned("creator-1", None, False)
    approved = approve_by_person(due, 3_666, other, "staff-1", concerned, LIMIT, NOW)
    again = submit(approved.stage, (), other, NOW)
    assert next_step(again.stage, NOW) is StageStep.SEND_TRANSFER
    assert (again.stage.attempt.account, again.stage.attempt.transfer_id) == ("acct_2", None)
    assert again.stage.transfer_key != failed.transfer_key
    causes = [posting.cause for posting in (*before, *approved.postings, *again.postings)]
    assert len(set(causes)) == len(causes)


def test_what_may_have_left_the_account_is_not_taken_for_reversed() -> None:
    """A payout that is on its way or confirmed may have gone out with that money: a break stays."""
    transferred = observe_transfer(a_sent_stage(), TRANSFER).stage
    for stage in (send(transferred, NOW), a_paid_stage()):
        assert observe_reversal(stage, BACK) == StageDecision(stage)
    failed, _ = a_failed_payout()
    other = replace(BACK, transfer_id="tr_2")
    for seen in (TRANSFER, other):
        assert observe_reversal(failed, seen) == StageDecision(failed)


def test_what_no_payout_was_asked_for_is_taken_for_reversed() -> None:
    """It lies there as after a failure; nobody is told of one, for no bank has refused it."""
    back = observe_reversal(observe_transfer(a_sent_stage(), TRANSFER).stage, BACK)
    assert (back.stage.state, back.stage.reason) == (StageState.DUE, "transfer-reversed")
    assert back.stage.attempt.state is AttemptState.REVERSED
    assert back.postings[0].row is Row.STAGE_REVERSED
    assert back.facts == (StageDue(back.stage),)


PARTS = (Reversal(1_000, "txn_trr_1"), Reversal(1_000, "txn_trr_2"), Reversal(1_666, "txn_trr_3"))


@pytest.mark.parametrize(
    "seen",
    [
        taken_back(*PARTS[:1]),
        taken_back(*PARTS[:2]),
        replace(taken_back(*PARTS[:2]), reversed_amount=3_666),
        replace(taken_back(*PARTS), reversed_amount=2_000),
    ],
    ids=["one part", "two parts", "a part is not listed", "it came while it was read"],
)
def test_a_part_that_came_back_is_for_a_person(seen: TransferSeen) -> None:
    """As long as not all of it is there, each part with its own cash."""
    failed, _ = a_failed_payout()
    with pytest.raises(Refused) as refused:
        observe_reversal(failed, seen)
    assert refused.value.reason == "reversed-in-part"


def test_a_transfer_that_came_back_part_by_part_is_booked_with_the_last() -> None:
    """Each part on its own cash, also two of one amount (trap 1); together they are the stage."""
    failed, before = a_failed_payout()
    back = observe_reversal(failed, taken_back(*PARTS))
    cash = [one for one in back.postings if one.row is Row.STAGE_REVERSED]
    assert [(one.balance_transaction, one.entries[0].amount) for one in cash] == [
        ("txn_trr_1", 1_000),
        ("txn_trr_2", 1_000),
        ("txn_trr_3", 1_666),
    ]
    assert back.stage.attempt.reversal_balance_transaction == "txn_trr_3"
    assert moved([*before, *back.postings]) == {
        Account.CREATOR_PAYABLE: 3_666,
        Account.BACKER_FUNDS: -3_666,
    }
    assert observe_reversal(back.stage, taken_back(*PARTS)) == StageDecision(back.stage)


@pytest.mark.trap(23)
def test_a_restored_stage_does_not_take_over_what_was_taken_back() -> None:
    """The provider lists it for ever; what it made since is another transfer."""
    failed, _ = a_failed_payout()
    due = observe_reversal(failed, BACK).stage
    made = TransferMade(BACK, "acct_1", 3_666)
    assert adopt(due, a_destination(), [made], [], NOW) == StageDecision(due)


@pytest.mark.trap(23)
def test_what_the_ledger_never_had_is_given_up_and_what_it_had_is_not() -> None:
    """A backup that is older than both knows neither; where none stands the last is taken over."""
    due = replace(an_approved_stage(), state=StageState.DUE, approval=None)
    back = TransferMade(BACK, "acct_1", 3_666)
    stands = TransferMade(replace(TRANSFER, attempt=2, transfer_id="tr_2"), "acct_1", 3_666)
    later = TransferMade(replace(BACK, attempt=3, transfer_id="tr_3"), "acct_1", 3_666)
    assert standing(due, [stands, back]) == [stands]
    assert standing(due, [stands, back], booked={BACK.balance_transaction}) == [back, stands]
    assert standing(due, [later, back]) == [later]
    part = TransferMade(taken_back(*PARTS[:1]), "acct_1", 3_666)
    assert standing(due, [part, stands]) == [part, stands]
    assert standing(due, [part, stands], let_be={BACK.balance_transaction}) == [stands]


@pytest.mark.trap(21)
@pytest.mark.trap(23)
def test_what_came_back_whole_is_taken_over_before_the_next_one() -> None:
    """Each alone; two of which the first did not come back stay together, and are for a person."""
    back = TransferMade(BACK, "acct_1", 3_666)
    next_ = TransferMade(replace(TRANSFER, attempt=2, transfer_id="tr_2"), "acct_1", 3_666)
    part = TransferMade(taken_back(*PARTS[:1]), "acct_1", 3_666)
    last = TransferMade(replace(BACK, attempt=3, transfer_id="tr_3"), "acct_1", 3_666)
    assert in_turn([back, next_]) == [[back], [next_]]
    assert in_turn([part, next_]) == [[part, next_]]
    assert in_turn([next_, last]) == [[next_, last]]
    assert in_turn([back, last, next_]) == [[back], [last], [next_]]


@pytest.mark.trap(21)
def test_what_was_paid_out_and_taken_back_is_not_taken_over_as_one_that_lay_there() -> None:
    """The reversal took other money: with a second transfer its creator was paid twice."""
    made = TransferMade(BACK, "acct_1", 3_666)
    with pytest.raises(Refused) as refused:
        take_back(StageDecision(a_paid_stage()), made, followed=True)
    assert refused.value.reason == "transferred-twice"
    paid = StageDecision(a_paid_stage())
    assert take_back(paid, made) == paid, "it is a break, and the stage is paid"
    failed, _ = a_failed_payout()
    back = take_back(StageDecision(failed), made, followed=True)
    assert back.stage.attempt.state is AttemptState.REVERSED


@pytest.mark.trap(23)
def test_a_restored_stage_was_set_off_what_its_ledger_says() -> None:
    """Whatever is owed now: what went to the account and what was set off are the stage."""
    due = replace(an_approved_stage(), state=StageState.DUE, approval=None)
    sealed = stage_submitted(due.submission_id, 3_666, 666)
    made = TransferMade(TRANSFER, "acct_1", 3_000)
    taken = adopt(due, a_destination(), [made], [], NOW, owed=900, sealed=sealed)
    assert (taken.stage.set_off, taken.stage.payable, taken.stage.sent) == (666, 3_666, 3_000)
    assert sealed in taken.postings
