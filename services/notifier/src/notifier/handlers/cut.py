"""Cutting a campaign-wide cause: who is told of it as of N, in chunks of a fixed order.

One way, for who plans, who tells again what is missing, and who only wants to know.
"""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass

from notifier.domain.audience import Consent, Hushed, Limit, limit_of, rewards_of
from notifier.domain.cause import Cause
from notifier.domain.chunk import RECIPIENTS_MAX, Chunk, ChunkPlanner
from notifier.ports.unit import Audience


@dataclass(frozen=True, slots=True)
class CutCauses:
    """Cuts audiences; the same cause again makes the same chunks, and nothing is written."""

    audience: Audience
    partitions: int
    recipients_max: int = RECIPIENTS_MAX

    async def planner(self, cause: Cause) -> ChunkPlanner:
        """Return what cuts this cause; it knows who is not told, and counts the audience."""
        hushed = await self._hushed(cause)
        return ChunkPlanner(cause.told, self.partitions, self.recipients_max, hushed)

    async def pages(self, cause: Cause, planner: ChunkPlanner) -> AsyncIterator[list[Chunk]]:
        """Stream the chunks as they become full, then the rest."""
        members = self.audience.members(cause.told.campaign_id, cause.pledges_sequence)
        async for page in members:
            yield list(planner.feed(page))
        yield list(planner.rest())

    async def _hushed(self, cause: Cause) -> Hushed | None:
        """Find out who is not told; most causes are told to everybody, and ask for nobody."""
        told, until = cause.told, cause.pledges_sequence
        campaign_id = told.campaign_id
        limit = limit_of(told, await self.audience.ending(campaign_id))
        refunded: Collection[str] = ()
        consenting: Collection[str] | None = None
        if limit is Limit.NOT_REFUNDED:
            refunded = await self.audience.refunded(campaign_id, until)
        if limit is Limit.CONSENTING:
            consenting = await self.audience.consenting(campaign_id, [Consent.KEEP_IN_TOUCH])
        rewards = rewards_of(told)
        rewarded = None
        if rewards is not None:
            rewarded = await self.audience.with_rewards(campaign_id, until, rewards)
        return Hushed(refunded, consenting, rewarded) or None
