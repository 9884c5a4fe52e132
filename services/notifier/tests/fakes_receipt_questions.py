"""Questions that are over, in memory."""

from collections.abc import Collection, Mapping
from datetime import datetime

from notifier.domain.receipt_question import ReceiptQuestion
from servicekit.memory import MemoryDatabase


class MemoryReceiptQuestions:
    def __init__(self, database: MemoryDatabase) -> None:
        self._over: dict[ReceiptQuestion, datetime] = database.table("receipt_questions_over")

    async def keep(self, over: Mapping[ReceiptQuestion, datetime | None]) -> None:
        for one, at in over.items():
            if at is not None:
                self._over[one] = at
            else:
                self._over.pop(one, None)

    async def over_among(self, questions: Collection[ReceiptQuestion]) -> set[ReceiptQuestion]:
        return {one for one in questions if one in self._over}

    async def date(self, at: datetime, most: int) -> int:
        return 0  # Nothing was kept in memory by a release before.

    async def shed(self, before: datetime, most: int) -> int:
        old = [one for one, at in self._over.items() if at < before][:most]
        for one in old:
            del self._over[one]
        return len(old)
