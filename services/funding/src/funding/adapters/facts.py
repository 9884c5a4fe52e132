"""Facts in the outbox: the domain's words go in, the contract's events come out."""

from collections.abc import Callable, Sequence

from funding.domain.facts import Fact
from servicekit.outbox import Outbox
from sosst_contracts.codec import Draft


class OutboxFacts:
    """`ports.Facts` over the outbox of the same transaction."""

    def __init__(self, outbox: Outbox, encode: Callable[[Fact], Draft], pledges_topic: str) -> None:
        self._outbox = outbox
        self._encode = encode
        self._pledges_topic = pledges_topic

    async def add(self, facts: Sequence[Fact]) -> None:
        await self._outbox.add([self._encode(fact) for fact in facts])

    async def pledges_sequence(self, campaign_id: str) -> int:
        return await self._outbox.last_sequence(self._pledges_topic, campaign_id)
