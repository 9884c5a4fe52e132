"""Which reminders have lost their reason that may still be heard of."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from notifier.domain.cause import CauseKind, Withdrawal


class Withdrawals(Protocol):
    """What takes the reason of reminders away until an instant, bound to one transaction."""

    async def keep(self, withdrawals: Sequence[Withdrawal]) -> None:
        """Keep them; of several about the same the latest instant holds."""
        ...

    async def of(self, reminders: Collection[tuple[str, CauseKind]]) -> list[Withdrawal]:
        """Return what takes the reason of reminders of these campaigns and kinds away."""
        ...

    async def shed(self, before: datetime, most: int) -> int:
        """Forget so many at most whose instant is before this one; return of how many."""
        ...
