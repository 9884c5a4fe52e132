"""Staff ask for a refund, another one approves or rejects it, and it can be taken back unsent."""

from dataclasses import dataclass
from datetime import datetime

from payouts.domain import claim_money
from payouts.domain.book import Book
from payouts.domain.claim_money import Ceilings, is_of_claim
from payouts.domain.errors import Refused
from payouts.domain.funds import ProviderFunds
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.postings import Payer
from payouts.domain.refund import Refund, RefundDecision, RefundState
from payouts.domain.refund_request import (
    Wanted,
    approve,
    ask,
    asked_again,
    cancel,
    expire,
    reject,
    requested_id_of,
)
from payouts.handlers.around_claim import around_claim
from payouts.handlers.kept_back import kept_back_in
from payouts.handlers.lending import lend
from payouts.handlers.posting import post
from payouts.handlers.supplement import plan_supplement
from payouts.handlers.wake import wake
from payouts.ports.unit import PayoutsUnit


@dataclass(frozen=True, slots=True)
class Person:
    """Who acts, and who owns the campaign that it is about."""

    name: str
    creator: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """What the person who approves saw; it is refused when anything of it is different."""

    amount: int
    currency: str
    advance_max: int


@dataclass(frozen=True, slots=True)
class RefundView:
    """What a person's act about a refund looks at, read inside its transaction."""

    refund: Refund
    money: PledgeMoney
    book: Book


async def ask_refund(
    unit: PayoutsUnit, campaign_id: str, wanted: Wanted, person: Person, now: datetime
) -> Refund:
    """Keep what is asked for; the same again is the same one. Raises `Refused`."""
    refund_id = requested_id_of(campaign_id, wanted.request_id)
    if known := (await unit.refunds.load([refund_id])).get(refund_id):
        return asked_again(known, wanted)
    money = (await unit.pledges.load([wanted.pledge_id])).get(wanted.pledge_id)
    if money is None or money.campaign_id != campaign_id:
        raise Refused("pledge-unknown", f"campaign {campaign_id} has no pledge {wanted.pledge_id}")
    book = (await unit.books.load([campaign_id]))[campaign_id]
    kept = sum((await kept_back_in(unit, book)).values())
    asked = ask(wanted, money, book, person.name, person.creator, now, kept)
    await unit.refunds.save([asked])
    return asked


async def approve_refund(
    unit: PayoutsUnit,
    campaign_id: str,
    refund_id: str,
    shown: Shown,
    person: Person,
    funds: ProviderFunds | None,
    ceilings: Ceilings,
    now: datetime,
) -> Refund:
    """Approve as the second person; from now on it is owed, and sent. Raises `Refused`.

    `funds` are read where the platform may have to lend or to pay; None where the provider does
    not answer.
    """
    view = await load_refund(unit, campaign_id, refund_id)
    refund = view.refund
    if shown != Shown(refund.amount, refund.currency, refund.advance_max):
        raise Refused("request-changed", f"the refund is {refund.amount} {refund.currency}")
    if is_of_claim(refund):
        people = {refund.acts[0].by, person.name}
        around = await around_claim(unit, refund, view.money, people, ceilings, now)
        decision = claim_money.approve(refund, view.money, around, person.name, person.creator, now)
    else:
        kept = sum((await kept_back_in(unit, view.book)).values())
        decision = approve(refund, view.money, view.book, person.name, person.creator, now, kept)
    await lend(unit, refund.currency, decision.postings, funds)
    return await save_refund(unit, view, decision, now)


async def reject_refund(
    unit: PayoutsUnit,
    campaign_id: str,
    refund_id: str,
    reason: str,
    person: Person,
    now: datetime,
) -> Refund:
    """Refuse what was asked for. Raises `Refused` for who may not."""
    view = await load_refund(unit, campaign_id, refund_id)
    decision = reject(view.refund, view.money, person.name, person.creator, reason, now)
    return await save_refund(unit, view, decision, now)


async def cancel_refund(
    unit: PayoutsUnit,
    campaign_id: str,
    refund_id: str,
    reason: str,
    person: Person,
    now: datetime,
) -> Refund:
    """Take it back, if nothing was sent. Raises `Refused` otherwise."""
    view = await load_refund(unit, campaign_id, refund_id)
    decision = cancel(view.refund, view.money, view.book, person.name, person.creator, reason, now)
    book = await _save(unit, view, decision, now)
    # What nobody gets back after the last stage is the creator's (row 22).
    stages, kept = await unit.stages.load(campaign_id), await kept_back_in(unit, book)
    planned = await plan_supplement(unit, book, stages, sum(kept.values()), now)
    if planned and book == view.book:
        await unit.books.save([book])
    return decision.refund


async def expire_refund(unit: PayoutsUnit, refund: Refund, now: datetime) -> Refund:
    """Refuse it where nobody approved it in time."""
    view = await load_refund(unit, refund.campaign_id, refund.refund_id)
    return await save_refund(unit, view, expire(view.refund, view.money, now), now)


async def load_refund(unit: PayoutsUnit, campaign_id: str, refund_id: str) -> RefundView:
    """Read a refund with what it moves; `Refused` where the campaign has no such one."""
    refund = (await unit.refunds.load([refund_id])).get(refund_id)
    if refund is None or refund.campaign_id != campaign_id:
        raise Refused("refund-unknown", f"campaign {campaign_id} has no refund {refund_id}")
    money = (await unit.pledges.load([refund.pledge_id])).get(refund.pledge_id)
    if money is None:
        raise Refused("pledge-unknown", f"pledge {refund.pledge_id} is not here")
    book = (await unit.books.load([campaign_id]))[campaign_id]
    return RefundView(refund, money, book)


async def save_refund(
    unit: PayoutsUnit, view: RefundView, decision: RefundDecision, now: datetime
) -> Refund:
    """Save what was decided about it, its block and facts, and its work where it is to be sent."""
    await _save(unit, view, decision, now)
    return decision.refund


async def _save(
    unit: PayoutsUnit, view: RefundView, decision: RefundDecision, now: datetime
) -> Book:
    """Do so, and return the book as it is afterwards."""
    book = view.book
    if decision.postings:
        book = await post(unit, view.book, decision.postings, now)
        await unit.books.save([book])
        await unit.pledges.save([decision.money])
    if decision.refund != view.refund:
        await unit.refunds.save([decision.refund])
    await unit.facts.add(decision.facts)
    if decision.postings and decision.refund.state is RefundState.REQUESTED:
        await wake(unit, [decision.refund], [], now)
    return book


def may_need_float(refund: Refund) -> bool:
    """Whether the platform's own money may have to cover some of it."""
    return bool(refund.advance_max) or refund.payer is Payer.PLATFORM
