"""What two people took back for the platform after the backup: only the ledger has it."""

from functools import partial

from payouts.domain.adjustment import give_again
from payouts.domain.errors import Refused
from payouts.domain.ledger import Account
from payouts.domain.postings import RECOUPED
from payouts.handlers.adjustments import save_adjustment
from payouts.handlers.recovery.unclaimed import unclaimed
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork


async def claim_adjustments(
    units: UnitsOfWork[PayoutsUnit], queries: Queries, clock: Clock, campaign_id: str
) -> None:
    """Take them over as they were sealed, once what they took is in the book again.

    One whose money or compensations are not there stays unclaimed, and is named: what came before
    it is missing.
    """
    book = await queries.book(campaign_id)
    for cause in await unclaimed(queries, book, RECOUPED) if book is not None else []:
        try:
            await units.run(partial(_claim, campaign_id, cause, clock))
        except Refused:
            continue


async def _claim(campaign_id: str, cause: str, clock: Clock, unit: PayoutsUnit) -> None:
    book = (await unit.books.load([campaign_id]))[campaign_id]
    posting = (await unit.books.sealed([cause]))[cause]
    if book.balances[Account.BACKER_FUNDS] < posting.entries[0].amount:
        raise Refused("not-there", f"what {cause} took is not in the book again")
    paid, now = await unit.refunds.of_platform(campaign_id), clock.now()
    await save_adjustment(unit, give_again(book, paid, posting, now), now)
