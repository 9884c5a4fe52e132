"""Cutting a campaign-wide cause: who is told of it as of N, in chunks of a fixed order.

One way, for who plans, who tells again what is missing, and who only wants to know.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from notifier.domain.cause import Cause
from notifier.domain.chunk import RECIPIENTS_MAX, Chunk, ChunkPlanner
from notifier.handlers.hushed import hushed_of
from notifier.ports.unit import Audience
from servicekit.loops import beat


@dataclass(frozen=True, slots=True)
class CutCauses:
    """Cuts audiences; the same cause again makes the same chunks, and nothing is written."""

    audience: Audience
    partitions: int
    recipients_max: int = RECIPIENTS_MAX

    async def planner(self, cause: Cause) -> ChunkPlanner:
        """Return what cuts this cause; it knows who is not told, and counts the audience."""
        as_of = cause.pledges_sequence
        hushed = await hushed_of(self.audience, cause, as_of)
        return ChunkPlanner(cause.told, as_of, self.partitions, self.recipients_max, hushed)

    async def pages(self, cause: Cause, planner: ChunkPlanner) -> AsyncIterator[list[Chunk]]:
        """Stream the chunks as they become full, then the rest."""
        members = self.audience.members(cause.told.campaign_id, cause.pledges_sequence)
        async for page in members:
            # Of a large audience it takes minutes, and no transaction shows that it goes on.
            beat()
            yield list(planner.feed(page))
        yield list(planner.rest())
