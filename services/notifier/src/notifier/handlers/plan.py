"""Planning a campaign-wide cause: its audience as of N becomes chunks, then work."""

from dataclasses import dataclass
from datetime import timedelta

import structlog

from notifier.domain.cause import Cause, CauseState, plan
from notifier.domain.chunk import Chunk, ChunkPlanner
from notifier.handlers.hear import PUBLISH_CHUNK, publish_work
from notifier.metrics import CONTRADICTIONS
from notifier.ports import Audience, NotifierUnit
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork
from servicekit.work import Claim

log = structlog.get_logger()

AGAIN = timedelta(milliseconds=250)
# So many chunks are stored with one insert.
CHUNKS_PAGE = 50


@dataclass(frozen=True, slots=True)
class PledgesPosition:
    """Where this service reads pledges from: the topic and its own group."""

    topic: str
    group: str


@dataclass(frozen=True, slots=True)
class PlanCauses:
    """Performs work of the kind `plan`; doing it again, from any point, makes the same plan."""

    units: UnitsOfWork[NotifierUnit]
    audience: Audience
    pledges: PledgesPosition
    partitions: int
    clock: Clock

    async def __call__(self, claim: Claim) -> None:
        cause = await self._ready_cause(claim)
        if cause is not None:
            audience = await self._store_chunks(cause)
            await self._finish(claim, audience)

    async def _ready_cause(self, claim: Claim) -> Cause | None:
        """Return the cause if our own view has reached its N; else wait, and never guess."""
        name = claim.item.payload["cause"]

        async def work(unit: NotifierUnit) -> Cause | None:
            cause = (await unit.causes.load([name]))[name]
            key = cause.told.campaign_id
            rows = await unit.plumbing.streams.load(self.pledges.group, self.pledges.topic, [key])
            if rows[key].last_sequence >= cause.pledges_sequence:
                return cause
            await unit.plumbing.work.postpone(claim, self.clock.now() + AGAIN)
            return None

        return await self.units.run(work)

    async def _store_chunks(self, cause: Cause) -> int:
        planner = ChunkPlanner(cause.told, self.partitions)
        full: list[Chunk] = []
        members = self.audience.members(cause.told.campaign_id, cause.pledges_sequence)
        async for page in members:
            full += planner.feed(page)
            if len(full) >= CHUNKS_PAGE:
                await self.audience.store(full)
                full = []
        await self.audience.store([*full, *planner.rest()])
        return planner.audience

    async def _finish(self, claim: Claim, audience: int) -> None:
        name, now = claim.item.payload["cause"], self.clock.now()

        async def work(unit: NotifierUnit) -> None:
            cause = (await unit.causes.load([name]))[name]
            if cause.state is CauseState.WAITING:
                planned = plan(cause, audience, now)
                if planned.contradicts:
                    CONTRADICTIONS.inc()
                    log.error("audience differs", cause=name, ours=audience, told=cause.expected)
                await unit.causes.save([planned])
                await unit.facts.planned(planned)
                chunk_ids = await unit.chunks.ids_of(name)
                await unit.plumbing.work.offer(
                    [publish_work(PUBLISH_CHUNK, one, cause.told, now) for one in chunk_ids]
                )
            await unit.plumbing.work.finish([claim])

        await self.units.run(work)
