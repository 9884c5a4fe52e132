"""The table of postings (`money.md` 3), one function per row; the only makers of postings."""

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from payouts.domain.fees import Fees, LastStage
from payouts.domain.ledger import Account, Balances, Entry, Posting, Row, fold

# How the causes of postings begin that belong to one approval of a stage, named by its id.
STAGE_APPROVED = "stage-approved/"
STAGE_SUBMITTED = "stage-submitted/"
STAGE_TAKEN_BACK = "stage-taken-back/"
APPROVAL_FALLEN = "stage-approval-fallen/"
STAGE_CANCELLED = "stage-cancelled/"
# And of those by which two people took back what the platform had paid.
RECOUPED = "compensation-recouped/"


class Payer(StrEnum):
    """Who bears a compensation (row 20)."""

    CAMPAIGN = "campaign"
    PLATFORM = "platform"


def pledge_collected(amount: int, provider_fee: int, balance_transaction: str) -> Posting:
    """Row 1: the gross belongs to backers; the provider's fee is borne by the platform (R2)."""
    gross = Entry(Account.PROVIDER_BALANCE, Account.BACKER_FUNDS, amount)
    fee = (
        (Entry(Account.PROVIDER_COSTS, Account.PLATFORM_CURRENT, provider_fee),)
        if provider_fee
        else ()
    )
    return _cash(Row.PLEDGE_COLLECTED, balance_transaction, "pledge", gross, *fee)


def refund_requested(refund_id: str, amount: int, advanced: int = 0, blocks: int = 0) -> Posting:
    """Row 3: what is to go back is no longer available for anything else.

    `advanced` is what the platform lends beyond it, by a decision of staff: the creator's debt.
    `blocks` counts how often it was cancelled for a dispute before.
    """
    return Posting(
        Row.REFUND_REQUESTED,
        f"refund-requested/{refund_id}{_again(blocks)}",
        _entries(
            (Account.BACKER_FUNDS, Account.REFUNDS_IN_FLIGHT, amount),
            (Account.CREATOR_RECEIVABLE, Account.REFUNDS_IN_FLIGHT, advanced),
            (Account.PROVIDER_BALANCE, Account.PLATFORM_CURRENT, advanced),
        ),
    )


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


def paid_otherwise(refund_id: str, amount: int) -> Posting:
    """Row 7: the backer was paid outside the provider; the cash kept for it is the platform's."""
    return Posting(
        Row.PAID_OTHERWISE,
        f"paid-otherwise/{refund_id}",
        _entries(
            (Account.CLAIMABLE, Account.PLATFORM_CURRENT, amount),
            (Account.PLATFORM_CURRENT, Account.PROVIDER_BALANCE, amount),
        ),
    )


def refund_cancelled(refund_id: str, amount: int, repaid: int = 0, blocks: int = 0) -> Posting:
    """Row 8: an unsent refund is taken back; `repaid` of it settles what the platform had lent.

    `blocks` counts how often it was cancelled for a dispute before.
    """
    return Posting(
        Row.REFUND_CANCELLED,
        f"refund-cancelled/{refund_id}{_again(blocks)}",
        _entries(
            (Account.REFUNDS_IN_FLIGHT, Account.BACKER_FUNDS, amount - repaid),
            (Account.REFUNDS_IN_FLIGHT, Account.CREATOR_RECEIVABLE, repaid),
            (Account.PLATFORM_CURRENT, Account.PROVIDER_BALANCE, repaid),
        ),
    )


def dispute_opened(amount: int, reserved: int, fee: int, balance_transaction: str) -> Posting:
    """Row 10: the scheme withdrew `amount`; what the campaign no longer has, the platform lends.

    `reserved` is what the campaign has of the pledge's own money (decision 0023); the scheme's fee
    is the platform's.
    """
    return _cash(
        Row.DISPUTE_OPENED,
        balance_transaction,
        "dispute",
        *_entries(
            (Account.BACKER_FUNDS, Account.DISPUTES_RESERVED, reserved),
            (Account.PROVIDER_BALANCE, Account.PLATFORM_CURRENT, amount - reserved),
            (Account.DISPUTED_AT_SCHEME, Account.PROVIDER_BALANCE, amount),
            (Account.PROVIDER_COSTS, Account.PLATFORM_CURRENT, fee),
        ),
    )


def dispute_won(amount: int, reserved: int, balance_transaction: str) -> Posting:
    """Row 11: the scheme gave it back; what had been lent goes back to the platform."""
    return _cash(
        Row.DISPUTE_WON,
        balance_transaction,
        "dispute-won",
        *_entries(
            (Account.PROVIDER_BALANCE, Account.DISPUTED_AT_SCHEME, amount),
            (Account.DISPUTES_RESERVED, Account.BACKER_FUNDS, reserved),
            (Account.PLATFORM_CURRENT, Account.PROVIDER_BALANCE, amount - reserved),
        ),
    )


