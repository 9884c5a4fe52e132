"""Facts in the outbox: the domain's words go in, the contract's events come out."""

from collections.abc import Callable

from notifier.domain.cause import Cause, Totals
from servicekit.outbox import Outbox
from sosst_contracts.codec import Draft


class OutboxFacts:
    """`ports.Facts` over the outbox of the same transaction."""

    def __init__(
        self,
        outbox: Outbox,
        planned: Callable[[Cause], Draft],
        completed: Callable[[Cause, Totals], Draft],
    ) -> None:
        self._outbox = outbox
        self._planned = planned
        self._completed = completed

    async def planned(self, cause: Cause) -> None:
        await self._outbox.add([self._planned(cause)])

    async def completed(self, cause: Cause, totals: Totals) -> None:
        await self._outbox.add([self._completed(cause, totals)])
