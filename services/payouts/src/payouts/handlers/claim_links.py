"""Personal links: issued to who may see the refund, opened by whoever holds them."""

from dataclasses import dataclass
from datetime import datetime

from payouts.domain.claim_link import check_link, issue, through, wish_other_way
from payouts.domain.claimable import try_again
from payouts.domain.refund import Refund
from payouts.handlers.refund_requests import load_refund, save_refund
from payouts.ports.claim_links import LinkName
from payouts.ports.unit import PayoutsUnit


@dataclass(frozen=True, slots=True)
class OpenedClaim:
    """What a personal link shows; the title is empty where nobody told it."""

    refund: Refund
    title: str


async def issue_claim_link(
    unit: PayoutsUnit, campaign_id: str, refund_id: str, number: int, by: str, now: datetime
) -> Refund:
    """Give the refund its link of this number. Raises `Refused`."""
    refund = (await load_refund(unit, campaign_id, refund_id)).refund
    issued = issue(refund, number, by, now)
    if issued != refund:
        await unit.refunds.save([issued])
    return issued


async def open_claim(unit: PayoutsUnit, name: LinkName, now: datetime) -> OpenedClaim:
    """Show what the link is about and change nothing. Raises `Refused` for one that is over."""
    refund = (await load_refund(unit, name.campaign_id, name.refund_id)).refund
    check_link(refund, name.number, name.issued_at, now)
    launch = await unit.launches.load(name.campaign_id)
    return OpenedClaim(refund, launch.title if launch else "")


async def try_again_by_link(
    unit: PayoutsUnit, name: LinkName, after_attempt: int, now: datetime
) -> Refund:
    """Send it again the way it was paid, as its backer wishes. Raises `Refused`."""
    view = await load_refund(unit, name.campaign_id, name.refund_id)
    check_link(view.refund, name.number, name.issued_at, now)
    assert view.refund.claim_link is not None
    backer, how = view.refund.backer_id, through(view.refund.claim_link)
    decision = try_again(view.refund, view.money, after_attempt, backer, now, how)
    return await save_refund(unit, view, decision, now)


async def wish_other_way_by_link(unit: PayoutsUnit, name: LinkName, now: datetime) -> Refund:
    """Note that its backer wants to be asked. Raises `Refused`."""
    view = await load_refund(unit, name.campaign_id, name.refund_id)
    check_link(view.refund, name.number, name.issued_at, now)
    wished = wish_other_way(view.refund, now)
    if wished != view.refund:
        await unit.refunds.save([wished])
    return wished
