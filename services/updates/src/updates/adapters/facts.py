"""Facts in the outbox: the domain's words go in, the contract's events come out."""

from collections.abc import Callable

from servicekit.outbox import Outbox
from sosst_contracts.codec import Draft
from updates.domain.update import Update


class OutboxFacts:
    """`ports.Facts` over the outbox of the same transaction."""

    def __init__(self, outbox: Outbox, encode: Callable[[Update], Draft]) -> None:
        self._outbox = outbox
        self._encode = encode

    async def published(self, update: Update) -> None:
        await self._outbox.add([self._encode(update)])
