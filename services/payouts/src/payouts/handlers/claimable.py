"""Claimable money: tried again, paid by other means, and its backer reminded."""

from dataclasses import replace
from datetime import datetime

from payouts.domain.acts import OtherMeans
from payouts.domain.claimable import deny_payment, pay_otherwise, remind, try_again
from payouts.domain.refund import Refund
from payouts.handlers.refund_requests import Person, load_refund, save_refund
from payouts.handlers.rest_owed import ask_for_the_rest
from payouts.ports.unit import PayoutsUnit


async def try_refund_again(
    unit: PayoutsUnit,
    campaign_id: str,
    refund_id: str,
    after_attempt: int,
    by: str,
    now: datetime,
) -> Refund:
    """Send it again, after the last attempt that the person saw. Raises `Refused`."""
    view = await load_refund(unit, campaign_id, refund_id)
    decision = try_again(view.refund, view.money, after_attempt, by, now)
    return await save_refund(unit, view, decision, now)


async def tell_paid_otherwise(
    unit: PayoutsUnit,
    campaign_id: str,
    refund_id: str,
    told: OtherMeans,
    person: Person,
    now: datetime,
) -> Refund:
    """Take the first or the second person's word that it was paid. Raises `Refused`."""
    view = await load_refund(unit, campaign_id, refund_id)
    decision = pay_otherwise(view.refund, view.money, told, person.creator, now)
    return await save_refund(unit, view, decision, now)


async def deny_paid_otherwise(
    unit: PayoutsUnit,
    campaign_id: str,
    refund_id: str,
    reason: str,
    person: Person,
    now: datetime,
) -> Refund:
    """Let it be tried again: what was told is not so. Raises `Refused`.

    Where a bank gave the backer a part of it meanwhile, the rest is asked for in its place.
    """
    view = await load_refund(unit, campaign_id, refund_id)
    decision = deny_payment(view.refund, view.money, person.name, person.creator, reason, now)
    ended, made = decision.refund, decision.postings
    rest = await ask_for_the_rest(unit, view.book, ended, decision.money, made, now)
    if rest is None:
        return await save_refund(unit, view, decision, now)
    both = replace(
        decision,
        money=rest.money,
        postings=(*made, *rest.postings),
        facts=(*decision.facts, *rest.facts),
    )
    await unit.refunds.save([rest.refund])
    return await save_refund(unit, view, both, now)


async def remind_of_refund(unit: PayoutsUnit, refund: Refund, now: datetime) -> None:
    """Publish the reminder that is due; nothing where another instance was faster."""
    known = (await unit.refunds.load([refund.refund_id]))[refund.refund_id]
    reminder = remind(known, now)
    if reminder is not None:
        await unit.refunds.save([reminder.refund])
        await unit.facts.add([reminder])
