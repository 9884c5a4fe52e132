"""Double entry for one campaign's book: accounts, entries, postings, balances, invariants.

Amounts are integers in minor units of the book's currency. A balance is kept on its account's
own side: positive means "on its side".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from payouts.domain.errors import InvariantBroken, Refused


class Side(StrEnum):
    DEBIT = "debit"
    CREDIT = "credit"
    EITHER = "either"


class Account(StrEnum):
    """The accounts of `money.md` 2."""

    PROVIDER_BALANCE = "provider_balance"
    CREATOR_ACCOUNT = "creator_account"
    PROVIDER_COSTS = "provider_costs"
    BACKER_FUNDS = "backer_funds"
    CREATOR_PAYABLE = "creator_payable"
    PAYOUTS_IN_FLIGHT = "payouts_in_flight"
    REFUNDS_IN_FLIGHT = "refunds_in_flight"
    CLAIMABLE = "claimable"
    PLATFORM_CURRENT = "platform_current"
    DISPUTED_AT_SCHEME = "disputed_at_scheme"
    DISPUTES_RESERVED = "disputes_reserved"
    CREATOR_RECEIVABLE = "creator_receivable"
    COMPENSATION_COSTS = "compensation_costs"
    LOSS_COSTS = "loss_costs"
    TAX_PAYABLE = "tax_payable"
    PLATFORM_FEE_INCOME = "platform_fee_income"
    PROCESSING_FEE_INCOME = "processing_fee_income"


# `money.md` 2. The balance of an account that may stand on either side counts credits as positive.
SIDES: dict[Account, Side] = {
    Account.PROVIDER_BALANCE: Side.DEBIT,
    Account.CREATOR_ACCOUNT: Side.DEBIT,
    Account.PROVIDER_COSTS: Side.DEBIT,
    Account.BACKER_FUNDS: Side.CREDIT,
    Account.CREATOR_PAYABLE: Side.CREDIT,
    Account.PAYOUTS_IN_FLIGHT: Side.CREDIT,
    Account.REFUNDS_IN_FLIGHT: Side.CREDIT,
    Account.CLAIMABLE: Side.CREDIT,
    Account.PLATFORM_CURRENT: Side.EITHER,
    Account.DISPUTED_AT_SCHEME: Side.DEBIT,
    Account.DISPUTES_RESERVED: Side.CREDIT,
    Account.CREATOR_RECEIVABLE: Side.DEBIT,
    Account.COMPENSATION_COSTS: Side.DEBIT,
    Account.LOSS_COSTS: Side.DEBIT,
    Account.TAX_PAYABLE: Side.CREDIT,
    Account.PLATFORM_FEE_INCOME: Side.CREDIT,
    Account.PROCESSING_FEE_INCOME: Side.CREDIT,
}

# A balance of these always stands in a book, also at zero; one of a later account only while it is
# not zero. So a block of an older release has the same bytes, and an older release can read a book
# until something happens to it that it does not know.
ALWAYS_SHOWN = frozenset(list(Account)[:9])

# Money that lies outside, at the provider: it moves only with a balance transaction (R1).
CASH = frozenset({Account.PROVIDER_BALANCE, Account.CREATOR_ACCOUNT})
HELD = (
    Account.BACKER_FUNDS,
    Account.CREATOR_PAYABLE,
    Account.PAYOUTS_IN_FLIGHT,
    Account.REFUNDS_IN_FLIGHT,
    Account.CLAIMABLE,
)


class Row(IntEnum):
    """The posting's row in `money.md` 3; row 2, the verdict, and 9, an inquiry, move no money."""

    PLEDGE_COLLECTED = 1
    REFUND_REQUESTED = 3
    REFUND_CASH_LEFT = 4
    REFUND_CASH_BACK = 5
    REFUND_CLAIMABLE = 6
    PAID_OTHERWISE = 7
    REFUND_CANCELLED = 8
    DISPUTE_OPENED = 10
    DISPUTE_WON = 11
    DISPUTE_LOST = 12
    STAGE_APPROVED = 13
    LAST_STAGE_APPROVED = 14
    STAGE_SUBMITTED = 15
    STAGE_CASH = 16
    STAGE_LATE_FAILURE = 17
    STAGE_REVERSED = 18
    STAGE_CANCELLED = 19
    COMPENSATION = 20
    DEBT = 21
    MONEY_BACK = 22
    CLOSE = 23


@dataclass(frozen=True, slots=True)
class Entry:
    """An amount above zero that moves from the debited to the credited account."""

    debit: Account
    credit: Account
    amount: int

    def __post_init__(self) -> None:
        if type(self.amount) is not int or self.amount <= 0:
            raise ValueError(f"an entry's amount is a whole number above zero, not {self.amount!r}")
        if self.debit == self.credit:
            raise ValueError(f"an entry moves between two accounts, not within {self.debit}")


@dataclass(frozen=True, slots=True)
class Posting:
    """The entries of one event, all or none.

    `cause` is unique in its book, so that no event is posted twice; for a movement of cash it is
    made of the provider's balance transaction and the leg (R1).
    """

    row: Row
    cause: str
    entries: tuple[Entry, ...]
    balance_transaction: str | None = None

    def __post_init__(self) -> None:
        if not self.entries:
            raise ValueError(f"posting {self.cause} has no entries")
        if self.balance_transaction is None and any(map(_leaves_the_books, self.entries)):
            raise ValueError(f"posting {self.cause} moves cash without a balance transaction (R1)")


def _leaves_the_books(entry: Entry) -> bool:
    # Between a campaign's cash and the platform's current account, both at the provider, money
    # changes its owner and not its place: a share of the float, which has no balance transaction.
    moved = {entry.debit, entry.credit}
    return bool(moved & CASH) and moved != {Account.PROVIDER_BALANCE, Account.PLATFORM_CURRENT}


Balances = Mapping[Account, int]
EMPTY: Balances = {account: 0 for account in Account if account in ALWAYS_SHOWN}


def fold(balances: Balances, entries: Iterable[Entry]) -> dict[Account, int]:
    """Return the balances after the entries; the one place where an amount changes a balance."""
    after = dict(balances)
    for entry in entries:
        debited = entry.amount if SIDES[entry.debit] is Side.DEBIT else -entry.amount
        credited = -entry.amount if SIDES[entry.credit] is Side.DEBIT else entry.amount
        after[entry.debit] = after.get(entry.debit, 0) + debited
        after[entry.credit] = after.get(entry.credit, 0) + credited
    return {account: n for account, n in after.items() if n or account in ALWAYS_SHOWN}


def post(balances: Balances, posting: Posting) -> dict[Account, int]:
    """Return the balances after the posting, or raise `Refused` where an account would be short."""
    after = fold(balances, posting.entries)
    for account, balance in after.items():
        if balance < 0 and SIDES[account] is not Side.EITHER:
            raise Refused(
                "account-short",
                f"{posting.cause} would leave {account} {-balance} below zero",
            )
    check(after)
    return after


def check(balances: Balances) -> None:
    """Raise `InvariantBroken` unless I1 and I2 of `money.md` 3 hold."""
    for account, balance in balances.items():
        if balance < 0 and SIDES[account] is not Side.EITHER:
            raise InvariantBroken(f"I1: {account} is {-balance} on the wrong side")
    cash = sum(balances[account] for account in CASH)
    held = sum(balances[account] for account in HELD)
    if cash != held:
        raise InvariantBroken(f"I2: cash outside is {cash}, held for people is {held}")