def dispute_lost(
    dispute_id: str, amount: int, reserved: int, newly: int = 0, owed: int = 0
) -> Posting:
    """Row 12: what was reserved, what is `newly` available, what the creator owes, and the rest.

    The rest is the platform's loss: the goal was missed, or the pledge had been refunded already.
    """
    lost = amount - reserved - newly - owed
    return Posting(
        Row.DISPUTE_LOST,
        f"dispute-lost/{dispute_id}",
        _entries(
            (Account.DISPUTES_RESERVED, Account.DISPUTED_AT_SCHEME, reserved),
            (Account.BACKER_FUNDS, Account.DISPUTED_AT_SCHEME, newly),
            (Account.PLATFORM_CURRENT, Account.PROVIDER_BALANCE, newly),
            (Account.CREATOR_RECEIVABLE, Account.DISPUTED_AT_SCHEME, owed),
            (Account.LOSS_COSTS, Account.DISPUTED_AT_SCHEME, lost),
        ),
    )


def loss_made_good(refund_id: str, amount: int, blocks: int) -> Posting:
    """Row 12 after its end: a refund that ran beside a lost chargeback did not leave after all.

    What it had reserved pays for what the platform had lost.
    """
    return Posting(
        Row.DISPUTE_LOST,
        f"loss-made-good/{refund_id}{_again(blocks)}",
        _entries(
            (Account.BACKER_FUNDS, Account.LOSS_COSTS, amount),
            (Account.PLATFORM_CURRENT, Account.PROVIDER_BALANCE, amount),
        ),
    )


def stage_approved(approval_id: str, amount: int) -> Posting:
    """Row 13: an approved stage is owed to the creator."""
    entry = Entry(Account.BACKER_FUNDS, Account.CREATOR_PAYABLE, amount)
    return Posting(Row.STAGE_APPROVED, STAGE_APPROVED + approval_id, (entry,))


def stage_approval_fallen(approval_id: str, amount: int) -> Posting:
    """Row 13 undone, before anything was submitted: an approval that fell owes nothing."""
    entry = Entry(Account.CREATOR_PAYABLE, Account.BACKER_FUNDS, amount)
    return Posting(Row.STAGE_APPROVED, APPROVAL_FALLEN + approval_id, (entry,))


def last_stage_approved(approval_id: str, divided: LastStage) -> Posting:
    """Row 14: fees out of what is left, tax first; what it does not reach for is a debt.

    `backer_funds` has nothing but dust afterwards. What the campaign pays of the fees goes to the
    float.
    """
    covered, owed = divided.covered, divided.owed
    return Posting(
        Row.LAST_STAGE_APPROVED,
        STAGE_APPROVED + approval_id,
        _entries(
            *_fees(Account.BACKER_FUNDS, covered),
            (Account.PLATFORM_CURRENT, Account.PROVIDER_BALANCE, covered.total),
            *_fees(Account.CREATOR_RECEIVABLE, owed),
            (Account.BACKER_FUNDS, Account.CREATOR_PAYABLE, divided.payable),
        ),
    )


def last_stage_approval_fallen(approval_id: str, divided: LastStage) -> Posting:
    """Row 14 undone entry by entry, before anything was submitted."""
    made = last_stage_approved(approval_id, divided)
    return _undone(made, APPROVAL_FALLEN + approval_id)


def fee_waived(waiver_id: str, platform: int, tax: int, owed: int) -> Posting:
    """Row 14 undone in part: what the creator owes first, the rest is the campaign's again.

    What comes back into the campaign's money comes out of the float.
    """
    debt = min(platform + tax, owed)
    of_platform = min(platform, debt)
    of_tax = debt - of_platform
    return Posting(
        Row.LAST_STAGE_APPROVED,
        f"fee-waived/{waiver_id}",
        _entries(
            (Account.PLATFORM_FEE_INCOME, Account.CREATOR_RECEIVABLE, of_platform),
            (Account.TAX_PAYABLE, Account.CREATOR_RECEIVABLE, of_tax),
            (Account.PLATFORM_FEE_INCOME, Account.BACKER_FUNDS, platform - of_platform),
            (Account.TAX_PAYABLE, Account.BACKER_FUNDS, tax - of_tax),
            (Account.PROVIDER_BALANCE, Account.PLATFORM_CURRENT, platform + tax - debt),
        ),
    )


