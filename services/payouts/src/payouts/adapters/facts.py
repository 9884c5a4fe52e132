"""Facts in the outbox: the domain's words go in, the contract's events come out."""

from collections.abc import Callable, Sequence

from payouts.domain.block import Block
from payouts.domain.dispute import DisputeFact
from payouts.domain.errors import InvariantBroken
from payouts.domain.holding import HoldingLimitNear
from payouts.domain.refund import RefundFact
from payouts.domain.refund_run_end import RefundRunFinished
from payouts.domain.stage import StageFact
from servicekit.outbox import Outbox
from sosst_contracts.codec import Draft

Fact = RefundFact | StageFact | DisputeFact | RefundRunFinished | HoldingLimitNear


class OutboxFacts:
    """`ports.Facts` over the outbox of the same transaction."""

    def __init__(self, outbox: Outbox, encode: Callable[[Fact], Draft]) -> None:
        self._outbox = outbox
        self._encode = encode

    async def add(self, facts: Sequence[Fact]) -> None:
        await self._outbox.add([self._encode(fact) for fact in facts])


class OutboxLedger:
    """Sealed blocks on their way to the ledger's topic, where a block's sequence is its number.

    It runs ahead where a recovery could not take the published blocks back, and never behind.
    """

    def __init__(self, outbox: Outbox, encode: Callable[[Block], Draft]) -> None:
        self._outbox = outbox
        self._encode = encode

    async def add(self, blocks: Sequence[Block]) -> None:
        """Publish the blocks; raises `InvariantBroken` where an earlier one never was."""
        sequences = await self._outbox.add([self._encode(block) for block in blocks])
        for block, sequence in zip(blocks, sequences, strict=True):
            if sequence < block.number:
                raise InvariantBroken(
                    f"block {block.number} of {block.campaign_id} would be published as {sequence}"
                )
