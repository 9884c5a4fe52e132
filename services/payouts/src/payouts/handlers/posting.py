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
    made = [(book, list(postings)) for book, postings in groups]
    # Only a book that a recovery took forward by its published blocks has any.
    asked = {p.cause for book, postings in made if book.unclaimed for p in postings}
    known = await unit.books.sealed(asked) if asked else {}
    sealed = [seal_into(book, postings, now, known) for book, postings in made]
    await unit.books.append([block for _, blocks in sealed for block in blocks])
    if known:
        await unit.books.claim(known.keys())
    return [moved for moved, _ in sealed]
