"""A pledge that was taken back: out of the count, and all of its money back to its backer."""

from dataclasses import dataclass, replace
from datetime import datetime

from payouts.domain import postings
from payouts.domain.book import Book
from payouts.domain.errors import Refused
from payouts.domain.ledger import Posting
from payouts.domain.pledge_money import PledgeMoney, give_back, reserve
from payouts.domain.refund import RefundDecision, refund_id_of, request_part

WITHDRAWAL = "withdrawal/"


@dataclass(frozen=True, slots=True)
class WithdrawnPledge:
    """What funding says of a pledge that was taken back; the amount in minor units.

    `uncounted` says that the verdict will not be about it. `returned_in` is the provider's balance
    transaction where the provider has returned the money already, None where we are to.
    """

    pledge_id: str
    amount: int
    uncounted: bool
    returned_in: str | None


def uncount(book: Book, pledge: WithdrawnPledge) -> Book:
    """Take the pledge out of our own count, as funding took it out of the verdict's."""
    if not pledge.uncounted:
        return book
    return replace(book, counted=book.counted - pledge.amount, count=book.count - 1)


def refund_withdrawn(money: PledgeMoney, amount: int, now: datetime) -> RefundDecision | None:
    """Ask for `amount` of a withdrawn pledge, None where its money is on its way back already.

    That is all that is returnable, or what the ledger of a restored book has.

    A missed goal may have been heard first: then its refund is the one, and there is no second.
    While it is charged back, it is asked for at the dispute's end. A refund of staff may hold it,
    which nobody takes back any more.
    """
    if not money.returnable or money.disputed:
        return None
    cause = withdrawal_cause(money.pledge_id)
    return request_part(replace(money, withdrawn=True), amount, cause, now)


def withdrawal_cause(pledge_id: str) -> str:
    """The cause of the refund, named by fact and subject (`events.md` rule 2)."""
    return f"{WITHDRAWAL}{pledge_id}"


def book_return(
    book: Book, money: PledgeMoney, returned_in: str
) -> tuple[PledgeMoney, tuple[Posting, ...]]:
    """Book what the provider has returned by itself (rows 3 and 4); nothing is sent.

    Raises `Refused` where that money was given away before, to a refund of ours or to stages:
    whether it left twice, only a person can say.
    """
    if book.planned or money.returnable != money.amount:
        detail = f"pledge {money.pledge_id} was returned by the provider, but is not all here"
        raise Refused("returned-beside-us", detail)
    refund_id = refund_id_of(money.pledge_id, withdrawal_cause(money.pledge_id))
    returned = give_back(reserve(money, money.amount), money.amount)
    return replace(returned, withdrawn=True), (
        postings.refund_requested(refund_id, money.amount),
        postings.refund_cash_left(money.amount, returned_in),
    )
