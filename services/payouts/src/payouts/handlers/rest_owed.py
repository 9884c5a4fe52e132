"""A refund that ended because the bank paid a part of it: the rest is asked for at once."""

from collections.abc import Sequence
from datetime import datetime

from payouts.domain.book import Book
from payouts.domain.ledger import Account, Posting, fold
from payouts.domain.owed import rest_cause
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.refund import Refund, RefundDecision, RefundState, request_part
from payouts.domain.refund_blocking import SATISFIED
from payouts.handlers.work_kinds import refund_work
from payouts.ports.unit import PayoutsUnit


async def ask_for_the_rest(
    unit: PayoutsUnit,
    book: Book,
    ended: Refund,
    money: PledgeMoney,
    made: Sequence[Posting],
    now: datetime,
) -> RefundDecision | None:
    """Return what is still owed of its pledge, with its work offered; None where nothing is.

    `made` are the postings that are sealed with it. While a chargeback is open, its end asks.
    """
    if (ended.state, ended.reason) != (RefundState.CANCELLED, SATISFIED):
        return None
    entries = [entry for posting in made for entry in posting.entries]
    available = max(0, fold(book.balances, entries)[Account.BACKER_FUNDS])
    left = min(money.returnable, available)
    if money.disputed or not left:
        return None
    refunds = await unit.refunds.of_pledge(money.pledge_id)
    cause = rest_cause(book, money, refunds, ended.refund_id)
    if cause is None:
        return None
    rest = request_part(money, left, cause, now)
    await unit.plumbing.work.offer([refund_work(rest.refund, now)])
    return rest
