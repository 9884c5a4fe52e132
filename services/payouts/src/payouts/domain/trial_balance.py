"""The trial balance: every account over all books as of an instant, by when it was booked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from payouts.domain.ledger import SIDES, Account, Side


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """Balances in minor units of one currency, each on its account's own side."""

    currency: str
    books: int
    balances: Mapping[Account, int]

    @property
    def debits(self) -> int:
        return sum(debit for debit, _ in self.columns().values())

    @property
    def credits(self) -> int:
        return sum(credit for _, credit in self.columns().values())

    def columns(self) -> dict[Account, tuple[int, int]]:
        """Return debit and credit of each account; a balance on the wrong side changes column."""
        return {account: _column(account, n) for account, n in self.balances.items()}


def _column(account: Account, balance: int) -> tuple[int, int]:
    on_debit = SIDES[account] is Side.DEBIT
    debit = balance if on_debit else -balance
    return max(0, debit), max(0, -debit)


def end_of(day: date) -> datetime:
    """Return the last instant of a day in UTC that can have been booked."""
    return datetime.combine(day, time(), UTC) + timedelta(days=1) - timedelta(milliseconds=1)
