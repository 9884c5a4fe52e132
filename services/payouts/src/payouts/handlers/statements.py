"""The statement of a stage: the campaign's money until the bank had confirmed it, or until now."""

from payouts.domain.block import Block
from payouts.domain.stage import Stage
from payouts.domain.statement import Statement, StatementOf
from payouts.ports.queries import Queries

PAGE = 100


async def statement_of(queries: Queries, stage: Stage) -> Statement:
    """Read the campaign's blocks page by page; what a paid stage is told does not move any more."""
    made, after = StatementOf(), 0
    while blocks := await queries.blocks(stage.campaign_id, after, PAGE):
        for block in blocks:
            made.take(block)
            if _pays(block, stage):
                return made.made()
        after = blocks[-1].number
    return made.made()


def _pays(block: Block, stage: Stage) -> bool:
    """Whether the block has the bank's word; clocks of two processes would tell it by chance."""
    if stage.paid_at is None:
        return False
    paid_in = stage.attempt.payout_balance_transaction
    return any(sealed.balance_transaction == paid_in for sealed in block.entries)
