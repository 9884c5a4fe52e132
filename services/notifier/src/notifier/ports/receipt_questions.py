"""Which questions whether a reward came are over."""

from collections.abc import Collection, Mapping
from typing import Protocol

from notifier.domain.receipt_question import ReceiptQuestion


class ReceiptQuestions(Protocol):
    """Questions that have lost their reason, bound to one transaction."""

    async def keep(self, over: Mapping[ReceiptQuestion, bool]) -> None:
        """Keep which are over and which no more; the same again changes nothing."""
        ...

    async def over_among(self, questions: Collection[ReceiptQuestion]) -> set[ReceiptQuestion]:
        """Return which of these are over."""
        ...
