"""A refund whose pledge is charged back: the bank may give the backer the money instead.

An unsent refund is cancelled in the book (row 8) and waits for the dispute's end. One that is in
flight cannot be called back: both may take cash, and what leaves twice is over (trap 3).
"""

from dataclasses import replace
from datetime import datetime

from payouts.domain import postings
from payouts.domain.pledge_money import PledgeMoney, release, reserve
from payouts.domain.refund import (
    Refund,
    RefundBlocked,
    RefundDecision,
    RefundRefused,
    RefundState,
    move,
    owed_posting,
    taken_back_posting,
)

DISPUTE = "dispute"
SATISFIED = "satisfied_by_chargeback"
# Nothing is at the provider that could still take cash.
UNSENT = frozenset(
    {
        RefundState.REQUESTED,
        RefundState.AWAITING_FUNDS,
        RefundState.FAILED,
        RefundState.CLAIMABLE,
    }
)


def block_where_charged_back(refund: Refund, money: PledgeMoney, now: datetime) -> RefundDecision:
    """Take back an unsent refund of a pledge that is charged back; anything else stays as it is.

    Where the chargeback is decided already and the backer has more than the pledge, it never goes.
    One that somebody says is paid by other means may have left: it stays, until that is denied.
    One beyond the pledge is none of the pledge's money: no bank gives it instead.
    """
    at_risk = (money.disputed or money.over) and not refund.beyond
    if refund.state not in UNSENT or refund.other_means is not None or not at_risk:
        return RefundDecision(refund, money)
    blocked = _block(refund, money, now)
    if money.disputed:
        return blocked
    good = min(money.over, refund.from_campaign)
    if not good:
        return blocked.then(satisfy(blocked.refund, blocked.money, now))
    made = postings.loss_made_good(refund.refund_id, good, refund.blocks)
    money = replace(blocked.money, made_good=blocked.money.made_good + good)
    paid = replace(blocked, money=money, postings=(*blocked.postings, made))
    return paid.then(satisfy(paid.refund, paid.money, now))


def unblock(refund: Refund, money: PledgeMoney, now: datetime) -> RefundDecision:
    """Go on after the dispute, if the pledge's money is there again; else the bank has paid it."""
    if refund.state is not RefundState.BLOCKED or money.disputed:
        return RefundDecision(refund, money)
    if money.returnable < refund.amount:
        return satisfy(refund, money, now)
    again = replace(move(refund, RefundState.REQUESTED), failures=0)
    return RefundDecision(again, reserve(money, refund.amount), (owed_posting(refund),))


def _block(refund: Refund, money: PledgeMoney, now: datetime) -> RefundDecision:
    blocked = replace(move(refund, RefundState.BLOCKED, DISPUTE), blocks=refund.blocks + 1)
    cancelled = taken_back_posting(refund, refund.refund_id, blocks=refund.blocks)
    made = [cancelled]
    if refund.state is RefundState.CLAIMABLE:
        name = f"{refund.refund_id}/blocked-{blocked.blocks}"
        made.insert(0, postings.refund_reopened(name, refund.amount))
    fact = RefundBlocked(blocked, DISPUTE, now)
    return RefundDecision(blocked, release(money, refund.amount), tuple(made), (fact,))


def satisfy(refund: Refund, money: PledgeMoney, now: datetime) -> RefundDecision:
    """End a blocked refund: the bank gave its money to the backer, or a part of it."""
    cancelled = move(refund, RefundState.CANCELLED, SATISFIED)
    return RefundDecision(cancelled, money, facts=(RefundRefused(cancelled, SATISFIED, now),))
