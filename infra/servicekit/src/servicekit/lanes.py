"""Group commit: single commands on one key share transactions instead of fighting for them.

A group is whatever gathered during the previous save (`architecture.md` 2.4): no timer, no wait
when the lane is idle. Measured against one transaction per command: `stack.md` 5a. Where nobody
waits for an answer and items come at a pace, a lane may wait a moment for its group (decision
0039).
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from servicekit import metrics, traces
from servicekit.causes import Causes, because_of, current
from servicekit.errors import Conflict, is_away

Item = TypeVar("Item")
Answer = TypeVar("Answer")

Save = Callable[[str, Sequence[Item]], Awaitable[Sequence[Answer | Exception]]]


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Item, Answer]):
    """An item, who waits for its answer since when, and why it was submitted."""

    item: Item
    answer: asyncio.Future[Answer]
    since: float
    causes: Causes
    traceparent: str | None


class Lanes(Generic[Item, Answer]):
    """One lane per key; `save` gets the key and a group, and answers each item or its refusal.

    If `save` raises, a group of one gets the error; a larger group is tried again item by item,
    so that one item that can never be saved does not take its neighbours with it. Where others
    wrote first, it is tried again in halves: many small saves would only meet more of them. An
    absent dependency is everybody's at once: asking it again for each would keep them all waiting.
    The group is saved because of all that its items were submitted for. `gather_seconds` is how
    long a group that is not full waits for others to join it.
    """

    def __init__(
        self,
        save: Save[Item, Answer],
        group_items_max: int = 100,
        *,
        gather_seconds: float = 0.0,
    ) -> None:
        self._save = save
        self._group_items_max = group_items_max
        self._gather_seconds = gather_seconds
        self._waiting: dict[str, deque[_Waiting[Item, Answer]]] = {}
        self._turns: set[asyncio.Task[None]] = set()

    async def submit(self, key: str, item: Item) -> Answer:
        """Return the item's answer after it was saved; raise its refusal or the save's error."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        lane = self._waiting.get(key)
        if lane is None:
            lane = self._waiting[key] = deque()
            turn = asyncio.create_task(self._run(key, lane))
            self._turns.add(turn)
            turn.add_done_callback(self._turns.discard)
        since, traceparent = time.monotonic(), traces.current_traceparent()
        lane.append(_Waiting(item, answer, since, current(), traceparent))
        return await asyncio.shield(answer)

    async def drain(self) -> None:
        """Return when nothing is in any lane."""
        while self._turns:
            await asyncio.wait(self._turns)

    async def _run(self, key: str, lane: deque[_Waiting[Item, Answer]]) -> None:
        group: list[_Waiting[Item, Answer]] = []
        try:
            # Lets callers of the same turn of the loop join the first group.
            await asyncio.sleep(0)
            while lane:
                if self._gather_seconds and len(lane) < self._group_items_max:
                    await asyncio.sleep(self._gather_seconds)
                size = min(len(lane), self._group_items_max)
                group = [lane.popleft() for _ in range(size)]
                metrics.LANE_BATCH_ITEMS.observe(size)
                for one in group:
                    metrics.LANE_WAIT.observe(time.monotonic() - one.since)
                await self._settle(key, group)
        finally:
            del self._waiting[key]
            # Nobody may hang on a lane that ended, whatever ended it.
            for one in (*group, *lane):
                if not one.answer.done():
                    one.answer.set_exception(RuntimeError("the lane ended"))

    async def _settle(self, key: str, group: Sequence[_Waiting[Item, Answer]]) -> None:
        causes = [cause for one in group for cause in one.causes]
        with (
            because_of(causes),
            traces.span("save group", links=[one.traceparent for one in group]),
        ):
            await self._settle_together(key, group)

    async def _settle_together(self, key: str, group: Sequence[_Waiting[Item, Answer]]) -> None:
        try:
            results: Sequence[Answer | Exception] = await self._save(
                key, [one.item for one in group]
            )
            if len(results) != len(group):
                raise RuntimeError(f"{len(results)} answers for {len(group)} items")
        except Exception as error:
            if len(group) > 1 and not is_away(error):
                # One by one, each would meet as many conflicts as the group has met.
                size = len(group) // 2 if isinstance(error, Conflict) else 1
                for start in range(0, len(group), size):
                    await self._settle(key, group[start : start + size])
                return
            results = [error] * len(group)
        for one, result in zip(group, results, strict=True):
            if one.answer.done():
                continue
            if isinstance(result, Exception):
                one.answer.set_exception(result)
                one.answer.exception()  # Marks it as retrieved: its caller may have gone.
            else:
                one.answer.set_result(result)
