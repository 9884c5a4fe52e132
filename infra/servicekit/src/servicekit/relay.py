"""Publishes what the outbox holds; a row goes only after the broker acknowledged it."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import structlog

from servicekit import metrics
from servicekit.errors import DependencyAway
from servicekit.loops import Pulse, pause_until_any
from servicekit.outbox import OutboxQueue, OutboxRow
from servicekit.publish import Publisher

log = structlog.get_logger()

PAGE_ROWS = 1_000
# Commits of this process wake it; the poll finds what other processes committed or left behind.
POLL_SECONDS = 0.25
# A topic that takes nothing (missing, forbidden) must not keep the others waiting behind its rows.
BLOCKED_TOPIC_PAUSE_SECONDS = 1.0
# What is noted late is only read again at the next start, so one write a second is enough.
NOTE_SECONDS = 1.0


class Relay:
    """Pages from the outbox to the broker, woken by commits and by a poll.

    Several instances may relay the same outbox: what they send twice carries the same sequence,
    and consumers drop it (`stack.md` 4).
    """

    def __init__(
        self, queue: OutboxQueue, publisher: Publisher, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self._queue = queue
        self._publisher = publisher
        self._poll_seconds = poll_seconds
        self._wake = asyncio.Event()
        self._blocked: dict[str, float] = {}
        self._noted: Mapping[tuple[str, int], int] = {}
        self._noted_at = 0.0

    def nudge(self) -> None:
        """Say that facts were committed."""
        self._wake.set()

    async def run(self, pulse: Pulse, stopping: asyncio.Event) -> None:
        """Relay until `stopping` is set; then one last pass, so that little waits for a restart."""
        while not stopping.is_set():
            pulse.beat()
            try:
                progress = await self.relay_page()
                if time.monotonic() - self._noted_at >= NOTE_SECONDS:
                    await self.note_reached()
            except DependencyAway as error:
                log.warning("outbox not readable", error=repr(error))
                progress = False
            if not progress:
                await pause_until_any((self._wake, stopping), self._poll_seconds)
        try:
            await self.relay_page()
            await self.note_reached()
        except DependencyAway as error:
            log.warning("rows stay in the outbox", error=repr(error))

    async def relay_page(self) -> bool:
        """Publish one page; return whether there may be more to do at once."""
        self._wake.clear()
        rows = await self._queue.page(PAGE_ROWS, self._blocked_topics())
        if not rows:
            return False
        acknowledged = await self._publisher.publish([row.record for row in rows])
        done = [row for row, good in zip(rows, acknowledged, strict=True) if good]
        self._block_topics(rows, done)
        if done:
            await self._queue.remove(done)
            _observe_delay(done)
        return bool(done)

    async def note_reached(self) -> None:
        """Remember how far the own topics are acknowledged, for the comparison at a start."""
        self._noted_at = time.monotonic()
        reached = self._publisher.reached()
        news = {place: at for place, at in reached.items() if self._noted.get(place) != at}
        await self._queue.note_reached(news)
        self._noted = reached

    def _blocked_topics(self) -> list[str]:
        now = time.monotonic()
        self._blocked = {topic: until for topic, until in self._blocked.items() if until > now}
        return list(self._blocked)

    def _block_topics(self, rows: Sequence[OutboxRow], done: Sequence[OutboxRow]) -> None:
        until = time.monotonic() + BLOCKED_TOPIC_PAUSE_SECONDS
        silent = {row.record.topic for row in rows} - {row.record.topic for row in done}
        self._blocked |= dict.fromkeys(silent, until)


def _observe_delay(rows: Sequence[OutboxRow]) -> None:
    now = datetime.now(UTC)
    for row in rows:
        delay = (now - row.saved_at).total_seconds()
        metrics.OUTBOX_PUBLISH_DELAY.observe(max(0.0, delay))
