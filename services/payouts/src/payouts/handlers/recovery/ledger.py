"""The ledger goes on where it was published: its blocks come back from the topic as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from payouts.domain.block import Block
from payouts.domain.book import Book, take_back
from payouts.domain.errors import Refused
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.errors import DuplicateKey
from servicekit.units import UnitsOfWork


@dataclass(frozen=True, slots=True)
class TakeLedgerBack:
    """Keeps blocks that the database forgot; what they posted is unclaimed from then on."""

    units: UnitsOfWork[PayoutsUnit]
    queries: Queries

    async def take_back(self, published: Mapping[str, Sequence[Block]]) -> list[str]:
        """Take the blocks back, one transaction for each; return what was done, by campaign."""
        lines: list[str] = []
        for campaign_id, blocks in sorted(published.items()):
            try:
                taken = sum([await self._take_one(block) for block in blocks])
                lines.append(f"{campaign_id}: {taken} blocks taken back from the ledger's topic")
            except (Refused, DuplicateKey) as error:
                lines.append(
                    f"a person must look at the ledger of {campaign_id}, later blocks are made "
                    f"again under later numbers: {error}"
                )
        return lines

    async def _take_one(self, block: Block) -> int:
        known = await self.queries.blocks(block.campaign_id, block.number - 1, 1)
        if known and known[0] == block:
            return 0

        async def work(unit: PayoutsUnit) -> None:
            books = await unit.books.load([block.campaign_id])
            book = books.get(block.campaign_id) or Book(block.campaign_id, block.currency)
            moved = take_back(book, block)
            await unit.books.take_back(block)
            await unit.books.save([moved])

        await self.units.run(work)
        return 1