def stage_submitted(submission_id: str, amount: int, set_off: int = 0) -> Posting:
    """Row 15, once for all attempts of an approval: later ones move the same money.

    `set_off` of it settles the creator's debt instead of being sent.
    """
    return Posting(
        Row.STAGE_SUBMITTED,
        STAGE_SUBMITTED + submission_id,
        _entries(
            (Account.CREATOR_PAYABLE, Account.CREATOR_RECEIVABLE, set_off),
            (Account.PLATFORM_CURRENT, Account.PROVIDER_BALANCE, set_off),
            (Account.CREATOR_PAYABLE, Account.PAYOUTS_IN_FLIGHT, amount - set_off),
        ),
    )


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


def stage_reversed(amount: int, balance_transaction: str) -> Posting:
    """Row 18: an abandoned attempt's transfer came back; the money is owed as before it."""
    cash = Entry(Account.PROVIDER_BALANCE, Account.CREATOR_ACCOUNT, amount)
    owed = Entry(Account.PAYOUTS_IN_FLIGHT, Account.CREATOR_PAYABLE, amount)
    return _cash(Row.STAGE_REVERSED, balance_transaction, "transfer-reversal", cash, owed)


def stage_taken_back(submission_id: str, amount: int, set_off: int = 0) -> Posting:
    """Row 15 undone entry by entry: no transfer of it was ever made, so all is owed as before."""
    made = stage_submitted(submission_id, amount, set_off)
    return _undone(made, STAGE_TAKEN_BACK + submission_id)


def stage_cancelled(approval_id: str, amount: int) -> Posting:
    """Row 19: what was approved and never sent belongs to the backers again."""
    entry = Entry(Account.CREATOR_PAYABLE, Account.BACKER_FUNDS, amount)
    return Posting(Row.STAGE_CANCELLED, STAGE_CANCELLED + approval_id, (entry,))


def last_stage_cancelled(approval_id: str, divided: LastStage) -> Posting:
    """Row 19 for the last stage: no fee is taken, so row 14 is undone entry by entry."""
    undone = last_stage_approval_fallen(approval_id, divided).entries
    return Posting(Row.STAGE_CANCELLED, STAGE_CANCELLED + approval_id, undone)


def approval_cancelled(made: Posting) -> Posting:
    """Row 19 of an approval, as the ledger has it: row 13, 14 or 22 undone entry by entry."""
    undone = _undone(made, STAGE_CANCELLED + made.cause.removeprefix(STAGE_APPROVED))
    return replace(undone, row=Row.STAGE_CANCELLED)


def submission_taken_back(made: Posting) -> Posting:
    """Row 15 undone, of a submission as the ledger has it."""
    return _undone(made, STAGE_TAKEN_BACK + made.cause.removeprefix(STAGE_SUBMITTED))


def compensation(
    refund_id: str, of_campaign: int, of_platform: int, *, claimable: bool, blocks: int = 0
) -> Posting:
    """Row 20: by the campaign out of what is held, or by the platform out of its own.

    `blocks` counts how often it was taken back for a dispute before.
    """
    to = Account.CLAIMABLE if claimable else Account.REFUNDS_IN_FLIGHT
    return Posting(
        Row.COMPENSATION,
        f"compensation/{refund_id}{_again(blocks)}",
        _entries(
            (Account.BACKER_FUNDS, to, of_campaign),
            (Account.COMPENSATION_COSTS, to, of_platform),
            (Account.PROVIDER_BALANCE, Account.PLATFORM_CURRENT, of_platform),
        ),
    )


def compensation_taken_back(
    refund_id: str, of_campaign: int, of_platform: int, *, blocks: int = 0
) -> Posting:
    """Row 20 undone entry by entry, before anything was sent: it is the payer's again."""
    made = compensation(refund_id, of_campaign, of_platform, claimable=False)
    return _undone(made, f"refund-cancelled/{refund_id}{_again(blocks)}")


def compensation_recouped(adjustment_id: str, amount: int) -> Posting:
    """Row 20 undone in part, long after its money went: what no claim reaches pays for it.

    The campaign still holds what the platform gave in its stead, and bears it after all (0051).
    """
    return Posting(
        Row.COMPENSATION,
        f"{RECOUPED}{adjustment_id}",
        _entries(
            (Account.BACKER_FUNDS, Account.COMPENSATION_COSTS, amount),
            (Account.PLATFORM_CURRENT, Account.PROVIDER_BALANCE, amount),
        ),
    )


def debt_settled(debt_id: str, amount: int) -> Posting:
    """Row 21: the creator paid the platform what was owed."""
    entry = Entry(Account.PLATFORM_CURRENT, Account.CREATOR_RECEIVABLE, amount)
    return Posting(Row.DEBT, f"debt-settled/{debt_id}", (entry,))


def debt_written_off(debt_id: str, amount: int) -> Posting:
    """Row 21: two people gave it up; it is the platform's loss."""
    entry = Entry(Account.LOSS_COSTS, Account.CREATOR_RECEIVABLE, amount)
    return Posting(Row.DEBT, f"debt-written-off/{debt_id}", (entry,))


