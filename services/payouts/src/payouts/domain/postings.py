"""The table of postings (`money.md` 3), one function per row; the only makers of postings."""

from payouts.domain.ledger import Account, Entry, Posting, Row


def pledge_collected(amount: int, provider_fee: int, balance_transaction: str) -> Posting:
    """Row 1: the gross belongs to backers; the provider's fee is borne by the platform (R2)."""
    gross = Entry(Account.PROVIDER_BALANCE, Account.BACKER_FUNDS, amount)
    fee = (
        (Entry(Account.PROVIDER_COSTS, Account.PLATFORM_CURRENT, provider_fee),)
        if provider_fee
        else ()
    )
    return _cash(Row.PLEDGE_COLLECTED, balance_transaction, "pledge", gross, *fee)


def refund_requested(refund_id: str, amount: int) -> Posting:
    """Row 3: what is to go back is no longer available for anything else."""
    entry = Entry(Account.BACKER_FUNDS, Account.REFUNDS_IN_FLIGHT, amount)
    return Posting(Row.REFUND_REQUESTED, f"refund-requested/{refund_id}", (entry,))


def refund_cash_left(amount: int, balance_transaction: str) -> Posting:
    """Row 4: once per balance transaction."""
    entry = Entry(Account.REFUNDS_IN_FLIGHT, Account.PROVIDER_BALANCE, amount)
    return _cash(Row.REFUND_CASH_LEFT, balance_transaction, "refund", entry)


def refund_cash_back(amount: int, balance_transaction: str) -> Posting:
    """Row 5: a refund failed after its cash had left; the balance transaction is the failure's."""
    entry = Entry(Account.PROVIDER_BALANCE, Account.REFUNDS_IN_FLIGHT, amount)
    return _cash(Row.REFUND_CASH_BACK, balance_transaction, "refund-failure", entry)


def refund_claimable(attempt_id: str, amount: int) -> Posting:
    """Row 6: no attempt is left; the backer's money waits to be claimed and is never income."""
    entry = Entry(Account.REFUNDS_IN_FLIGHT, Account.CLAIMABLE, amount)
    return Posting(Row.REFUND_CLAIMABLE, f"refund-claimable/{attempt_id}", (entry,))


def refund_reopened(attempt_id: str, amount: int) -> Posting:
    """Row 6 the other way: a claimable amount goes back to an attempt."""
    entry = Entry(Account.CLAIMABLE, Account.REFUNDS_IN_FLIGHT, amount)
    return Posting(Row.REFUND_CLAIMABLE, f"refund-reopened/{attempt_id}", (entry,))


def stage_approved(approval_id: str, amount: int) -> Posting:
    """Row 13: an approved stage is owed to the creator."""
    entry = Entry(Account.BACKER_FUNDS, Account.CREATOR_PAYABLE, amount)
    return Posting(Row.STAGE_APPROVED, f"stage-approved/{approval_id}", (entry,))


def stage_approval_fallen(approval_id: str, amount: int) -> Posting:
    """Row 13 undone, before anything was submitted: an approval that fell owes nothing."""
    entry = Entry(Account.CREATOR_PAYABLE, Account.BACKER_FUNDS, amount)
    return Posting(Row.STAGE_APPROVED, f"stage-approval-fallen/{approval_id}", (entry,))


def stage_submitted(stage_id: str, amount: int) -> Posting:
    """Row 15, once per stage: later attempts move the same money."""
    entry = Entry(Account.CREATOR_PAYABLE, Account.PAYOUTS_IN_FLIGHT, amount)
    return Posting(Row.STAGE_SUBMITTED, f"stage-submitted/{stage_id}", (entry,))


def stage_transferred(amount: int, balance_transaction: str) -> Posting:
    """Row 16, first leg: the money lies on the creator's connected account."""
    entry = Entry(Account.CREATOR_ACCOUNT, Account.PROVIDER_BALANCE, amount)
    return _cash(Row.STAGE_CASH, balance_transaction, "transfer", entry)


def stage_paid(amount: int, balance_transaction: str) -> Posting:
    """Row 16, second leg: the bank confirms."""
    entry = Entry(Account.PAYOUTS_IN_FLIGHT, Account.CREATOR_ACCOUNT, amount)
    return _cash(Row.STAGE_CASH, balance_transaction, "payout", entry)


def stage_late_failure(amount: int, balance_transaction: str) -> Posting:
    """Row 17: a confirmed payout bounced; the money is back on the connected account."""
    entry = Entry(Account.CREATOR_ACCOUNT, Account.PAYOUTS_IN_FLIGHT, amount)
    return _cash(Row.STAGE_LATE_FAILURE, balance_transaction, "payout-failure", entry)


def _cash(row: Row, balance_transaction: str, leg: str, *entries: Entry) -> Posting:
    # Unique per (balance transaction, leg): R1.
    return Posting(row, f"{balance_transaction}/{leg}", entries, balance_transaction)
