"""A fee that the platform gives up, as two people say (`money.md` 4 and 8).

Returns never reduce a fee; only a waiver does. Before the last stage is approved less is taken.
Afterwards it is row 14 undone in part: first for what the creator owes, the rest comes back into
the campaign's money and is paid as a supplement. What two people wrote off of a fee was given up
by that: the creator never paid it, so nothing of it comes back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from payouts.domain import postings
from payouts.domain.approval import Concerned, check_person
from payouts.domain.book import Book, Waiver, fees_due
from payouts.domain.errors import Refused
from payouts.domain.ledger import Account, Posting
from payouts.domain.plan import StageKind
from payouts.domain.receivable import Receivable
from payouts.domain.stage import OVER, Stage
from payouts.domain.stage_cancelling import money_has_left
from payouts.domain.two_people import Turn, turn_of

# How the causes of debts begin that are fees: not paid, or paid by a set-off that was taken back.
_OF_FEES = (postings.STAGE_APPROVED, postings.STAGE_TAKEN_BACK)


@dataclass(frozen=True, slots=True)
class WaiverDecision:
    """The book with what was said; a posting only where the fee had been taken already."""

    book: Book
    waiver: Waiver
    posting: Posting | None = None


def say(
    book: Book,
    stages: Sequence[Stage],
    debts: Iterable[Receivable],
    said: Waiver,
    concerned: Concerned,
    now: datetime,
) -> WaiverDecision:
    """Take the first person's word, or waive it with the second's; the same again changes nothing.

    `debts` are the campaign's. Raises `Refused` for who has an interest, for more than there is to
    waive, and for a fee of which anything is written off.
    """
    known = {one.waiver_id: one for one in book.waivers}.get(said.waiver_id)
    if known is not None and (known.amount, known.reason) != (said.amount, said.reason):
        raise Refused("waiver-known", f"waiver {said.waiver_id} is of {known.amount}")
    turn = turn_of(known, said.by, now)
    if known is not None and turn is Turn.AGAIN:
        return WaiverDecision(book, known)
    check_person(said.by, concerned)
    taken = _is_taken(book, stages)
    _check_amount(book, said.amount, taken)
    if lost := sum(one.written_off for one in debts if one.cause.startswith(_OF_FEES)):
        raise Refused("fee-written-off", f"{lost} of the fees are written off, and given up by it")
    if known is None or turn is Turn.FIRST:
        return WaiverDecision(_with(book, said), said)
    given = replace(known, second_by=said.by, second_at=now)
    return _after(book, given) if taken else _before(book, given)


def _before(book: Book, given: Waiver) -> WaiverDecision:
    less = replace(_with(book, given), waived=book.waived + given.amount)
    return WaiverDecision(less, given)


def _after(book: Book, given: Waiver) -> WaiverDecision:
    less = replace(_with(book, given), waived=book.waived + given.amount)
    tax = min(fees_due(book).tax - fees_due(less).tax, book.result_on(Account.TAX_PAYABLE))
    owed = book.balances.get(Account.CREATOR_RECEIVABLE, 0)
    back = max(0, given.amount + tax - owed)
    name = f"{book.campaign_id}/{given.waiver_id}"
    made = postings.fee_waived(name, given.amount, tax, owed)
    return WaiverDecision(replace(less, waived_back=book.waived_back + back), given, made)


def _is_taken(book: Book, stages: Sequence[Stage]) -> bool:
    """Whether the fee is income for good; raises `Refused` while its approval may still fall."""
    if book.cancellation is not None:
        raise Refused("campaign-cancelled", "no fee is taken of a cancelled campaign")
    last = next((stage for stage in stages if stage.kind is StageKind.LAST), None)
    if last is None:
        raise Refused("no-plan", "there is no fee before the stages are planned")
    if not book.last_approved:
        return False
    if last.state not in OVER and not money_has_left(last):
        raise Refused("last-stage-unsettled", "the last stage is approved and has not left yet")
    return True


def _check_amount(book: Book, amount: int, taken: bool) -> None:
    income = book.result_on(Account.PLATFORM_FEE_INCOME)
    most = min(fees_due(book).platform, income) if taken else fees_due(book).platform
    if not 0 < amount <= most:
        raise Refused("above-fee", f"{most} of the platform's fee can be waived, not {amount}")


def _with(book: Book, waiver: Waiver) -> Book:
    others = tuple(one for one in book.waivers if one.waiver_id != waiver.waiver_id)
    return replace(book, waivers=(*others, waiver))
