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
    [moved] = await post_all(unit, [(book, postings)], now)
    return moved


async def post_all(
    unit: PayoutsUnit, groups: Iterable[tuple[Book, Iterable[Posting]]], now: datetime
) -> list[Book]:
    """Do so for several books, whose blocks are appended with one write."""
    sealed = [seal_into(book, postings, now) for book, postings in groups]
    await unit.books.append([block for _, blocks in sealed for block in blocks])
    return [moved for moved, _ in sealed]
