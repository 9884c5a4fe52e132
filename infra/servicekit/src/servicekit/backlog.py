"""How much of what waits inside a service, and since when (`operations.md` 2).

The figures are shared state: every replica publishes the same ones, and rules use their maximum.
"""

import asyncio
from collections.abc import Collection

import structlog

from servicekit import metrics
from servicekit.loops import Pulse, pause
from servicekit.mongo import Database, Document, sorted_errors
from servicekit.ordering import GAP
from servicekit.outbox import OutboxQueue
from servicekit.work import WorkQueue

log = structlog.get_logger()

# Counting is linear in what waits, and a hundred thousand refunds may wait.
MEASURE_SECONDS = 5.0


class Backlog:
    """Measures the outbox, the facts set aside, and the work of some kinds."""

    def __init__(
        self, database: Database, outbox: OutboxQueue, work: WorkQueue, kinds: Collection[str]
    ) -> None:
        self._set_aside = database.collection("set_aside")
        self._outbox = outbox
        self._work = work
        self._kinds = kinds
        self._reasons: set[str] = set()

    async def run(self, pulse: Pulse, stopping: asyncio.Event) -> None:
        """Measure every few seconds; what cannot be measured is tried again."""
        while not stopping.is_set():
            pulse.beat()
            try:
                await self.measure()
            except Exception as error:
                log.warning("backlog not measured", error=repr(error))
            await pause(stopping, MEASURE_SECONDS)

    async def measure(self) -> None:
        """Set every figure as it is now."""
        await self._measure_outbox()
        await self._measure_set_aside()
        for kind in self._kinds:
            await self._measure_work(kind)

    async def _measure_outbox(self) -> None:
        rows, oldest = await self._outbox.backlog()
        metrics.OUTBOX_ROWS.set(rows)
        metrics.OUTBOX_OLDEST.set(oldest.timestamp() if oldest else 0)

    async def _measure_set_aside(self) -> None:
        with sorted_errors():
            empty = await self._set_aside.estimated_document_count() == 0
            keys = [] if empty else await self._set_aside.aggregate(_BY_KEY).to_list(None)
        facts: dict[str, int] = dict.fromkeys(self._reasons, 0)
        for key in keys:
            for reason in key["reasons"]:
                # What stands behind the colon is the rule's own word, not from a fixed list.
                name = reason.split(":")[0]
                facts[name] = facts.get(name, 0) + 1
        self._reasons |= facts.keys()
        for reason, count in facts.items():
            metrics.SET_ASIDE_FACTS.labels(reason).set(count)
        metrics.SET_ASIDE_KEYS.set(len(keys))
        metrics.CONSUMER_GAP_KEYS.set(sum(1 for key in keys if set(key["reasons"]) == {GAP}))

    async def _measure_work(self, kind: str) -> None:
        found = await self._work.backlog(kind)
        metrics.WORK_ITEMS.labels(kind, "waiting").set(found.waiting)
        metrics.WORK_ITEMS.labels(kind, "in_hand").set(found.in_hand)
        earliest = found.earliest_due
        metrics.WORK_OLDEST.labels(kind).set(earliest.timestamp() if earliest else 0)


# A fact without a key stands for itself.
_BY_KEY: list[Document] = [
    {
        "$group": {
            "_id": {"group": "$group", "topic": "$topic", "key": {"$ifNull": ["$key", "$_id"]}},
            "reasons": {"$push": "$reason"},
        }
    }
]
