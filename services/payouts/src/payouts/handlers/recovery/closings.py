"""Closings of books that the ledger knows and the restored database does not."""

from dataclasses import replace

from payouts.domain.book import claim_postings
from payouts.domain.ledger import fold
from payouts.domain.postings import CLOSING, DUST_KEPT
from payouts.handlers.recovery.unclaimed import unclaimed
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.units import UnitsOfWork


async def claim_closings(
    units: UnitsOfWork[PayoutsUnit], queries: Queries, campaign_id: str
) -> None:
    """Take over the book's closings as they were sealed.

    Only where nothing else waits to be made again: what a closing settles must be there.
    """
    book = await queries.book(campaign_id)
    if book is None:
        return
    causes = await unclaimed(queries, book, CLOSING) + await unclaimed(queries, book, DUST_KEPT)
    if not causes or len(causes) != book.unclaimed:
        return

    async def work(unit: PayoutsUnit) -> None:
        known = (await unit.books.load([campaign_id]))[campaign_id]
        sealed = await unit.books.sealed(causes)
        balances = known.balances
        for posting in sealed.values():
            balances = fold(balances, posting.entries)
        dust = sum(p.entries[0].amount for c, p in sealed.items() if c.startswith(DUST_KEPT))
        life = replace(known.life, dust_kept=known.life.dust_kept + dust)
        known = replace(known, balances=balances, life=life)
        await unit.books.save([claim_postings(known, list(sealed.values()))])
        await unit.books.claim(list(sealed))

    await units.run(work)
