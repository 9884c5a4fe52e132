"""What the proof of all books needs: what was published, and what is proven already."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from payouts.domain.book import Book
from payouts.domain.chain import Mark
from payouts.domain.integrity import Kept
from sosst_contracts.codec import Record


class LedgerTopic(Protocol):
    """What was published of the books."""

    def records(self) -> AsyncIterator[Record]:
        """Yield all that stands on the topic when it is called, in order per campaign.

        Raises `DependencyAway` if no broker answers or there is no such topic.
        """
        ...


@dataclass(frozen=True, slots=True)
class Round:
    """A check of all books from their beginnings: since when, and up to which campaign."""

    begun_at: datetime
    after: str = ""
    finished: bool = False


class BookChecks(Protocol):
    """What was proven of each book, and which books were saved since.

    Outside any transaction: a check that is lost is made again.
    """

    async def changed(self, after: str, limit: int) -> list[Book]:
        """Return books that were saved since they were last found right, in order of id."""
        ...

    async def kept(self, campaign_id: str) -> Kept | None:
        """Return a book and what is kept beside it, all as of one instant."""
        ...

    async def mark(self, campaign_id: str) -> Mark | None:
        """Return how far the chain is proven, None for a book that must be read from its start."""
        ...

    async def keep_mark(self, mark: Mark) -> None: ...

    async def found_right(self, book: Book) -> None:
        """Take the book from the changed ones, unless it was saved since this version."""
        ...

    async def found_wrong(self, campaign_id: str) -> None:
        """Suspect the mark, and leave the book with the changed ones until it is found right."""
        ...

    async def round(self) -> Round | None: ...

    async def keep_round(self, round_: Round) -> None: ...
