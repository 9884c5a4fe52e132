"""Postings against the table of `money.md` 3, and its worked example as far as this slice goes."""

import pytest

from payouts.domain import postings
from payouts.domain.book import collect, seal_into
from payouts.domain.errors import InvariantBroken, Refused
from payouts.domain.ledger import EMPTY, Account, Entry, Posting, Row, check, fold, post
from payouts.domain.plan import stage_amount
from services.payouts.tests.builders import NOW, SHARES, a_book, a_pledge

A = Account
TABLE: list[tuple[Posting, int, list[tuple[Account, Account, int]]]] = [
    (
        postings.pledge_collected(10001, 320, "txn"),
        1,
        [
            (A.PROVIDER_BALANCE, A.BACKER_FUNDS, 10001),
            (A.PROVIDER_COSTS, A.PLATFORM_CURRENT, 320),
        ],
    ),
    (postings.pledge_collected(50, 0, "txn"), 1, [(A.PROVIDER_BALANCE, A.BACKER_FUNDS, 50)]),
    (postings.refund_requested("r", 7), 3, [(A.BACKER_FUNDS, A.REFUNDS_IN_FLIGHT, 7)]),
    (postings.refund_cash_left(7, "txn"), 4, [(A.REFUNDS_IN_FLIGHT, A.PROVIDER_BALANCE, 7)]),
    (postings.refund_cash_back(7, "txn"), 5, [(A.PROVIDER_BALANCE, A.REFUNDS_IN_FLIGHT, 7)]),
    (postings.refund_claimable("r/1", 7), 6, [(A.REFUNDS_IN_FLIGHT, A.CLAIMABLE, 7)]),
    (postings.refund_reopened("r/1", 7), 6, [(A.CLAIMABLE, A.REFUNDS_IN_FLIGHT, 7)]),
    (postings.stage_approved("s/1", 7), 13, [(A.BACKER_FUNDS, A.CREATOR_PAYABLE, 7)]),
    (postings.stage_approval_fallen("s/1", 7), 13, [(A.CREATOR_PAYABLE, A.BACKER_FUNDS, 7)]),
    (postings.stage_submitted("s", 7), 15, [(A.CREATOR_PAYABLE, A.PAYOUTS_IN_FLIGHT, 7)]),
    (postings.stage_transferred(7, "txn"), 16, [(A.CREATOR_ACCOUNT, A.PROVIDER_BALANCE, 7)]),
    (postings.stage_paid(7, "txn"), 16, [(A.PAYOUTS_IN_FLIGHT, A.CREATOR_ACCOUNT, 7)]),
    (postings.stage_late_failure(7, "txn"), 17, [(A.CREATOR_ACCOUNT, A.PAYOUTS_IN_FLIGHT, 7)]),
]


@pytest.mark.parametrize(("posting", "row", "entries"), TABLE)
def test_rows_of_the_table(
    posting: Posting, row: int, entries: list[tuple[Account, Account, int]]
) -> None:
    """Each posting has the row and the entries that the table of postings gives it."""
    assert posting.row == row
    assert [(e.debit, e.credit, e.amount) for e in posting.entries] == entries


def test_every_row_of_the_slice_is_in_the_table() -> None:
    """No row that the service can post is left out of the check above."""
    assert {row for _, row, _ in TABLE} == {int(row) for row in Row}


def test_cash_needs_a_balance_transaction() -> None:
    """An entry on an account of cash without a balance transaction cannot be made (R1)."""
    entry = Entry(A.REFUNDS_IN_FLIGHT, A.PROVIDER_BALANCE, 7)
    with pytest.raises(ValueError, match="R1"):
        Posting(Row.REFUND_CASH_LEFT, "cause", (entry,))


@pytest.mark.parametrize("amount", [0, -1, True, 1.0])
def test_entries_are_whole_and_above_zero(amount: int) -> None:
    """Zero, negative, boolean and float amounts make no entry."""
    with pytest.raises(ValueError, match="whole number above zero"):
        Entry(A.BACKER_FUNDS, A.CLAIMABLE, amount)


def test_legs_of_one_balance_transaction_are_distinct_causes() -> None:
    """A cause is unique per balance transaction and leg."""
    assert postings.refund_cash_left(7, "txn").cause != postings.refund_cash_back(7, "txn").cause


def test_no_account_goes_below_zero() -> None:
    """Returning more than a book holds is refused before anything is posted."""
    with pytest.raises(Refused) as refused:
        post(EMPTY, postings.refund_requested("r", 1))
    assert refused.value.reason == "account-short"


def test_checks_bite() -> None:
    """I1 and I2 each fail on a planted book."""
    with pytest.raises(InvariantBroken, match="I1"):
        check({**EMPTY, A.BACKER_FUNDS: -1})
    with pytest.raises(InvariantBroken, match="I2"):
        check({**EMPTY, A.BACKER_FUNDS: 1})


@pytest.mark.row("S9")
def test_worked_example() -> None:
    """Pledges of 100.01, 49.99 and 33.33 give stages of 36.66 and 54.99, and the book closes so."""
    book, made = a_book(), []
    for number, amount in enumerate((10001, 4999, 3333), start=1):
        taken = collect(book, a_pledge(number, amount))
        book, made = taken.book, [*made, taken.posting]
    book, _ = seal_into(book, made, NOW)
    first = stage_amount(1, 18333, SHARES, book.balances[A.BACKER_FUNDS], 0)
    book, _ = seal_into(book, _paid_out("stage-1", first), NOW)
    second = stage_amount(2, 18333, SHARES, book.balances[A.BACKER_FUNDS], first)
    book, _ = seal_into(book, _paid_out("stage-2", second), NOW)
    assert (first, second) == (3666, 5499)
    assert book.balances[A.BACKER_FUNDS] == 18333 - 3666 - 5499
    assert book.balances[A.PROVIDER_BALANCE] == book.balances[A.BACKER_FUNDS]
    assert book.balances[A.CREATOR_ACCOUNT] == book.balances[A.PAYOUTS_IN_FLIGHT] == 0


def test_stages_shrink_after_losses() -> None:
    """With 150.00 of 183.33 lost before the first stage, the stages are 6.66 and 10.00."""
    assert stage_amount(1, 18333, SHARES, 3333, 0) == 666
    assert stage_amount(2, 18333, SHARES, 3333 - 666, 666) == 1000


def _paid_out(stage_id: str, amount: int) -> list[Posting]:
    return [
        postings.stage_approved(stage_id, amount),
        postings.stage_submitted(stage_id, amount),
        postings.stage_transferred(amount, f"txn-{stage_id}"),
        postings.stage_paid(amount, f"txn-{stage_id}"),
    ]


def test_fold_is_the_sum_of_entries() -> None:
    """Balances are kept on the account's own side; the platform's may stand on either."""
    after = fold(EMPTY, postings.pledge_collected(10001, 320, "txn").entries)
    assert after == {
        **EMPTY,
        A.PROVIDER_BALANCE: 10001,
        A.BACKER_FUNDS: 10001,
        A.PROVIDER_COSTS: 320,
        A.PLATFORM_CURRENT: 320,
    }
