"""Invariants of a book that can fail (`money.md` 3), and what is wrong where one does.

The ledger refuses a posting that breaks one. These are for what no rule made: a buggy write, an
edited document, a row saved without its posting. Each compares two things that are kept apart.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from payouts.domain.book import Agreement, Book, agreement
from payouts.domain.book_state import BookState
from payouts.domain.dispute import Dispute, DisputeState
from payouts.domain.ledger import CASH, HELD, SIDES, Account, Side
from payouts.domain.refund import RefundState
from payouts.domain.stage import Stage, StageState
from payouts.domain.stage_cancelling import money_has_left


class Invariant(StrEnum):
    """Those of one book by their names in `money.md`, and that funding's count is ours."""

    SIDES = "I1"
    CASH_IS_HELD = "I2"
    CHAIN = "I4"
    CONTROL_ACCOUNTS = "I5"
    WHOLE = "I6"
    CLOSED = "I7"
    VERDICT = "verdict"


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong with which book."""

    invariant: Invariant
    campaign_id: str
    detail: str

    def __str__(self) -> str:
        return f"campaign {self.campaign_id}: {self.invariant}: {self.detail}"


@dataclass(frozen=True, slots=True)
class PledgeSums:
    """The parts of a campaign's `pledge_money`, added up, in minor units.

    `refunded` is what we returned of pledges that were not withdrawn: of a withdrawn one the
    provider may have returned the money by itself, without a refund of ours; what a bank took back
    is not in it.
    """

    amount: int = 0
    reserved: int = 0
    returned: int = 0
    refunded: int = 0
    disputed: int = 0
    over: int = 0
    made_good: int = 0


@dataclass(frozen=True, slots=True)
class Compensated:
    """Compensations that stand, in minor units, as far as they are not the pledges' own money.

    `by_platform` went by the pledges' payments, out of the platform's pocket, and it has not taken
    it back. Of those beyond the
    pledges `waiting` are to be claimed, and `beyond_by_campaign` were the campaign's.
    """

    by_platform: int = 0
    waiting: int = 0
    beyond_by_campaign: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """A book and what is kept beside it, as of one instant.

    `refunds` are the sums by state of those whose cash has not left, `refunded` is the sum of the
    others, without those of withdrawn pledges or beyond them; `advanced` is what the
    platform lent for refunds, `debts` what is open of the creator's debts, item by item; in minor
    units.
    """

    book: Book
    pledges: PledgeSums
    refunds: Mapping[RefundState, int]
    refunded: int
    stages: tuple[Stage, ...]
    advanced: int = 0
    disputes: tuple[Dispute, ...] = ()
    debts: int = 0
    compensated: Compensated = Compensated()


# Under which account a refund is owed whose cash has not left; under none once it has no end open.
REFUND_ACCOUNTS: dict[RefundState, Account | None] = {
    RefundState.REQUESTED: Account.REFUNDS_IN_FLIGHT,
    RefundState.AWAITING_FUNDS: Account.REFUNDS_IN_FLIGHT,
    RefundState.SUBMITTED: Account.REFUNDS_IN_FLIGHT,
    RefundState.UNKNOWN: Account.REFUNDS_IN_FLIGHT,
    RefundState.PENDING: Account.REFUNDS_IN_FLIGHT,
    RefundState.FAILED: Account.REFUNDS_IN_FLIGHT,
    RefundState.CLAIMABLE: Account.CLAIMABLE,
    RefundState.SUCCEEDED: None,
    RefundState.AWAITING_APPROVAL: None,
    RefundState.REFUSED: None,
    RefundState.BLOCKED: None,
    RefundState.PAID_BY_OTHER_MEANS: None,
    RefundState.CANCELLED: None,
}

# The states of a compensation whose money is set aside or has left.
STANDING = frozenset(
    {state for state, account in REFUND_ACCOUNTS.items() if account}
    | {RefundState.SUCCEEDED, RefundState.PAID_BY_OTHER_MEANS}
)

# Under which account a stage is owed to the creator; a paid one is not any more.
STAGE_ACCOUNTS: dict[StageState, Account | None] = {
    StageState.PLANNED: None,
    StageState.DUE: None,
    StageState.AWAITING_SECOND_APPROVAL: None,
    StageState.HELD: None,
    StageState.APPROVED: Account.CREATOR_PAYABLE,
    StageState.SUBMITTED: Account.PAYOUTS_IN_FLIGHT,
    StageState.IN_TRANSIT: Account.PAYOUTS_IN_FLIGHT,
    StageState.FAILED: Account.PAYOUTS_IN_FLIGHT,
    StageState.PAID: None,
    StageState.NOTHING_TO_PAY: None,
    StageState.CANCELLED: None,
}

CONTROLLED = (
    Account.REFUNDS_IN_FLIGHT,
    Account.CLAIMABLE,
    Account.CREATOR_PAYABLE,
    Account.PAYOUTS_IN_FLIGHT,
    Account.CREATOR_ACCOUNT,
    Account.DISPUTED_AT_SCHEME,
    Account.DISPUTES_RESERVED,
    Account.CREATOR_RECEIVABLE,
)


def of_book(book: Book) -> list[Violation]:
    """Check what the book alone shows: I1, I2, I7, and funding's count against ours."""
    found = [*_wrong_sides(book), *_cash_not_held(book), *_not_all_zero(book)]
    if agreement(book) is Agreement.CONTRADICTS and book.verdict is not None:
        ours, theirs = (book.count, book.counted), (book.verdict.count, book.verdict.collected)
        detail = (
            f"we counted {ours[0]} pledges of {ours[1]}, the verdict {theirs[0]} of {theirs[1]}"
        )
        found.append(Violation(Invariant.VERDICT, book.campaign_id, detail))
    return found