def money_back(approval_id: str, amount: int) -> Posting:
    """Row 22: what came back after the last stage is owed to the creator as a supplement."""
    entry = Entry(Account.BACKER_FUNDS, Account.CREATOR_PAYABLE, amount)
    return Posting(Row.MONEY_BACK, STAGE_APPROVED + approval_id, (entry,))


def money_back_fallen(approval_id: str, amount: int) -> Posting:
    """Row 22 undone, before anything was submitted."""
    entry = Entry(Account.CREATOR_PAYABLE, Account.BACKER_FUNDS, amount)
    return Posting(Row.MONEY_BACK, APPROVAL_FALLEN + approval_id, (entry,))


def dust_kept(campaign_id: str, block: int, amount: int) -> Posting:
    """Row 14 at the end of the book: what is too little to be paid out is the platform's.

    It is an income of its own, and no fee: no invoice has it.
    """
    return Posting(
        Row.LAST_STAGE_APPROVED,
        f"{DUST_KEPT}{campaign_id}/{block}",
        _entries(
            (Account.BACKER_FUNDS, Account.PLATFORM_FEE_INCOME, amount),
            (Account.PLATFORM_CURRENT, Account.PROVIDER_BALANCE, amount),
        ),
    )


# Which legs a balance transaction may have; each is posted once (R1).
LEGS = (
    "pledge",
    "refund",
    "refund-failure",
    "dispute",
    "dispute-won",
    "transfer",
    "payout",
    "payout-failure",
    "transfer-reversal",
)

# How the causes begin of a closing, and of what undoes it.
CLOSING = "close/"
DUST_KEPT = "dust-kept/"
CLOSING_UNDONE = "close-undone/"
INCOME = (Account.TAX_PAYABLE, Account.PROCESSING_FEE_INCOME, Account.PLATFORM_FEE_INCOME)
COSTS = (Account.PROVIDER_COSTS, Account.COMPENSATION_COSTS, Account.LOSS_COSTS)


def close(campaign_id: str, block: int, balances: Balances) -> Posting | None:
    """Row 23: incomes and tax against costs; None where there is nothing left to close.

    New entries may open a book again: the number of the block tells its closings apart.
    """
    entries = _entries(
        *((one, Account.PLATFORM_CURRENT, balances.get(one, 0)) for one in INCOME),
        *((Account.PLATFORM_CURRENT, one, balances.get(one, 0)) for one in COSTS),
    )
    return Posting(Row.CLOSE, f"{CLOSING}{campaign_id}/{block}", entries) if entries else None


def closing_undone(campaign_id: str, block: int, settled: Balances) -> Posting | None:
    """Row 23 undone entry by entry: what opens the book again finds incomes and costs as they were.

    `settled` is what closings took of them up to the one in `block`. None where that is nothing.
    """
    made = close(campaign_id, block, settled)
    return _undone(made, f"{CLOSING_UNDONE}{campaign_id}/{block}") if made else None


def settled_in(closings: Iterable[Posting]) -> dict[Account, int]:
    """Return what these closings took of incomes and costs, less what undid them."""
    moved = fold({}, [entry for posting in closings for entry in posting.entries])
    return {account: -n for account, n in moved.items() if n and account in (*INCOME, *COSTS)}


def closes(posting: Posting) -> bool:
    """Whether it is a part of closing a book; whatever else is booked opens a closed one."""
    return posting.row is Row.CLOSE or posting.cause.startswith(DUST_KEPT)


def _fees(payer: Account, fees: Fees) -> Iterable[tuple[Account, Account, int]]:
    yield payer, Account.TAX_PAYABLE, fees.tax
    yield payer, Account.PROCESSING_FEE_INCOME, fees.processing
    yield payer, Account.PLATFORM_FEE_INCOME, fees.platform


def _again(blocks: int) -> str:
    return f"/again-{blocks}" if blocks else ""


def _entries(*moves: tuple[Account, Account, int]) -> tuple[Entry, ...]:
    """Return the entries of a row, without those that move nothing."""
    return tuple(Entry(debit, credit, amount) for debit, credit, amount in moves if amount)


def _undone(made: Posting, cause: str) -> Posting:
    """Return what takes it back entry by entry, under a cause of its own."""
    entries = tuple(Entry(one.credit, one.debit, one.amount) for one in reversed(made.entries))
    return Posting(made.row, cause, entries)


def _cash(row: Row, balance_transaction: str, leg: str, *entries: Entry) -> Posting:
    # Unique per (balance transaction, leg): R1.
    if leg not in LEGS:
        raise ValueError(f"{leg} is no leg of a balance transaction")
    return Posting(row, f"{balance_transaction}/{leg}", entries, balance_transaction)
