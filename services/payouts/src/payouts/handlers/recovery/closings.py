"""Closings of books that the ledger knows and the restored database does not."""

from dataclasses import replace

from payouts.domain.book import claim_postings
from payouts.domain.closing import settle
from payouts.domain.ledger import Row, fold
from payouts.domain.postings import CLOSING, CLOSING_UNDONE, DUST_KEPT
from payouts.handlers.recovery.unclaimed import unclaimed
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.units import UnitsOfWork


async def claim_closings(
    units: UnitsOfWork[PayoutsUnit], queries: Queries, campaign_id: str
) -> None:
    """Take over the book's closings, and what undid them, as they were sealed.

    Only where nothing else waits to be made again: what a closing settles must be there.
    """
    book = await queries.book(campaign_id)
    if book is None:
        return
    causes = [
        cause
        for beginning in (CLOSING, CLOSING_UNDONE, DUST_KEPT)
        for cause in await unclaimed(queries, book, beginning)
    ]
    if not causes or len(causes) != book.unclaimed:
        return

    async def work(unit: PayoutsUnit) -> None:
        known = (await unit.books.load([campaign_id]))[campaign_id]
        sealed = await unit.books.sealed(causes)
        balances = known.balances
        for posting in sealed.values():
            balances = fold(balances, posting.entries)
        dust = sum(p.entries[0].amount for c, p in sealed.items() if c.startswith(DUST_KEPT))
        closings = [posting for posting in sealed.values() if posting.row is Row.CLOSE]
        life = settle(known.life, closings, max(map(_block_of, sealed), default=0))
        life = replace(life, dust_kept=known.life.dust_kept + dust)
        known = replace(known, balances=balances, life=life)
        await unit.books.save([claim_postings(known, list(sealed.values()))])
        await unit.books.claim(list(sealed))

    await units.run(work)


def _block_of(cause: str) -> int:
    """Return in which block the closing was sealed that a posting's cause names."""
    return int(cause.rpartition("/")[2])
