"""A refund that staff ask for: of all of a pledge or a part of it, by two people (`money.md` 8).

Nothing is set aside before the second person approves: who only asked can stop nobody's money.
What was asked is never changed; under another id it is another refund (trap 1).
"""

from dataclasses import dataclass, replace
from datetime import datetime

from payouts.domain import postings
from payouts.domain.acts import Act, ActKind
from payouts.domain.book import Book
from payouts.domain.errors import Refused
from payouts.domain.ledger import Account
from payouts.domain.pledge_money import PledgeMoney, release, reserve
from payouts.domain.refund import (
    TRANSITIONS,
    Refund,
    RefundCreated,
    RefundDecision,
    RefundRefused,
    RefundState,
    did,
    made_of,
    move,
    noted,
    refund_id_of,
    taken_back_posting,
)
from payouts.domain.two_people import standing

# How the cause of such a refund begins.
STAFF_REFUND = "staff-refund/"
EXPIRED = "approval-expired"
REJECTED = "rejected"
CANCELLED = "cancelled-by-staff"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What staff ask for, under an id of their choice; amounts in minor units of the pledge.

    `advance_max` is how much of it the platform may lend where the campaign holds too little; it
    is then the creator's debt.
    """

    request_id: str
    pledge_id: str
    amount: int
    reason: str
    advance_max: int = 0


def cause_of(request_id: str) -> str:
    """Return the cause of the refund, named by what was asked."""
    return f"{STAFF_REFUND}{request_id}"


def requested_id_of(campaign_id: str, request_id: str) -> str:
    """Return f(campaign, request): one id is one refund, whichever pledge it is asked for."""
    return refund_id_of(campaign_id, cause_of(request_id))


def by_staff(refund_id: str) -> str:
    """Return under which name staff take it back in the book; a dispute does under its own."""
    return f"{refund_id}/by-staff"


def ask(
    wanted: Wanted,
    money: PledgeMoney,
    book: Book,
    by: str,
    creator: str | None,
    now: datetime,
    kept_back: int = 0,
) -> Refund:
    """Take what the first person asks for; raises `Refused` where it could not be given now.

    `kept_back` of what the campaign holds waits for banks, for other refunds.
    """
    check_person(by, money, creator)
    _check(money, book, wanted.amount, wanted.advance_max, kept_back)
    name = requested_id_of(money.campaign_id, wanted.request_id)
    cause, state = cause_of(wanted.request_id), RefundState.AWAITING_APPROVAL
    asked = made_of(money, name, wanted.amount, cause, state, now)
    act = Act(ActKind.ASKED, by, now, wanted.reason)
    return replace(asked, acts=(act,), advance_max=wanted.advance_max)


def asked_again(known: Refund, wanted: Wanted) -> Refund:
    """Return what is known under this id; raises `Refused` where something else was asked."""
    asked = known.acts[0]
    same = (known.pledge_id, known.amount, known.advance_max, asked.reason)
    if same != (wanted.pledge_id, wanted.amount, wanted.advance_max, wanted.reason):
        detail = f"{wanted.request_id} asks for {known.amount} of pledge {known.pledge_id} already"
        raise Refused("request-known", detail)
    return known


def approve(
    refund: Refund,
    money: PledgeMoney,
    book: Book,
    by: str,
    creator: str | None,
    now: datetime,
    kept_back: int = 0,
) -> RefundDecision:
    """Owe it, as the second person, with row 3; the same person's approval again changes nothing.

    What cannot be given any more, or waited for more than seven days, is refused for good: that is
    a decision, and saved. Raises `Refused` for a person who may not approve it.
    """
    if did(refund, ActKind.APPROVED, by):
        return RefundDecision(refund, money)
    check_second(refund, money, by, creator)
    if is_expired(refund, now):
        return refuse(refund, money, EXPIRED, now)
    try:
        _check(money, book, refund.amount, refund.advance_max, kept_back)
    except Refused as refusal:
        return refuse(refund, money, refusal.reason, now)
    lent = _short(book, refund.amount, kept_back)
    with_act = noted(refund, Act(ActKind.APPROVED, by, now))
    owed = replace(move(with_act, RefundState.REQUESTED), created_at=now, advanced=lent)
    posting = postings.refund_requested(owed.refund_id, owed.amount - lent, lent)
    return RefundDecision(owed, reserve(money, owed.amount), (posting,), (RefundCreated(owed),))


def reject(
    refund: Refund, money: PledgeMoney, by: str, creator: str | None, reason: str, now: datetime
) -> RefundDecision:
    """Refuse it as another person than who asked; the same again changes nothing."""
    if did(refund, ActKind.REJECTED, by):
        return RefundDecision(refund, money)
    _still_waits(refund)
    check_person(by, money, creator)
    if by == refund.acts[0].by:
        raise Refused("same-person", "who asked takes it back by cancelling")
    with_act = noted(refund, Act(ActKind.REJECTED, by, now, reason))
    return refuse(with_act, money, REJECTED, now)


def expire(refund: Refund, money: PledgeMoney, now: datetime) -> RefundDecision:
    """Refuse what nobody approved in time; anything else stays as it is."""
    if not is_expired(refund, now):
        return RefundDecision(refund, money)
    return refuse(refund, money, EXPIRED, now)


def cancel(
    refund: Refund,
    money: PledgeMoney,
    book: Book,
    by: str,
    creator: str | None,
    reason: str,
    now: datetime,
) -> RefundDecision:
    """Take it back before it is sent (row 8); the same person's same act changes nothing.

    Only what staff asked for: what is owed by a verdict or a withdrawal nobody takes back.
    """
    if did(refund, ActKind.CANCELLED, by):
        return RefundDecision(refund, money)
    if not is_asked_by_staff(refund):
        raise Refused("not-asked-by-staff", "what a rule owes to a backer is not taken back")
    check_person(by, money, creator)
    unowed = refund.state in (RefundState.AWAITING_APPROVAL, RefundState.BLOCKED)
    if not unowed and (book.run is not None or money.withdrawn):
        # Everything of the pledge goes back anyway, and what was reserved here was left out of it.
        raise Refused("owed-anyway", "the pledge's money is the backer's by now")
    if RefundState.CANCELLED not in TRANSITIONS[refund.state]:
        raise Refused("not-unsent", f"a {refund.state} refund is not taken back")
    moved = move(refund, RefundState.CANCELLED, CANCELLED)
    cancelled = noted(moved, Act(ActKind.CANCELLED, by, now, reason))
    if unowed:
        return RefundDecision(cancelled, money, facts=(RefundRefused(cancelled, CANCELLED, now),))
    repaid = min(refund.advanced, book.balances.get(Account.CREATOR_RECEIVABLE, 0))
    posting = taken_back_posting(refund, by_staff(refund.refund_id), repaid)
    cancelled = replace(cancelled, advanced=refund.advanced - repaid)
    fact = RefundRefused(cancelled, CANCELLED, now)
    return RefundDecision(cancelled, release(money, refund.amount), (posting,), (fact,))


def is_asked_by_staff(refund: Refund) -> bool:
    """Whether people asked for it; what a rule owes may have acts as well, of its backer."""
    return bool(refund.acts) and refund.acts[0].kind is ActKind.ASKED


def is_expired(refund: Refund, now: datetime) -> bool:
    """Whether the second person came too late."""
    waits = refund.state is RefundState.AWAITING_APPROVAL
    return waits and standing(refund.acts[0], now) is None


def _short(book: Book, amount: int, kept_back: int) -> int:
    """Return by how much the campaign's own money is short of it, which the platform would lend."""
    return max(0, amount - max(0, book.balances[Account.BACKER_FUNDS] - kept_back))


