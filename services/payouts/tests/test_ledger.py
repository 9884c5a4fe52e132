"""Postings against the table of `money.md` 3."""

import pytest

from payouts.domain import postings
from payouts.domain.errors import InvariantBroken, Refused
from payouts.domain.fees import Fees, divide_last
from payouts.domain.ledger import (
    EMPTY,
    Account,
    Balances,
    Entry,
    Posting,
    Row,
    check,
    fold,
    post,
)

A = Account


def _closed(balances: Balances) -> Posting:
    closed = postings.close("c", 1, balances)
    assert closed is not None
    return closed


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
    (
        postings.refund_requested("r", 7, advanced=3),
        3,
        [
            (A.BACKER_FUNDS, A.REFUNDS_IN_FLIGHT, 7),
            (A.CREATOR_RECEIVABLE, A.REFUNDS_IN_FLIGHT, 3),
            (A.PROVIDER_BALANCE, A.PLATFORM_CURRENT, 3),
        ],
    ),
    (
        postings.paid_otherwise("r", 7),
        7,
        [(A.CLAIMABLE, A.PLATFORM_CURRENT, 7), (A.PLATFORM_CURRENT, A.PROVIDER_BALANCE, 7)],
    ),
    (
        postings.refund_cancelled("r", 7, repaid=3),
        8,
        [
            (A.REFUNDS_IN_FLIGHT, A.BACKER_FUNDS, 4),
            (A.REFUNDS_IN_FLIGHT, A.CREATOR_RECEIVABLE, 3),
            (A.PLATFORM_CURRENT, A.PROVIDER_BALANCE, 3),
        ],
    ),
    (
        postings.dispute_opened(10, 7, 2, "txn"),
        10,
        [
            (A.BACKER_FUNDS, A.DISPUTES_RESERVED, 7),
            (A.PROVIDER_BALANCE, A.PLATFORM_CURRENT, 3),
            (A.DISPUTED_AT_SCHEME, A.PROVIDER_BALANCE, 10),
            (A.PROVIDER_COSTS, A.PLATFORM_CURRENT, 2),
        ],
    ),
    (
        postings.dispute_won(10, 7, "txn"),
        11,
        [
            (A.PROVIDER_BALANCE, A.DISPUTED_AT_SCHEME, 10),
            (A.DISPUTES_RESERVED, A.BACKER_FUNDS, 7),
            (A.PLATFORM_CURRENT, A.PROVIDER_BALANCE, 3),
        ],
    ),
    (
        postings.dispute_lost("d", 10, 5, 2, 3),
        12,
        [
            (A.DISPUTES_RESERVED, A.DISPUTED_AT_SCHEME, 5),
            (A.BACKER_FUNDS, A.DISPUTED_AT_SCHEME, 2),
            (A.PLATFORM_CURRENT, A.PROVIDER_BALANCE, 2),
            (A.CREATOR_RECEIVABLE, A.DISPUTED_AT_SCHEME, 3),
        ],
    ),
    (
        postings.dispute_lost("d", 10, 0),
        12,
        [(A.LOSS_COSTS, A.DISPUTED_AT_SCHEME, 10)],
    ),
    (
        postings.last_stage_approved("s/1", divide_last(10, Fees(3, 2, 1))),
        14,
        [
            (A.BACKER_FUNDS, A.TAX_PAYABLE, 1),
            (A.BACKER_FUNDS, A.PROCESSING_FEE_INCOME, 2),
            (A.BACKER_FUNDS, A.PLATFORM_FEE_INCOME, 3),
            (A.PLATFORM_CURRENT, A.PROVIDER_BALANCE, 6),
            (A.BACKER_FUNDS, A.CREATOR_PAYABLE, 4),
        ],
    ),
    (
        postings.last_stage_approved("s/1", divide_last(2, Fees(3, 2, 1))),
        14,
        [
            (A.BACKER_FUNDS, A.TAX_PAYABLE, 1),
            (A.BACKER_FUNDS, A.PROCESSING_FEE_INCOME, 1),
            (A.PLATFORM_CURRENT, A.PROVIDER_BALANCE, 2),
            (A.CREATOR_RECEIVABLE, A.PROCESSING_FEE_INCOME, 1),
            (A.CREATOR_RECEIVABLE, A.PLATFORM_FEE_INCOME, 3),
        ],
    ),
    (
        postings.last_stage_approval_fallen("s/1", divide_last(4, Fees(3, 0, 0))),
        14,
        [
            (A.CREATOR_PAYABLE, A.BACKER_FUNDS, 1),
            (A.PROVIDER_BALANCE, A.PLATFORM_CURRENT, 3),
            (A.PLATFORM_FEE_INCOME, A.BACKER_FUNDS, 3),
        ],
    ),
    (
        postings.stage_submitted("s", 7, set_off=3),
        15,
        [
            (A.CREATOR_PAYABLE, A.CREATOR_RECEIVABLE, 3),
            (A.PLATFORM_CURRENT, A.PROVIDER_BALANCE, 3),
            (A.CREATOR_PAYABLE, A.PAYOUTS_IN_FLIGHT, 4),
        ],
    ),
    (
        postings.stage_reversed(7, "txn"),
        18,
        [
            (A.PROVIDER_BALANCE, A.CREATOR_ACCOUNT, 7),
            (A.PAYOUTS_IN_FLIGHT, A.CREATOR_PAYABLE, 7),
        ],
    ),
    (postings.stage_cancelled("s", 7), 19, [(A.CREATOR_PAYABLE, A.BACKER_FUNDS, 7)]),
    (
        postings.compensation("c", 7, 0, claimable=False),
        20,
        [(A.BACKER_FUNDS, A.REFUNDS_IN_FLIGHT, 7)],
    ),
    (
        postings.compensation("c", 0, 7, claimable=True),
        20,
        [
            (A.COMPENSATION_COSTS, A.CLAIMABLE, 7),
            (A.PROVIDER_BALANCE, A.PLATFORM_CURRENT, 7),
        ],
    ),
    (postings.debt_settled("d", 7), 21, [(A.PLATFORM_CURRENT, A.CREATOR_RECEIVABLE, 7)]),
    (postings.debt_written_off("d", 7), 21, [(A.LOSS_COSTS, A.CREATOR_RECEIVABLE, 7)]),
    (postings.money_back("s", 7), 22, [(A.BACKER_FUNDS, A.CREATOR_PAYABLE, 7)]),
    (
        _closed({A.TAX_PAYABLE: 1, A.PLATFORM_FEE_INCOME: 5, A.PROVIDER_COSTS: 3}),
        23,
        [
            (A.TAX_PAYABLE, A.PLATFORM_CURRENT, 1),
            (A.PLATFORM_FEE_INCOME, A.PLATFORM_CURRENT, 5),
            (A.PLATFORM_CURRENT, A.PROVIDER_COSTS, 3),
        ],
    ),
]


