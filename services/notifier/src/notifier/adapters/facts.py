"""Facts in the outbox: the domain's words go in, the contract's events come out."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from notifier.domain.cause import Cause, Totals
from servicekit.outbox import Outbox
from sosst_contracts.codec import Draft


class OutboxFacts:
    """`ports.Facts` over the outbox of the same transaction."""

    def __init__(
        self,
        outbox: Outbox,
        planned: Callable[[Cause], Draft],
        completed: Callable[[Cause, Totals, Mapping[str, Totals]], Draft],
        erased: Callable[[str, datetime], Draft],
    ) -> None:
        self._outbox = outbox
        self._planned = planned
        self._completed = completed
        self._erased = erased

    async def planned(self, cause: Cause) -> None:
        await self._outbox.add([self._planned(cause)])

    async def completed(self, cause: Cause, totals: Totals, channels: Mapping[str, Totals]) -> None:
        await self._outbox.add([self._completed(cause, totals, channels)])

    async def erased(self, people: Collection[str], at: datetime) -> None:
        await self._outbox.add([self._erased(person, at) for person in sorted(people)])
