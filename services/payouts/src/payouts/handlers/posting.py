"""The one way into a book: postings are sealed, kept and published with the book that they move."""

from collections.abc import Iterable
from datetime import datetime

from payouts.domain.book import Book, seal_into
from payouts.domain.ledger import Posting
from payouts.ports import PayoutsUnit


async def post(unit: PayoutsUnit, book: Book, postings: Iterable[Posting], now: datetime) -> Book:
    """Seal a group's postings and append the blocks; return the book, which the caller saves.

    Raises `Refused` where an account would be short; then nothing of the group is posted.
    """
    moved, blocks = seal_into(book, postings, now)
    await unit.books.append(blocks)
    return moved
