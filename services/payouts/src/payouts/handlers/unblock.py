"""A blocked refund whose bank has decided goes on once its money is there.

The end of a dispute asks for it at once; where the campaign held too little then, nothing else
would ever look again.
"""

from datetime import datetime

from payouts.domain.ledger import Account
from payouts.domain.refund import Refund, RefundState
from payouts.domain.refund_blocking import unblock
from payouts.handlers.kept_back import kept_back_in
from payouts.handlers.refund_requests import load_refund, save_refund
from payouts.ports.unit import PayoutsUnit


async def unblock_refund(unit: PayoutsUnit, refund: Refund, now: datetime) -> bool:
    """Ask for it again if its pledge is not charged back any more and its money is there.

    While the rest is being divided by shares nothing is taken of it. Whether it goes on.
    """
    view = await load_refund(unit, refund.campaign_id, refund.refund_id)
    known, money, run = view.refund, view.money, view.book.run
    dividing = run is not None and run.division is not None and not run.finished
    waits = known.state is RefundState.BLOCKED and not money.disputed
    if not waits or dividing or money.returnable < known.amount:
        return False
    kept = await kept_back_in(unit, known.campaign_id)
    kept.pop(known.pledge_id, None)
    if known.from_campaign > view.book.balances[Account.BACKER_FUNDS] - sum(kept.values()):
        return False
    await save_refund(unit, view, unblock(known, money, now), now)
    return True