@pytest.mark.parametrize(("posting", "row", "entries"), TABLE)
def test_rows_of_the_table(
    posting: Posting, row: int, entries: list[tuple[Account, Account, int]]
) -> None:
    """Each posting has the row and the entries that the table of postings gives it."""
    assert posting.row == row
    assert [(e.debit, e.credit, e.amount) for e in posting.entries] == entries


def test_every_row_is_in_the_table() -> None:
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


def test_a_share_of_the_float_needs_none() -> None:
    """Between a campaign's cash and the platform's current account no money leaves the provider."""
    assert postings.paid_otherwise("r", 7).balance_transaction is None
    with pytest.raises(ValueError, match="R1"):
        Posting(Row.DEBT, "cause", (Entry(A.PROVIDER_BALANCE, A.CREATOR_RECEIVABLE, 7),))


def test_nothing_to_close_is_no_posting() -> None:
    """A book without incomes and costs is closed as it is."""
    assert postings.close("c", 1, EMPTY) is None


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


def test_a_later_account_is_shown_while_it_is_not_zero() -> None:
    """So that a block of an older release keeps its bytes, and its hash."""
    opened = fold(EMPTY, postings.dispute_opened(7, 0, 0, "txn").entries)
    assert opened[A.DISPUTED_AT_SCHEME] == 7
    assert set(fold(opened, postings.dispute_won(7, 0, "txn2").entries)) == set(EMPTY)
