"""Parts of a notifier that stop halfway until a test lets them go on, and what meets them there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from notifier.domain.audience import CampaignEnd, Consent
from notifier.domain.chunk import Chunk, Member
from notifier.ports.unit import Audience, NotifierUnit
from servicekit.metrics import WRITE_CONFLICTS
from servicekit.units import UnitsOfWork

Result = TypeVar("Result")


@dataclass(slots=True)
class HeldUnits:
    """Units whose transactions stay open behind all that they did, until they may go on."""

    units: UnitsOfWork[NotifierUnit]
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, work: Callable[[NotifierUnit], Awaitable[Result]]) -> Result:
        async def held(unit: NotifierUnit) -> Result:
            result = await work(unit)
            self.begun.set()
            await self.go_on.wait()
            return result

        return await self.units.run(held)


class HeldAudience:
    """A real audience whose first `holds` streams stop before their last quarter until `go_on`."""

    def __init__(self, audience: Audience, holds: int) -> None:
        self._audience = audience
        self._holds = holds
        self.held = 0
        self.go_on = asyncio.Event()

    async def members(self, campaign_id: str, until: int) -> AsyncIterator[list[Member]]:
        holds, self._holds = self._holds > 0, self._holds - 1
        async for page in self._audience.members(campaign_id, until):
            quarter = -(-len(page) // 4)
            for begin in range(0, len(page), quarter):
                if holds and begin + quarter >= len(page):
                    self.held += 1
                    await self.go_on.wait()
                yield page[begin : begin + quarter]

    async def store(self, chunks: Sequence[Chunk]) -> None:
        await self._audience.store(chunks)

    async def load(self, chunk_ids: Collection[str]) -> dict[str, Chunk]:
        return await self._audience.load(chunk_ids)

    async def ending(self, campaign_id: str) -> CampaignEnd | None:
        return await self._audience.ending(campaign_id)

    async def refunded(self, campaign_id: str, until: int, at: datetime) -> set[str]:
        return await self._audience.refunded(campaign_id, until, at)

    async def consenting(self, campaign_id: str, choices: Collection[Consent]) -> set[str]:
        return await self._audience.consenting(campaign_id, choices)

    async def with_rewards(
        self, campaign_id: str, until: int, rewards: Collection[str]
    ) -> set[str]:
        return await self._audience.with_rewards(campaign_id, until, rewards)


def conflicts() -> float:
    return WRITE_CONFLICTS._value.get()


async def conflicted_since(before: float) -> None:
    while conflicts() == before:
        await asyncio.sleep(0.001)


async def meet(
    held: HeldUnits, first: Coroutine[Any, Any, object], second: Coroutine[Any, Any, object]
) -> None:
    """Do both, so that the second one begins while the first one's transaction is held open.

    They conflict; were each to go its own way, the second one would simply end.
    """
    before = conflicts()
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(first)
        await held.begun.wait()
        going = tasks.create_task(second)
        meeting = tasks.create_task(conflicted_since(before))
        await asyncio.wait({going, meeting}, return_when=asyncio.FIRST_COMPLETED)
        meeting.cancel()
        held.go_on.set()