def check_person(by: str, money: PledgeMoney, creator: str | None) -> None:
    """Raise `Refused` for somebody with an interest in the pledge's money."""
    if by == creator:
        raise Refused("creator-decides", "the creator does not decide about the backers' money")
    if by == money.backer_id:
        raise Refused("backer-decides", "the pledge's backer does not decide about it")


def check_second(refund: Refund, money: PledgeMoney, by: str, creator: str | None) -> None:
    """Raise `Refused` unless this person may approve what another one asked for."""
    _still_waits(refund)
    check_person(by, money, creator)
    if by == refund.acts[0].by:
        raise Refused("same-person", "two different people must ask and approve")


def refuse(refund: Refund, money: PledgeMoney, reason: str, now: datetime) -> RefundDecision:
    """Say no for good, as a fact: whoever asked need not wait."""
    refused = move(refund, RefundState.REFUSED, reason)
    return RefundDecision(refused, money, facts=(RefundRefused(refused, reason, now),))


def _check(money: PledgeMoney, book: Book, amount: int, advance_max: int, kept_back: int) -> None:
    """Raise `Refused` unless the pledge has it, and the campaign holds it or it may be lent."""
    if book.run is not None and not book.run.finished:
        # What it takes may be divided already, or be about to go back to its backer anyway.
        raise Refused("run-unfinished", "the refunds of the whole campaign are being made")
    reserve(money, amount)
    short = _short(book, amount, kept_back)
    if not short:
        return
    if advance_max and not book.planned:
        raise Refused("no-advance", "only a creator who is paid in stages can owe an advance")
    if short > advance_max:
        raise Refused("above-campaign-funds", f"the campaign holds {short} less than {amount}")


def _still_waits(refund: Refund) -> None:
    if refund.state is RefundState.AWAITING_APPROVAL:
        return
    if not is_asked_by_staff(refund):
        raise Refused("not-asked-by-staff", "this refund needs nobody's approval")
    raise Refused("already-decided", f"the refund is {refund.state}")
