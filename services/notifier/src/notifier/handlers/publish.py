"""Telling people: chunks become events, and causes are closed when everybody has an outcome."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from notifier.domain.cause import Cause, CauseState, Totals, complete
from notifier.domain.chunk import Chunk, ChunkState
from notifier.domain.delivery import Channel
from notifier.domain.proof import INBOX
from notifier.metrics import NOTIFICATIONS, TOLD_DELAY
from notifier.ports.unit import Audience, NotifierUnit
from servicekit import traces
from servicekit.clock import Clock
from servicekit.errors import Conflict, DependencyAway, LeaseLost, Outlasted
from servicekit.loops import Pulse, pause_until_any
from servicekit.lots import Lot
from servicekit.publish import Publisher
from servicekit.units import UnitsOfWork
from servicekit.work import POLL_SECONDS, Claim, GivesWay, WorkQueue

log = structlog.get_logger()

BeginChannels = Callable[[NotifierUnit, Sequence[Chunk], datetime], Awaitable[None]]

AGAIN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class PublishChunks:
    """Claims chunks of one kind and tells their people, `at_once` chunks in one send.

    A group is in hand for each publisher: while one waits for its acknowledgements or its save,
    another is rendered and sent. A crash repeats at most the chunks in hand, with equal ids.
    """

    kind: str
    at_once: int
    lease_seconds: float
    units: UnitsOfWork[NotifierUnit]
    audience: Audience
    queue: WorkQueue
    publishers: Sequence[Publisher]
    # Makes the events of a chunk that was cut for so many partitions.
    render: Callable[[Chunk, int], Lot]
    partitions: int
    clock: Clock
    # Until what is urgent is planned, and goes first by itself, nothing else is begun: that would
    # be told before it, and have the processor meanwhile.
    gives_way: GivesWay
    # Begins other channels once a chunk's people were told; the inbox waits for none.
    begin_channels: BeginChannels | None = None
    poll_seconds: float = POLL_SECONDS
    _told_of: set[str] = field(default_factory=set)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def nudge(self) -> None:
        """Say that chunks may have been offered."""
        self._wake.set()

    async def run(self, pulse: Pulse, stopping: asyncio.Event) -> None:
        """Publish until `stopping` is set; who is idle asks alone."""
        while not stopping.is_set():
            pulse.beat()
            if await self._published(self.publishers[0]):
                await self._publish_rest(pulse, stopping)
            else:
                await pause_until_any((self._wake, stopping), self.poll_seconds)
                self._wake.clear()
        # Whoever was stopped behind the last chunks of a cause did not look.
        with _done_later(self.kind):
            await self._close_told()

    async def _publish_rest(self, pulse: Pulse, stopping: asyncio.Event) -> None:
        """Publish with all publishers until none of them finds anything.

        Whoever found nothing (what there is gave way to something urgent, or could not be told)
        begins again as soon as another one told somebody.
        """
        idle = list(self.publishers)
        async with asyncio.TaskGroup() as groups:

            async def publish(publisher: Publisher) -> None:
                while not stopping.is_set() and await self._published(publisher):
                    pulse.beat()
                    begin()
                idle.append(publisher)

            def begin() -> None:
                while idle:
                    groups.create_task(publish(idle.pop(0)))

            begin()

    async def _published(self, publisher: Publisher) -> bool:
        with _done_later(self.kind):
            return await self.publish_some(publisher)
        return False

    async def publish_some(self, publisher: Publisher) -> bool:
        """Publish one group of claimed chunks; return whether anybody was told.

        Causes are closed when nothing more can be claimed: to look at each of them after every
        group would cost a long one the square of its length.
        """
        now = self.clock.now()
        claims = await self.queue.claim(
            self.kind, now, self.at_once, self.lease_seconds, gives_way=self.gives_way
        )
        worked = bool(claims) and await self._publish(publisher, claims)
        if len(claims) < self.at_once:
            await self._close_told()
        return worked

    async def _close_told(self) -> None:
        """Close the causes of which people were told since, as far as everybody is."""
        names = set(self._told_of)
        self._told_of.clear()
        try:
            await close_causes(self.units, names, self.clock.now())
        except DependencyAway as error:
            # What takes too long may always do: that is left to the sweep.
            if not isinstance(error, Outlasted):
                self._told_of.update(names)
            raise

    async def _publish(self, publisher: Publisher, claims: Sequence[Claim]) -> bool:
        ids = [_chunk_id(claim) for claim in claims]
        chunks = await self.audience.load(ids)
        origins = (chunk.told.origin for chunk in chunks.values())
        links = (origin.traceparent for origin in origins if origin is not None)
        with traces.span(f"work {self.kind}", links=links, chunks=len(chunks)):
            return await self._tell_and_finish(publisher, claims, chunks)

    async def _tell_and_finish(
        self, publisher: Publisher, claims: Sequence[Claim], chunks: Mapping[str, Chunk]
    ) -> bool:
        told = await self._tell(publisher, chunks)
        finished = [claim for claim in claims if _chunk_id(claim) in told]
        fresh = [chunks[one] for one in told if chunks[one].state is ChunkState.PENDING]
        try:
            await self._finish(finished, chunks)
        finally:
            # Also where it failed: it may have been saved. Not before it: another group's look,
            # which forgets whom it looked at, would be too early for what this one saves.
            self._told_of.update(chunk.told.cause for chunk in fresh if chunk.partition is not None)
        self._observe(fresh)
        for claim in claims:
            if claim not in finished:
                await self.queue.postpone(claim, self.clock.now() + AGAIN)
        return bool(finished)

    async def _tell(self, publisher: Publisher, chunks: Mapping[str, Chunk]) -> list[str]:
        """Publish what is pending; return the ids of the chunks in which everybody is told."""
        pending = {i: chunk for i, chunk in chunks.items() if chunk.state is ChunkState.PENDING}
        rendered = {i: self._rendered(chunk) for i, chunk in pending.items()}
        lots = {i: lot for i, lot in rendered.items() if lot is not None}
        acknowledged = await publisher.publish_lots(list(lots.values()))
        unknown = {i for i, done in zip(lots, acknowledged, strict=True) if not done}
        return [i for i in chunks if i not in unknown and (i in lots or i not in pending)]

    def _rendered(self, chunk: Chunk) -> Lot | None:
        """Return the chunk's events, None if it cannot be rendered.

        One that cannot be rendered is a bug of ours: it stays incomplete, where the metrics show
        it, and keeps nobody else waiting.
        """
        try:
            return self.render(chunk, self.partitions)
        except Exception as error:
            log.exception("a chunk cannot be rendered", chunk=chunk.chunk_id, error=repr(error))
            return None

    async def _finish(self, claims: Sequence[Claim], chunks: Mapping[str, Chunk]) -> None:
        chunk_ids, now = [_chunk_id(claim) for claim in claims], self.clock.now()
        told = [c for i in chunk_ids if (c := chunks[i]).state is ChunkState.PENDING]

        async def work(unit: NotifierUnit) -> None:
            await unit.chunks.done(chunk_ids, now)
            await unit.plumbing.work.finish(claims)
            if self.begin_channels is not None:
                await self.begin_channels(unit, told, now)

        if claims:
            await self.units.run(work)

    def _observe(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            NOTIFICATIONS.labels("delivered").inc(len(chunk.recipients) - len(chunk.suppressed))
            NOTIFICATIONS.labels("suppressed").inc(len(chunk.suppressed))
            delay = (self.clock.now() - chunk.told.caused_at).total_seconds()
            TOLD_DELAY.labels("inbox").observe(max(0.0, delay))


@contextmanager
def _done_later(kind: str) -> Iterator[None]:
    """Go on behind it, whatever happens in it."""
    try:
        yield
    except (DependencyAway, Conflict, LeaseLost) as error:
        log.warning("chunks published later", kind=kind, error=repr(error))
    except Exception as error:
        # A bug of ours is one of these chunks': they are claimed again when their lease ends,
        # and all that has nothing to do with them goes on.
        log.exception("chunks failed, published later", kind=kind, error=repr(error))


def _chunk_id(claim: Claim) -> str:
    return str(claim.item.payload["chunk_id"])


async def close_causes(units: UnitsOfWork[NotifierUnit], names: set[str], now: datetime) -> int:
    """Complete the causes in which nobody is pending; return how many were.

    Called after the chunks' own transaction, so that whoever commits last sees all of them; what
    a crash leaves open, the sweep closes. A cause that does not add up stays open and is alarmed.
    """

    async def work(unit: NotifierUnit) -> int:
        loaded = await unit.causes.load(names)
        return sum([await _close(unit, cause, now) for cause in loaded.values()])

    try:
        return await units.run(work) if names else 0
    except Conflict:
        return 0  # Another worker closes it.


async def _close(unit: NotifierUnit, cause: Cause, now: datetime) -> bool:
    if cause.state is not CauseState.PLANNED:
        return False
    totals = await unit.chunks.totals(cause.name)
    if totals.pending:
        return False
    if totals.gap(cause.audience):
        log.error("a cause does not add up", cause=cause.name, totals=str(totals))
        return False
    completed = complete(cause, now)
    await unit.causes.save([completed])
    await unit.facts.completed(completed, totals, await _by_channel(unit, cause.name, totals))
    return True


async def _by_channel(unit: NotifierUnit, cause: str, inbox: Totals) -> dict[str, Totals]:
    """Return the totals of the inbox and of each channel that tells of the cause."""
    others = {one.value: await unit.deliveries.totals(one, cause) for one in Channel}
    return {INBOX: inbox} | {name: sums for name, sums in others.items() if sums is not None}
