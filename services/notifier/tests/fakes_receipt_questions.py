"""Questions that are over, in memory."""

from collections.abc import Collection, Mapping

from notifier.domain.receipt_question import ReceiptQuestion
from servicekit.memory import MemoryDatabase


class MemoryReceiptQuestions:
    def __init__(self, database: MemoryDatabase) -> None:
        self._over: dict[ReceiptQuestion, bool] = database.table("receipt_questions_over")

    async def keep(self, over: Mapping[ReceiptQuestion, bool]) -> None:
        self._over.update(over)

    async def over_among(self, questions: Collection[ReceiptQuestion]) -> set[ReceiptQuestion]:
        return {one for one in questions if self._over.get(one)}
