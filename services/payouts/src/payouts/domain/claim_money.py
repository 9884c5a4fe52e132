"""Money for a claim about a reward: a part of the pledge back, or a compensation (row 20).

A claim is answered once, whether staff say it here or the claim's own fact does. A refund is the
pledge's money. A compensation comes on top of the reward: of what the campaign holds, or of the
platform's own, which two people must say. As far as the pledge was paid it goes back that way, all
of it or nothing; beyond the pledge it waits to be claimed and never goes to a card.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from payouts.domain.acts import Act, ActKind
from payouts.domain.book import Book, Outcome
from payouts.domain.claimable import begin_reminding
from payouts.domain.errors import Refused
from payouts.domain.pledge_money import PledgeMoney, reserve
from payouts.domain.postings import Payer
from payouts.domain.refund import (
    Refund,
    RefundClaimable,
    RefundCreated,
    RefundDecision,
    RefundKind,
    RefundState,
    did,
    made_of,
    move,
    noted,
    owed_posting,
    refund_id_of,
)
from payouts.domain.refund_request import EXPIRED, check_person, check_second, is_expired, refuse

# How the cause of such a refund begins: the fact that asks for it, and its claim.
CLAIM = "claim-money-requested/"
BEYOND = "beyond-pledge"
# Over this time what one person gives of a campaign counts together.
COUNTED = timedelta(days=30)
_NEVER_GIVEN = frozenset({RefundState.REFUSED, RefundState.CANCELLED})
# Nothing of the pledge's money is set aside for it.
_HOLDS_NOTHING = _NEVER_GIVEN | {RefundState.AWAITING_APPROVAL, RefundState.BLOCKED}
_WHOLE = 10_000


@dataclass(frozen=True, slots=True)
class ClaimMoney:
    """What a claim ended in; `amount` in minor units of the pledge, `reason` why it was claimed."""

    claim_id: str
    pledge_id: str
    kind: RefundKind
    amount: int
    payer: Payer
    reason: str


@dataclass(frozen=True, slots=True)
class Ceilings:
    """How much compensations may come to: of one pledge ever, and by one person in 30 days."""

    pledge_basis_points: int
    person_amount: int


@dataclass(frozen=True, slots=True)
class Around:
    """What a claim's money is measured by, read inside its transaction; amounts in minor units.

    `held` is what the campaign has for it, without what lies there for others. `refunded` is what
    of the pledge itself went back, or is owed back. `of_pledge` are compensations so far,
    `by_person` those of who gave most of the people who give this one.
    """

    book: Book
    held: int
    refunded: int
    of_pledge: int
    by_person: int
    ceilings: Ceilings


def claim_cause(claim_id: str) -> str:
    """Return the cause of the refund, named by its claim."""
    return f"{CLAIM}{claim_id}"


def claim_refund_id(campaign_id: str, claim_id: str) -> str:
    """Return f(campaign, claim): one claim is one refund, whichever way it is told."""
    return refund_id_of(campaign_id, claim_cause(claim_id))


def is_of_claim(refund: Refund) -> bool:
    """Whether a claim asked for it."""
    return refund.cause.startswith(CLAIM)


def given_of(refunds: Iterable[Refund], besides: str) -> int:
    """Add up the compensations among them that were not refused or taken back."""
    return sum(
        refund.amount
        for refund in refunds
        if refund.kind is RefundKind.COMPENSATION
        and refund.state not in _NEVER_GIVEN
        and refund.refund_id != besides
    )


def refunded_of(money: PledgeMoney, refunds: Iterable[Refund]) -> int:
    """Return what of a pledge went back or is owed back, by us or its bank, of all its refunds.

    Compensations are given beside it, also those that go out of its payment.
    """
    refunded = money.returned + money.reserved
    for refund in refunds:
        if refund.kind is RefundKind.REFUND and refund.state is RefundState.BLOCKED:
            refunded += refund.amount
        beside = refund.kind is RefundKind.COMPENSATION and not refund.beyond
        if beside and refund.state not in _HOLDS_NOTHING:
            refunded -= refund.amount
    return refunded


def asked(wanted: ClaimMoney, money: PledgeMoney, by: str, now: datetime) -> Refund:
    """Return what is asked for, before anybody has looked whether it can be given."""
    name = claim_refund_id(money.campaign_id, wanted.claim_id)
    cause, state = claim_cause(wanted.claim_id), RefundState.AWAITING_APPROVAL
    new = made_of(money, name, wanted.amount, cause, state, now)
    act = Act(ActKind.ASKED, by, now, wanted.reason)
    return replace(new, acts=(act,), kind=wanted.kind, payer=wanted.payer)


def asked_again(known: Refund, wanted: ClaimMoney) -> Refund:
    """Return what is known of this claim; raises `Refused` where something else was asked.

    A refusal stands whoever was to pay: one that a recovery found does not say who.
    """
    same = (known.pledge_id, known.kind, known.amount)
    other_payer = known.payer is not wanted.payer and known.state is not RefundState.REFUSED
    if same != (wanted.pledge_id, wanted.kind, wanted.amount) or other_payer:
        what = f"{known.kind} of {known.amount} of pledge {known.pledge_id} by the {known.payer}"
        raise Refused("request-known", f"claim {wanted.claim_id} asks for a {what} already")
    return known


def give(
    refund: Refund, money: PledgeMoney, around: Around, creator: str | None, now: datetime
) -> RefundDecision:
    """Owe what one person may give; what needs two waits for the second. Raises `Refused`."""
    _check(refund, money, around)
    own = refund.payer is Payer.CAMPAIGN
    # What is the campaign's own its creator may give, but to nobody who is also the creator.
    check_person(refund.acts[0].by, money, None if own else creator)
    if needs_second(refund, creator):
        return RefundDecision(refund, money)
    return owe(refund, money, is_beyond(refund, money), now)


def needs_second(refund: Refund, creator: str | None) -> bool:
    """Whether two people must say it: the platform's money, and what staff give of a pledge.

    Creators give their own campaign's away alone, staff compensations within their ceilings.
    """
    if refund.payer is Payer.PLATFORM:
        return True
    return refund.kind is RefundKind.REFUND and refund.acts[0].by != creator


def approve(
    refund: Refund,
    money: PledgeMoney,
    around: Around,
    by: str,
    creator: str | None,
    now: datetime,
) -> RefundDecision:
    """Owe it, as the second person; the same person's approval again changes nothing.

    What cannot be given any more, or waited for too long, is refused for good. Raises `Refused`
    for a person who may not approve it.
    """
    if did(refund, ActKind.APPROVED, by):
        return RefundDecision(refund, money)
    check_second(refund, money, by, creator)
    if is_expired(refund, now):
        return refuse(refund, money, EXPIRED, now)
    try:
        _check(refund, money, around)
    except Refused as refusal:
        return refuse(refund, money, refusal.reason, now)
    with_act = noted(refund, Act(ActKind.APPROVED, by, now))
    return owe(with_act, money, is_beyond(refund, money), now)


def is_beyond(refund: Refund, money: PledgeMoney) -> bool:
    """Whether a compensation is more than its pledge's payment can still give back."""
    return refund.kind is RefundKind.COMPENSATION and refund.amount > money.returnable


