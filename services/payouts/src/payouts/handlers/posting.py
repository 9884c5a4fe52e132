"""The one way into a book: postings are sealed, kept and published with the book that they move."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from payouts.domain.book import Book, seal_into, with_closing_undone
from payouts.domain.ledger import Posting
from payouts.domain.receivable import follow, touches
from payouts.handlers.invoices import ask_for_invoices
from payouts.handlers.lending import lent_in
from payouts.ports.unit import PayoutsUnit


async def post(unit: PayoutsUnit, book: Book, postings: Iterable[Posting], now: datetime) -> Book:
    """Seal a group's postings and append the blocks; return the book, which the caller saves.

    Raises `Refused` where an account would be short or a cause comes twice; then nothing of the
    group is posted.
    """
    [moved] = await post_all(unit, [(book, postings)], now)
    return moved


async def post_all(
    unit: PayoutsUnit, groups: Iterable[tuple[Book, Iterable[Posting]]], now: datetime
) -> list[Book]:
    """Do so for several books, whose blocks are appended with one write."""
    made = [(book, with_closing_undone(book, postings)) for book, postings in groups]
    # Only a book that a recovery took forward by its published blocks has any.
    asked = {p.cause for book, postings in made if book.unclaimed for p in postings}
    known = await unit.books.sealed(asked) if asked else {}
    sealed = [seal_into(book, postings, now, known) for book, postings in made]
    await unit.books.append([block for _, blocks in sealed for block in blocks])
    for currency in sorted({book.currency for book, postings in made if lent_in(postings)}):
        await unit.lendings.add(currency)
    for book, postings in made:
        await _follow_debts(unit, book, postings, now)
        await ask_for_invoices(unit, book, postings, now)
    if known:
        await unit.books.claim(known.keys())
    return [moved for moved, _ in sealed]


async def _follow_debts(
    unit: PayoutsUnit, book: Book, postings: Sequence[Posting], now: datetime
) -> None:
    """Whoever posts it: what creators owe is there item by item, and their sum is the account."""
    owed = [posting for posting in postings if touches(posting)]
    if not owed:
        return
    known = await unit.receivables.load(book.campaign_id)
    items = follow(known, owed, book.campaign_id, book.currency, now)
    await unit.receivables.save([one for name, one in items.items() if one != known.get(name)])
