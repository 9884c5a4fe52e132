"""What is kept while the provider's cash and the books are compared, both ways."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from payouts.domain.block import Block
from payouts.domain.reconciliation import BookedCash, Break, Movement


@dataclass(frozen=True, slots=True)
class BlockPlace:
    """A block's place among those of all campaigns, in the order in which they were sealed."""

    sealed_at: datetime
    campaign_id: str
    number: int


class Reconciliation(Protocol):
    """What was compared between provider and books. Outside any transaction; all is repeatable."""

    async def accounts(self, campaign_ids: Collection[str] | None = None) -> list[str]:
        """Return the connected accounts that stages were sent to, of all campaigns or of these."""
        ...

    async def cursor(self, account: str) -> str | None: ...

    async def move_cursor(self, account: str, cursor: str) -> None: ...

    async def place(self) -> BlockPlace | None: ...

    async def move_place(self, place: BlockPlace) -> None: ...

    async def blocks_sealed(
        self, after: BlockPlace | None, until: datetime, limit: int
    ) -> list[Block]:
        """Return the blocks behind a place that were sealed until then, in order."""
        ...

    async def booked(self, balance_transactions: Collection[str]) -> dict[str, BookedCash]:
        """Return what the books have under each of them."""
        ...

    async def unbooked_payouts(self, payout_ids: Collection[str]) -> set[str]:
        """Return those that are ours and that no bank has confirmed, so that no book has them."""
        ...

    async def keep_movements(self, movements: Sequence[Movement]) -> None:
        """Keep what the provider listed; the same again changes nothing."""
        ...

    async def movements(self, ids: Collection[str]) -> dict[str, Movement]:
        """Return those of them that the provider has listed."""
        ...

    async def totals(self) -> Mapping[str, int]:
        """Return by currency the sum of all listed on the platform's account, fees taken off."""
        ...

    async def open_breaks(self, breaks: Sequence[Break]) -> None:
        """Keep new breaks; one that is known stays as it is."""
        ...

    async def break_(self, break_id: str) -> Break | None: ...

    async def breaks(self, after: str, limit: int, *, open_only: bool) -> list[Break]:
        """Return breaks in order of id."""
        ...

    async def save_break(self, found: Break) -> Break:
        """Replace a loaded one; `Conflict` if it was saved since."""
        ...
