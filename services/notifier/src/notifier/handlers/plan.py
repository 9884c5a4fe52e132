"""Planning a campaign-wide cause: its audience as of N becomes chunks, page by page, and work.

A page's people are told while the next one is still cut. The cause is planned, and can only be
closed, when all of them stand in chunks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from notifier.domain.cause import Cause, CauseState, plan
from notifier.domain.chunk import Chunk
from notifier.handlers.cut import CutCauses
from notifier.handlers.hear import (
    PUBLISH_CHUNK,
    CampaignsPosition,
    PledgesPosition,
    joined_behind,
    publish_work,
    supplement,
    take_roles,
)
from notifier.metrics import CONTRADICTIONS
from notifier.ports.unit import NotifierUnit
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork
from servicekit.work import Claim, WorkItem

log = structlog.get_logger()

AGAIN = timedelta(milliseconds=250)
# So many chunks are stored with one insert, then offered. About one for each partition of the
# topic, whose chunks become full at about the same member.
CHUNKS_PAGE = 20


@dataclass(frozen=True, slots=True)
class PlanCauses:
    """Performs work of the kind `plan`; doing it again, from any point, makes the same plan."""

    units: UnitsOfWork[NotifierUnit]
    cut: CutCauses
    pledges: PledgesPosition
    campaigns: CampaignsPosition
    clock: Clock
    chunks_page: int = CHUNKS_PAGE

    async def __call__(self, claim: Claim) -> None:
        cause = await self._ready_cause(claim)
        if cause is not None:
            audience, last_page = await self._store_chunks(cause)
            await self._finish(claim, audience, last_page)

    async def _ready_cause(self, claim: Claim) -> Cause | None:
        """Return the cause if our own view has reached its N; else wait, and never guess.

        So of the pledges, and of what its maker knew of the campaign: whoever publishes after an
        end tells it to those whom the end leaves, in whichever order we hear of the two.
        """
        name = claim.item.payload["cause"]

        async def work(unit: NotifierUnit) -> Cause | None:
            cause = (await unit.causes.load([name]))[name]
            key = cause.told.campaign_id
            rows = await unit.plumbing.streams.load(self.pledges.group, self.pledges.topic, [key])
            knows = rows[key].last_sequence >= cause.pledges_sequence
            if knows and await self._knows_campaign(unit, cause):
                return cause
            await unit.plumbing.work.postpone(claim, self.clock.now() + AGAIN)
            return None

        return await self.units.run(work)

    async def _knows_campaign(self, unit: NotifierUnit, cause: Cause) -> bool:
        if cause.campaign_sequence is None:
            return True
        key, place = cause.told.campaign_id, self.campaigns
        rows = await unit.plumbing.streams.load(place.group, place.topic, [key])
        return rows[key].last_sequence >= cause.campaign_sequence

    async def _store_chunks(self, cause: Cause) -> tuple[int, list[Chunk]]:
        """Keep all chunks and offer all pages but the last; return it with the audience."""
        planner = await self.cut.planner(cause)
        full: list[Chunk] = []
        async for page in self.cut.pages(cause, planner):
            if len(full) >= self.chunks_page:
                await self._offer(full)
                full = []
            full += page
        await self.cut.audience.store(full)
        return planner.audience, full

    async def _offer(self, chunks: Sequence[Chunk]) -> None:
        """Keep a page and have its people told; a chunk that was told before tells nobody again."""
        await self.cut.audience.store(chunks)
        work = self._publishing(chunks)
        await self.units.run(lambda unit: unit.plumbing.work.offer(work))

    def _publishing(self, chunks: Sequence[Chunk]) -> list[WorkItem]:
        now = self.clock.now()
        return [publish_work(PUBLISH_CHUNK, one, now) for one in chunks]

    async def _finish(self, claim: Claim, audience: int, last_page: Sequence[Chunk]) -> None:
        name, now = claim.item.payload["cause"], self.clock.now()

        async def work(unit: NotifierUnit) -> None:
            cause = (await unit.causes.load([name]))[name]
            if cause.state is CauseState.WAITING:
                # Heard of before the cause, yet behind its N: `take_supplements` finds the others.
                late = await joined_behind(unit, self.pledges, cause)
                planned = plan(cause, audience, now)
                if planned.contradicts:
                    CONTRADICTIONS.inc()
                    log.error("audience differs", cause=name, ours=audience, told=cause.expected)
                await unit.causes.save([planned])
                await unit.facts.planned(planned)
                await unit.plumbing.work.offer(self._publishing(last_page))
                await supplement(unit, planned, late, self.cut.partitions, now)
                # Behind the backers, all of whom stand in chunks now: nobody is told twice.
                await take_roles(unit, [cause.told], now)
            await unit.plumbing.work.finish([claim])

        await self.units.run(work)
