"""Facts in the outbox: the domain's words go in, the contract's events come out."""

from collections.abc import Callable, Sequence

from payouts.domain.refund import RefundFact
from payouts.domain.stage import StageFact
from servicekit.outbox import Outbox
from sosst_contracts.codec import Draft


class OutboxFacts:
    """`ports.Facts` over the outbox of the same transaction."""

    def __init__(self, outbox: Outbox, encode: Callable[[RefundFact | StageFact], Draft]) -> None:
        self._outbox = outbox
        self._encode = encode

    async def add(self, facts: Sequence[RefundFact | StageFact]) -> None:
        await self._outbox.add([self._encode(fact) for fact in facts])
