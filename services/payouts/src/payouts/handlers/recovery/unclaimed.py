"""Postings that came back from the ledger's topic and are not known again: they are unclaimed."""

from payouts.domain.book import Book, claim_postings
from payouts.domain.ledger import EMPTY, fold
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit

# How the causes of postings begin that no reading of topics or provider brings back.
CLAIMABLE = "refund-claimable/"
REFUND_CANCELLED = "refund-cancelled/"
PAID_OTHERWISE = "paid-otherwise/"
COMPENSATION = "compensation/"
UNCLAIMED_MAX = 100_000
SHOWN = 3


async def unclaimed(queries: Queries, book: Book, beginning: str) -> list[str]:
    """Return the book's unclaimed causes with this beginning, in order."""
    if not book.unclaimed:
        return []
    return await queries.unclaimed(book.campaign_id, beginning, UNCLAIMED_MAX)


async def left_unclaimed(queries: Queries, campaign_id: str) -> list[str]:
    """Say how many nothing has claimed, and name the first of them."""
    book = await queries.book(campaign_id)
    if book is None or not book.unclaimed:
        return []
    causes = ", ".join(await queries.unclaimed(campaign_id, "", SHOWN))
    return [f"{campaign_id}: {book.unclaimed} postings wait to be made again: {causes}"]


async def claim_what_moved_nothing(
    campaign_id: str, causes: tuple[str, str], unit: PayoutsUnit
) -> bool:
    """Take over two postings that undo each other, and say whether it did.

    Nothing where only one of them is unknown, or where more belongs to them: of a stage whose
    transfer came back only what was set off is undone by name.
    """
    sealed = await unit.books.sealed(causes)
    moved = fold(EMPTY, [entry for posting in sealed.values() for entry in posting.entries])
    if len(sealed) != len(causes) or any(moved.values()):
        return False
    book = (await unit.books.load([campaign_id]))[campaign_id]
    await unit.books.save([claim_postings(book, list(sealed.values()))])
    await unit.books.claim(causes)
    return True
