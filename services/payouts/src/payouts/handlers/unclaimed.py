"""Campaigns that a person must look at after a restored backup: their ledger knows more than we.

While it does, what came back behind a run by shares is not divided: it may be given already.
"""

from dataclasses import dataclass

from payouts.domain.book import Book
from payouts.domain.ledger import Account
from payouts.ports.queries import Queries

SHOWN = 10


@dataclass(frozen=True, slots=True)
class UnclaimedLedger:
    """A campaign, how many postings nothing has made again, the first of their causes.

    `undivided` is what lies there for its backers meanwhile, in minor units; 0 where no run by
    shares has ended.
    """

    campaign_id: str
    currency: str
    postings: int
    causes: tuple[str, ...]
    undivided: int


async def unclaimed_ledgers(queries: Queries, after: str, limit: int) -> list[UnclaimedLedger]:
    """Return them in order of campaign."""
    books = await queries.books_with_unclaimed(after, limit)
    return [await _shown(queries, book) for book in books]


async def _shown(queries: Queries, book: Book) -> UnclaimedLedger:
    causes = await queries.unclaimed(book.campaign_id, "", SHOWN)
    shared = book.cancellation is not None and book.run is not None and book.run.finished
    undivided = book.balances[Account.BACKER_FUNDS] if shared else 0
    return UnclaimedLedger(
        book.campaign_id, book.currency, book.unclaimed, tuple(causes), undivided
    )
