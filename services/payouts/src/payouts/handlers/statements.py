"""The statement of a stage: the campaign's money until the bank had confirmed it, or until now."""

from datetime import datetime

from payouts.domain.stage import Stage
from payouts.domain.statement import Statement, StatementOf
from payouts.ports.queries import Queries

PAGE = 100


async def statement_of(queries: Queries, stage: Stage) -> Statement:
    """Read the campaign's blocks page by page; what a paid stage is told does not move any more."""
    made, after = StatementOf(), 0
    while blocks := await queries.blocks(stage.campaign_id, after, PAGE):
        for block in blocks:
            if _is_later(block.sealed_at, stage.paid_at):
                return made.made()
            made.take(block)
        after = blocks[-1].number
    return made.made()


def _is_later(sealed_at: datetime, paid_at: datetime | None) -> bool:
    return paid_at is not None and sealed_at > paid_at
