"""The entries of a fiscal year, line by line, whatever their number: one page of blocks is kept."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from payouts.domain.errors import Refused
from payouts.domain.fec import Fec
from payouts.ports.reconciliation import BlockPlace, Reconciliation

PAGE = 100


def check_over(fec: Fec, now: datetime) -> None:
    """Raise `Refused` for a year that is not over: its numbers would go on."""
    if now < fec.year.ends:
        raise Refused("year-not-over", f"the year ends with {fec.year.ending}")


async def export_fec(store: Reconciliation, fec: Fec) -> AsyncIterator[str]:
    """Yield the header and every line of the year, in the order in which it was booked."""
    yield fec.header()
    until = fec.year.ends - timedelta(milliseconds=1)
    after: BlockPlace | None = None
    while blocks := await store.blocks_sealed(after, until, PAGE):
        moved = await store.movements(
            {one.balance_transaction or "" for block in blocks for one in block.entries}
        )
        dated = {name: one.created_at for name, one in moved.items()}
        for block in blocks:
            for line in fec.take(block, dated):
                yield line
        last = blocks[-1]
        after = BlockPlace(last.sealed_at, last.campaign_id, last.number)
    for line in fec.open():
        yield line
