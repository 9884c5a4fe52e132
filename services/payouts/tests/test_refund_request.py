"""A refund that staff ask for: who may, for how much, until when, and what is taken back."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from payouts.domain.acts import Act, ActKind
from payouts.domain.book import Book, RefundRun, collect, seal_into
from payouts.domain.errors import Refused
from payouts.domain.ledger import Account, Row
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.refund import (
    Refund,
    RefundCreated,
    RefundDecision,
    RefundRefused,
    RefundState,
    move,
)
from payouts.domain.refund_request import (
    Wanted,
    approve,
    ask,
    asked_again,
    cancel,
    expire,
    reject,
    requested_id_of,
)
from services.payouts.tests.builders import NOW, a_book, a_pledge, some_money

WANTED = Wanted("request-1", "pledge-1", 2_000, "a broken lamp")
CREATOR, BACKER = "creator-1", "backer-1"
WEEK = timedelta(days=7)


def held(amount: int = 5_000, *, planned: bool = True) -> Book:
    """A book that holds this much of backers' money."""
    collected = collect(a_book(), a_pledge(amount=max(amount, 1)))
    book, _ = seal_into(collected.book, [collected.posting], NOW)
    balances = dict(book.balances) | {Account.BACKER_FUNDS: amount}
    return replace(book, balances=balances, planned=planned)


def asked(wanted: Wanted = WANTED, book: Book | None = None) -> Refund:
    return ask(wanted, some_money(), book or held(), "staff-1", CREATOR, NOW)


def approved(refund: Refund | None = None, book: Book | None = None) -> RefundDecision:
    return approve(refund or asked(), some_money(), book or held(), "staff-2", CREATOR, NOW)


