"""Facts in the outbox: the domain's words go in, the contract's events come out."""

from collections.abc import Callable, Sequence

from servicekit.outbox import Outbox
from sosst_contracts.codec import Draft
from updates.ports.unit import Fact


class OutboxFacts:
    """`ports.Facts` over the outbox of the same transaction."""

    def __init__(self, outbox: Outbox, encode: Callable[[Fact], Draft]) -> None:
        self._outbox = outbox
        self._encode = encode

    async def add(self, facts: Sequence[Fact]) -> None:
        await self._outbox.add([self._encode(fact) for fact in facts])