def of_kept(kept: Kept) -> list[Violation]:
    """Check the book against what is kept beside it: I5 and I6."""
    return [*_wrong_controls(kept), *_not_whole(kept)]


def _wrong_sides(book: Book) -> Iterator[Violation]:
    for account, balance in book.balances.items():
        if balance < 0 and SIDES[account] is not Side.EITHER:
            detail = f"{account} is {-balance} on the wrong side"
            yield Violation(Invariant.SIDES, book.campaign_id, detail)


def _cash_not_held(book: Book) -> Iterator[Violation]:
    cash = sum(book.balances.get(account, 0) for account in CASH)
    held = sum(book.balances.get(account, 0) for account in HELD)
    if cash != held:
        detail = f"cash outside is {cash}, held for people is {held}"
        yield Violation(Invariant.CASH_IS_HELD, book.campaign_id, detail)


def _not_all_zero(book: Book) -> Iterator[Violation]:
    """Check I7: a closed book has nothing on any account."""
    left = {account.value: n for account, n in sorted(book.balances.items()) if n}
    if book.life.state is BookState.CLOSED and left:
        yield Violation(Invariant.CLOSED, book.campaign_id, f"the book is closed with {left}")


def _wrong_controls(kept: Kept) -> Iterator[Violation]:
    balances, campaign_id = kept.book.balances, kept.book.campaign_id
    owed = _owed(kept)
    for account in CONTROLLED:
        if balances.get(account, 0) != owed[account]:
            detail = f"{account} is {balances.get(account, 0)}, what it is for adds up to "
            yield Violation(Invariant.CONTROL_ACCOUNTS, campaign_id, f"{detail}{owed[account]}")
    in_refunds = owed[Account.REFUNDS_IN_FLIGHT] + owed[Account.CLAIMABLE]
    in_refunds -= kept.compensated.waiting
    if kept.pledges.reserved != in_refunds:
        detail = f"pledges have {kept.pledges.reserved} in refunds, refunds add up to {in_refunds}"
        yield Violation(Invariant.CONTROL_ACCOUNTS, campaign_id, detail)
    if kept.pledges.disputed != owed[Account.DISPUTED_AT_SCHEME]:
        detail = f"pledges have {kept.pledges.disputed} disputed, open disputes add up to "
        detail += f"{owed[Account.DISPUTED_AT_SCHEME]}"
        yield Violation(Invariant.CONTROL_ACCOUNTS, campaign_id, detail)
    if kept.pledges.refunded != kept.refunded:
        detail = f"pledges have {kept.pledges.refunded} back, refunds returned {kept.refunded}"
        yield Violation(Invariant.CONTROL_ACCOUNTS, campaign_id, detail)


def _owed(kept: Kept) -> dict[Account, int]:
    """Return by account what refunds and stages say it must be."""
    owed = dict.fromkeys(CONTROLLED, 0)
    for state, amount in kept.refunds.items():
        if account := REFUND_ACCOUNTS[state]:
            owed[account] += amount
    for stage in kept.stages:
        if account := STAGE_ACCOUNTS[stage.state]:
            owed[account] += _owed_of(stage, account)
        if _lies_with_creator(stage):
            owed[Account.CREATOR_ACCOUNT] += stage.sent
    owed[Account.DISPUTED_AT_SCHEME] = sum(one.amount for one in _open(kept))
    owed[Account.DISPUTES_RESERVED] = sum(one.reserved for one in _open(kept))
    owed[Account.CREATOR_RECEIVABLE] = kept.debts
    return owed


def _owed_of(stage: Stage, account: Account) -> int:
    return stage.payable if account is Account.CREATOR_PAYABLE else stage.sent


def _open(kept: Kept) -> list[Dispute]:
    return [one for one in kept.disputes if one.state is DisputeState.OPENED]


def _lies_with_creator(stage: Stage) -> bool:
    """Whether the first leg is made and the bank has not confirmed the second."""
    return money_has_left(stage) and stage.state is not StageState.PAID


def _not_whole(kept: Kept) -> Iterator[Violation]:
    """Check I6: what was collected is still here, or went where the documents say."""
    pledges, divided = kept.pledges, [s.divided for s in kept.stages if s.divided]
    came = pledges.amount + sum(one.owed.total for one in divided) + kept.advanced + _lost(kept)
    came += kept.compensated.by_platform
    to_creator = sum(s.payable if _was_approved(s) else s.set_off for s in kept.stages)
    fees = sum(one.covered.total + one.owed.total for one in divided) - kept.book.waived_back
    to_backers = pledges.reserved + pledges.returned + pledges.disputed - pledges.over
    to_backers += kept.compensated.beyond_by_campaign
    left = kept.book.balances.get(Account.BACKER_FUNDS, 0) + kept.book.life.dust_kept
    if came != left + to_creator + fees + to_backers:
        detail = (
            f"{came} came in; backer_funds {left}, stages {to_creator}, fees {fees} and "
            f"to backers {to_backers} are {left + to_creator + fees + to_backers}"
        )
        yield Violation(Invariant.WHOLE, kept.book.campaign_id, detail)


def _lost(kept: Kept) -> int:
    """What the platform gave for chargebacks of pledges whose own money is not here any more."""
    undecided = sum(one.amount - one.reserved for one in _open(kept))
    decided = sum(one.owed + one.lost for one in kept.disputes)
    return undecided + decided - kept.pledges.made_good - kept.pledges.over


def _was_approved(stage: Stage) -> bool:
    return stage.state is StageState.PAID or STAGE_ACCOUNTS[stage.state] is not None