def reason_of(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        act()
    return refused.value.reason


@pytest.mark.trap(1)
def test_identity() -> None:
    """One id is one refund of the campaign, another id another, whatever they ask for."""
    assert requested_id_of("c", "1") == requested_id_of("c", "1")
    ids = {requested_id_of("c", "1"), requested_id_of("c", "2"), requested_id_of("d", "1")}
    assert len(ids) == 3
    assert asked().refund_id != asked(replace(WANTED, request_id="request-2")).refund_id


@pytest.mark.parametrize(
    "other",
    [{"pledge_id": "pledge-2"}, {"amount": 1}, {"reason": "another"}, {"advance_max": 1}],
)
def test_asking_again(other: dict[str, object]) -> None:
    """The same again is what is known; anything else under its id is refused."""
    known = asked()
    assert asked_again(known, WANTED) == known
    assert reason_of(lambda: asked_again(known, replace(WANTED, **other))) == "request-known"  # type: ignore[arg-type]


def test_asking_moves_nothing() -> None:
    """Who asks is named, and nothing is set aside before a second person has approved."""
    refund = asked()
    assert refund.state is RefundState.AWAITING_APPROVAL
    assert [(act.kind, act.by, act.reason) for act in refund.acts] == [
        (ActKind.ASKED, "staff-1", "a broken lamp")
    ]


@pytest.mark.parametrize(
    ("money", "funds", "wanted", "reason"),
    [
        ({}, 5_000, {"amount": 5_001}, "not-returnable"),
        ({}, 5_000, {"amount": 0}, "not-returnable"),
        ({"returnable": 1_999, "returned": 3_001}, 5_000, {}, "not-returnable"),
        ({"returnable": 4_000, "disputed": 1_000}, 5_000, {}, "disputed"),
        ({}, 1_999, {}, "above-campaign-funds"),
        ({}, 1_000, {"advance_max": 999}, "above-campaign-funds"),
    ],
)
def test_what_cannot_be_given(
    money: dict[str, int], funds: int, wanted: dict[str, int], reason: str
) -> None:
    """More than the pledge or the campaign has, or disputed: refused at once, and later as well."""
    bad = replace(some_money(), **money)
    asks = replace(WANTED, **wanted)  # type: ignore[arg-type]
    book = held(funds)
    assert reason_of(lambda: ask(asks, bad, book, "staff-1", CREATOR, NOW)) == reason
    if asks.amount in range(1, 5_001):
        later = approve(asked(replace(asks)), bad, book, "staff-2", CREATOR, NOW)
        assert (later.refund.state, later.refund.reason) == (RefundState.REFUSED, reason)
        assert later.facts == (RefundRefused(later.refund, reason, NOW),)
        assert later.money == bad and later.postings == ()


def test_an_advance_is_the_debt_of_a_creator_who_is_paid() -> None:
    """Only what the campaign is short of is lent; before there are stages, nobody could owe it."""
    lending = replace(WANTED, advance_max=1_500)
    book = held(800)
    decision = approved(asked(lending, book), book)
    assert decision.refund.advanced == 1_200
    (posting,) = decision.postings
    moved = {(e.debit, e.credit): e.amount for e in posting.entries}
    assert moved == {
        (Account.BACKER_FUNDS, Account.REFUNDS_IN_FLIGHT): 800,
        (Account.CREATOR_RECEIVABLE, Account.REFUNDS_IN_FLIGHT): 1_200,
        (Account.PROVIDER_BALANCE, Account.PLATFORM_CURRENT): 1_200,
    }
    unplanned = held(800, planned=False)
    assert reason_of(lambda: asked(lending, unplanned)) == "no-advance"


@pytest.mark.parametrize("by", [CREATOR, BACKER])
def test_who_has_an_interest_decides_nothing(by: str) -> None:
    """Neither the creator nor the pledge's backer asks, approves, rejects, or takes back."""
    word = "creator-decides" if by == CREATOR else "backer-decides"
    assert reason_of(lambda: ask(WANTED, some_money(), held(), by, CREATOR, NOW)) == word
    refund = asked()
    assert reason_of(lambda: approve(refund, some_money(), held(), by, CREATOR, NOW)) == word
    assert reason_of(lambda: reject(refund, some_money(), by, CREATOR, "no", NOW)) == word
    assert reason_of(lambda: cancel(refund, some_money(), held(), by, CREATOR, "no", NOW)) == word


def test_two_people_approve() -> None:
    """Who asked neither approves nor rejects; the second person's word is final, and repeatable."""
    refund, money, book = asked(), some_money(), held()
    same = "staff-1"
    assert reason_of(lambda: approve(refund, money, book, same, CREATOR, NOW)) == "same-person"
    assert reason_of(lambda: reject(refund, money, same, CREATOR, "no", NOW)) == "same-person"
    decision = approved()
    owed = decision.refund
    assert owed.state is RefundState.REQUESTED
    assert decision.money.reserved == 2_000 and decision.facts == (RefundCreated(owed),)
    assert [posting.row for posting in decision.postings] == [Row.REFUND_REQUESTED]
    again = approve(owed, decision.money, book, "staff-2", CREATOR, NOW)
    assert again == RefundDecision(owed, decision.money)
    third = "staff-3"
    assert reason_of(lambda: approve(owed, money, book, third, CREATOR, NOW)) == "already-decided"
    assert reason_of(lambda: reject(owed, money, third, CREATOR, "no", NOW)) == "already-decided"


def test_a_rejection_is_an_end_that_is_told() -> None:
    """Refused with who and why, once; nobody approves it afterwards."""
    decision = reject(asked(), some_money(), "staff-2", CREATOR, "the lamp was fine", NOW)
    refused = decision.refund
    assert (refused.state, refused.reason) == (RefundState.REFUSED, "rejected")
    assert refused.acts[-1].reason == "the lamp was fine" and len(decision.facts) == 1
    assert reject(refused, some_money(), "staff-2", CREATOR, "again", NOW).facts == ()
    assert reason_of(lambda: approved(refused)) == "already-decided"


@pytest.mark.parametrize("age", [WEEK - timedelta(seconds=1), WEEK])
def test_an_approval_comes_in_time_or_never(age: timedelta) -> None:
    """Seven days; then it is refused, by whoever looks first."""
    refund, now = asked(), NOW + age
    late = age >= WEEK
    decision = approve(refund, some_money(), held(), "staff-2", CREATOR, now)
    assert decision.refund.state is (RefundState.REFUSED if late else RefundState.REQUESTED)
    swept = expire(refund, some_money(), now)
    assert swept.refund.reason == ("approval-expired" if late else None)
    assert len(swept.facts) == late
    assert expire(approved().refund, some_money(), NOW + 2 * WEEK).facts == ()


def test_taking_back_gives_everything_back() -> None:
    """Row 8 undoes row 3 to the unit, also what had been lent, up to what is still owed."""
    lending = replace(WANTED, advance_max=1_500)
    before = held(800)
    decision = approved(asked(lending, before), before)
    owing = replace(before, balances=dict(before.balances) | {Account.CREATOR_RECEIVABLE: 700})
    taken = cancel(decision.refund, decision.money, owing, "staff-1", CREATOR, "a mistake", NOW)
    assert taken.refund.state is RefundState.CANCELLED and taken.money == some_money()
    (posting,) = taken.postings
    moved = {(e.debit, e.credit): e.amount for e in posting.entries}
    assert moved[Account.REFUNDS_IN_FLIGHT, Account.BACKER_FUNDS] == 1_300
    assert moved[Account.REFUNDS_IN_FLIGHT, Account.CREATOR_RECEIVABLE] == 700
    assert moved[Account.PLATFORM_CURRENT, Account.PROVIDER_BALANCE] == 700
    again = cancel(taken.refund, taken.money, owing, "staff-1", CREATOR, "a mistake", NOW)
    assert again == RefundDecision(taken.refund, taken.money)


def test_what_nobody_approved_is_taken_back_without_a_posting() -> None:
    """Nothing was set aside, so nothing is given back; it is told all the same."""
    taken = cancel(asked(), some_money(), held(), "staff-1", CREATOR, "a mistake", NOW)
    assert taken.refund.state is RefundState.CANCELLED
    assert taken.postings == () and taken.money == some_money() and len(taken.facts) == 1


def _sent(state: RefundState) -> Refund:
    return replace(move(approved().refund, RefundState.SUBMITTED), state=state)


@pytest.mark.parametrize(
    "state",
    [
        state
        for state in RefundState
        if state
        not in (
            RefundState.AWAITING_APPROVAL,
            RefundState.REQUESTED,
            RefundState.AWAITING_FUNDS,
            RefundState.BLOCKED,
        )
    ],
)
def test_what_may_have_left_is_not_taken_back(state: RefundState) -> None:
    """Only what was never sent, or was refused for funds, can be."""
    refund, money = _sent(state), approved().money
    act = lambda: cancel(refund, money, held(), "staff-1", CREATOR, "a mistake", NOW)  # noqa: E731
    assert reason_of(act) == "not-unsent"


def test_what_is_owed_by_a_rule_is_not_taken_back() -> None:
    """A verdict's refund needs no approval and no staff can stop it; nor part of what is owed."""
    decision = approved()
    by_verdict = replace(decision.refund, acts=())
    # Its backer tried it again: that makes nobody of staff its asker.
    tried = replace(by_verdict, acts=(Act(ActKind.TRIED_AGAIN, "backer-1", NOW),))
    money = decision.money

    def take(refund: Refund, money: PledgeMoney, book: Book) -> str:
        return reason_of(lambda: cancel(refund, money, book, "staff-1", CREATOR, "a mistake", NOW))

    for owed in (by_verdict, tried):
        assert take(owed, money, held()) == "not-asked-by-staff"
    running = replace(held(), run=RefundRun("verdict-reached/campaign-1"))
    assert take(decision.refund, money, running) == "owed-anyway"
    assert take(decision.refund, replace(money, withdrawn=True), held()) == "owed-anyway"
    assert reason_of(lambda: approved(by_verdict)) == "not-asked-by-staff"


@pytest.mark.trap(3)
def test_what_a_dispute_took_back_is_cancelled_without_moving_money_again() -> None:
    """Its money went back to the campaign when it was blocked."""
    money = approved().money
    cancelled = cancel(
        _sent(RefundState.BLOCKED), money, held(), "staff-1", CREATOR, "a mistake", NOW
    )
    assert cancelled.refund.state is RefundState.CANCELLED
    assert (cancelled.postings, cancelled.money) == ((), money)
