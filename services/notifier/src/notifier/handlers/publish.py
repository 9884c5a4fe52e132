"""Telling people: chunks become events, and causes are closed when everybody has an outcome."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from notifier.domain.cause import CauseState, complete
from notifier.domain.chunk import Chunk, ChunkState
from notifier.metrics import GAP, NOTIFICATIONS, TOLD_DELAY
from notifier.ports import NotifierUnit
from servicekit.clock import Clock
from servicekit.errors import Conflict, DependencyAway, LeaseLost
from servicekit.loops import Pulse, pause
from servicekit.publish import Publisher
from servicekit.units import UnitsOfWork
from servicekit.work import Claim, WorkQueue
from sosst_contracts.codec import Record

log = structlog.get_logger()

POLL_SECONDS = 0.1
AGAIN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class PublishChunks:
    """Claims chunks of one kind and tells their people, `at_once` chunks in one send.

    A crash repeats at most the chunks in hand, with equal ids.
    """

    kind: str
    at_once: int
    lease_seconds: float
    units: UnitsOfWork[NotifierUnit]
    queue: WorkQueue
    publisher: Publisher
    render: Callable[[Chunk], Iterable[Record]]
    clock: Clock

    async def run(self, pulse: Pulse, stopping: asyncio.Event) -> None:
        """Publish until `stopping` is set."""
        while not stopping.is_set():
            pulse.beat()
            try:
                worked = await self.publish_some()
            except (DependencyAway, Conflict, LeaseLost) as error:
                log.warning("chunks published later", kind=self.kind, error=repr(error))
                worked = False
            if not worked:
                await pause(stopping, POLL_SECONDS)

    async def publish_some(self) -> bool:
        """Publish one group of claimed chunks; return whether there was anything to do."""
        now = self.clock.now()
        claims = await self.queue.claim(self.kind, now, self.at_once, self.lease_seconds)
        if not claims:
            return False
        chunk_ids = [claim.item.payload["chunk_id"] for claim in claims]
        found = await self.units.run(lambda unit: unit.chunks.load(chunk_ids))
        pending = [c for c in found.values() if c.state is ChunkState.PENDING]
        records = [record for chunk in pending for record in self.render(chunk)]
        if not all(await self.publisher.publish(records)):
            for claim in claims:
                await self.queue.postpone(claim, self.clock.now() + AGAIN)
            return False
        await self._finish(claims, chunk_ids)
        self._observe(pending)
        await close_causes(
            self.units, {c.told.cause for c in pending if c.partition is not None}, self.clock.now()
        )
        return True

    async def _finish(self, claims: Sequence[Claim], chunk_ids: Sequence[str]) -> None:
        now = self.clock.now()

        async def work(unit: NotifierUnit) -> None:
            await unit.chunks.done(chunk_ids, now)
            await unit.plumbing.work.finish(claims)

        await self.units.run(work)

    def _observe(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            NOTIFICATIONS.labels("delivered").inc(len(chunk.recipients))
            delay = (self.clock.now() - chunk.told.caused_at).total_seconds()
            TOLD_DELAY.labels("inbox").observe(max(0.0, delay))


async def close_causes(units: UnitsOfWork[NotifierUnit], names: set[str], now: datetime) -> int:
    """Complete the causes in which nobody is pending; return how many were.

    Called after the chunks' own transaction, so that whoever commits last sees all of them; what
    a crash leaves open, the sweep closes.
    """

    async def work(unit: NotifierUnit) -> int:
        closed = 0
        for cause in (await unit.causes.load(names)).values():
            if cause.state is not CauseState.PLANNED:
                continue
            totals = await unit.chunks.totals(cause.name)
            if totals.pending:
                continue
            GAP.set(totals.gap(cause.audience))
            if totals.gap(cause.audience):
                log.error("a cause does not add up", cause=cause.name, totals=str(totals))
                continue
            completed = complete(cause, now)
            await unit.causes.save([completed])
            await unit.facts.completed(completed, totals)
            closed += 1
        return closed

    try:
        return await units.run(work) if names else 0
    except Conflict:
        return 0  # Another worker closes it.
