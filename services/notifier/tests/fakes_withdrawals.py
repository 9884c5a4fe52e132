"""Withdrawals whose reminders may still be heard of, in memory."""

from collections.abc import Collection, Sequence
from datetime import datetime

from notifier.domain.cause import CauseKind, Withdrawal
from servicekit.memory import MemoryDatabase


class MemoryWithdrawals:
    def __init__(self, database: MemoryDatabase) -> None:
        self._kept: dict[tuple[CauseKind, str], Withdrawal] = database.table("withdrawals")

    async def keep(self, withdrawals: Sequence[Withdrawal]) -> None:
        for one in withdrawals:
            known = self._kept.get((one.kind, one.about), one)
            assert one.until is not None and known.until is not None
            self._kept[one.kind, one.about] = one if one.until >= known.until else known

    async def of(self, reminders: Collection[tuple[str, CauseKind]]) -> list[Withdrawal]:
        return [one for one in self._kept.values() if (one.campaign_id, one.kind) in reminders]

    async def shed(self, before: datetime, most: int) -> int:
        held = {place: one.until for place, one in self._kept.items()}
        old = [place for place, at in held.items() if at is not None and at < before][:most]
        for place in old:
            del self._kept[place]
        return len(old)
