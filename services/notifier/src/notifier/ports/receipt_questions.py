"""Which questions whether a reward came are over."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from notifier.domain.receipt_question import ReceiptQuestion


class ReceiptQuestions(Protocol):
    """Questions that have lost their reason, bound to one transaction."""

    async def keep(self, over: Mapping[ReceiptQuestion, datetime | None]) -> None:
        """Keep since when they are over, None for which no more; the same again changes nothing."""
        ...

    async def over_among(self, questions: Collection[ReceiptQuestion]) -> set[ReceiptQuestion]:
        """Return which of these are over."""
        ...

    async def date(self, at: datetime, most: int) -> int:
        """Let so many at most be over since this instant of which it was not kept; return how many.

        Schemas 19 to 21 kept none; whatever is kept now has one.
        """
        ...

    async def shed(self, before: datetime, most: int) -> int:
        """Forget so many at most that were over before this instant; return of how many."""
        ...
