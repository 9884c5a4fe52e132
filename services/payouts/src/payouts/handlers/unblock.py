"""A blocked refund whose bank has decided goes on once its money is there.

The end of a dispute asks for it at once; where the campaign held too little then, nothing else
would ever look again.
"""

from datetime import datetime

from payouts.domain.funds import ProviderFunds
from payouts.domain.ledger import Account
from payouts.domain.refund import Refund, RefundState
from payouts.domain.refund_blocking import unblock
from payouts.domain.refund_sending import stand_still
from payouts.handlers.kept_back import kept_back_in
from payouts.handlers.lending import lend
from payouts.handlers.refund_requests import load_refund, save_refund
from payouts.ports.unit import PayoutsUnit


async def unblock_refund(
    unit: PayoutsUnit, refund: Refund, funds: ProviderFunds | None, now: datetime
) -> bool:
    """Ask for it again if its pledge is not charged back any more and its money is there.

    While the rest is being divided by shares nothing is taken of it. `funds` are read for what the
    platform pays; raises `Refused` where they do not cover it. Whether it goes on.
    """
    view = await load_refund(unit, refund.campaign_id, refund.refund_id)
    known, money, run = view.refund, view.money, view.book.run
    dividing = run is not None and run.division is not None and not run.finished
    waits = known.state is RefundState.BLOCKED and not money.disputed
    if not waits or dividing or money.returnable < known.amount:
        return False
    kept = await kept_back_in(unit, view.book)
    kept.pop(known.pledge_id, None)
    if known.from_campaign > view.book.balances[Account.BACKER_FUNDS] - sum(kept.values()):
        return False
    decision = unblock(known, money, now)
    await lend(unit, known.currency, decision.postings, funds)
    await save_refund(unit, view, decision, now)
    return True


async def note_why_blocked(unit: PayoutsUnit, refund: Refund, reason: str) -> None:
    """Let its queue say what a refund waits for whose bank has decided; the same again is one."""
    view = await load_refund(unit, refund.campaign_id, refund.refund_id)
    waits = view.refund.state is RefundState.BLOCKED and not view.money.disputed
    if waits and view.refund.reason != reason:
        await unit.refunds.save([stand_still(view.refund, reason)])