def owe(refund: Refund, money: PledgeMoney, beyond: bool, now: datetime) -> RefundDecision:
    """Set it aside: to be sent, or where it is beyond the pledge to be claimed."""
    owed = replace(move(refund, RefundState.REQUESTED), created_at=now, beyond=beyond)
    created = RefundCreated(owed)
    if not beyond:
        left = reserve(money, owed.amount)
        return RefundDecision(owed, left, (owed_posting(owed),), (created,))
    waiting = begin_reminding(move(owed, RefundState.CLAIMABLE, BEYOND), now)
    facts = (created, RefundClaimable(waiting, BEYOND, now))
    return RefundDecision(waiting, money, (owed_posting(waiting),), facts)


def _check(refund: Refund, money: PledgeMoney, around: Around) -> None:
    """Raise `Refused` unless it may be given now, of the campaign that met its goal."""
    book, verdict = around.book, around.book.verdict
    if verdict is None or verdict.outcome is not Outcome.GOAL_MET:
        raise Refused("no-met-goal", "rewards are owed by campaigns that met their goal")
    if book.run is not None and (refund.from_campaign or not book.run.finished):
        raise Refused("campaign-ended", "what the campaign held is divided among its backers")
    if money.disputed:
        raise Refused("disputed", f"pledge {money.pledge_id} is disputed")
    if money.withdrawn or around.refunded >= money.amount:
        raise Refused("fully-returned", f"nothing of pledge {money.pledge_id} is left to claim for")
    if refund.kind is RefundKind.REFUND:
        if refund.payer is Payer.PLATFORM:
            raise Refused("payer-impossible", "a refund is of the pledge's own money")
        reserve(money, refund.amount)
    else:
        _check_ceilings(refund, money, around)
    if refund.from_campaign > around.held:
        short = refund.from_campaign - around.held
        raise Refused("above-campaign-funds", f"the campaign holds {short} less than that")


def _check_ceilings(refund: Refund, money: PledgeMoney, around: Around) -> None:
    if refund.amount <= 0:
        raise Refused("nothing-asked", "a compensation is more than nothing")
    most = money.amount * around.ceilings.pledge_basis_points // _WHOLE
    if around.of_pledge + refund.amount > most:
        detail = f"compensations of pledge {money.pledge_id} may come to {most}"
        raise Refused("above-pledge-ceiling", f"{detail}, {around.of_pledge} is given")
    most = around.ceilings.person_amount
    if around.by_person + refund.amount > most:
        detail = f"one person gives up to {most} of a campaign in {COUNTED.days} days"
        raise Refused("above-person-ceiling", f"{detail}, {around.by_person} is given")
