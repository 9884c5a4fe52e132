"""Timed work: what is due is found by an index and handled by the ordinary handler (0005)."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import structlog

from servicekit import metrics
from servicekit.clock import Clock
from servicekit.errors import Conflict, is_away
from servicekit.loops import Pulse, beat, beating, pause

log = structlog.get_logger()

# Far below the time after which a loop without a sign of life counts as stuck.
BEAT_SECONDS_MAX = 10.0
# What is due behind something that fails is not late for much longer than this.
FAILED_SECONDS_MAX = 10.0

T = TypeVar("T")


class DueWork(Protocol):
    """Work that knows when it is due; its promises are those of `Sweep`."""

    async def __call__(self, now: datetime, /) -> int: ...

    async def oldest_due(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Sweep:
    """`run(now)` handles what is due, at most a page, and returns how much it handled.

    Any instance may sweep at any time: the compare-and-set in the handler is what makes each
    thing happen once. After a page that was not empty it runs again at once. `oldest_due` tells
    the earliest time at which something is due, for the metric of that name.
    """

    name: str
    every_seconds: float
    run: Callable[[datetime], Awaitable[int]]
    oldest_due: Callable[[], Awaitable[datetime | None]] | None = None

    @classmethod
    def of_due(cls, name: str, every_seconds: float, work: DueWork) -> "Sweep":
        """Return the sweep of work that says itself when its oldest part is due."""
        return cls(name, every_seconds, work, work.oldest_due)


class SomeFailed(ExceptionGroup[Exception]):
    """What failed of a turn; `handled` is how much was done in it all the same."""

    handled: int = 0


async def one_by_one(
    items: Iterable[T] | AsyncIterable[T], perform: Callable[[T], Awaitable[int]]
) -> int:
    """Perform each item by itself; return how much was handled, as `perform` counts it.

    One that somebody else has moved meanwhile is left to the next look. One that fails, or takes
    too long for a transaction, keeps no other from its turn: all that failed is raised behind the
    last, as `SomeFailed`.
    """
    handled, failed = 0, list[Exception]()
    async for item in _each(items):
        beat()
        try:
            handled += await perform(item)
        except Conflict:
            continue
        except SomeFailed as some:
            handled += some.handled
            failed += some.exceptions
        except Exception as error:
            if is_away(error):
                raise
            failed.append(error)
    if failed:
        some_failed = SomeFailed(f"{len(failed)} of what was due", failed)
        some_failed.handled = handled
        raise some_failed
    return handled


async def together(items: Sequence[T], perform: Callable[[Sequence[T]], Awaitable[int]]) -> int:
    """Perform all items in one; where that fails, each by itself, as `one_by_one` does."""
    try:
        return await perform(items)
    except Conflict:
        raise
    except Exception as error:
        if is_away(error) or len(items) == 1:
            raise
        return await one_by_one([[item] for item in items], perform)


@dataclass(slots=True)
class Turns(Generic[T]):
    """Looks at what is due in its order, a page at a time, and past what stays due.

    What waits, or fails, stays first in that order. So a turn takes the first page, and where that
    is full and something of it stays, one more: that behind the one of the turn before, and behind
    the last one it begins anew. Whatever stays hides nothing behind it, nor does the rest hide it.
    `weight` says how many of a page's places an item takes, where several are performed in one.
    """

    size: int
    weight: Callable[[T], int] = lambda item: 1
    _behind: int = 0

    async def take(
        self,
        due: Callable[[int, int], Awaitable[Sequence[T]]],
        perform: Callable[[T], Awaitable[int]],
    ) -> int:
        """Perform what `due(limit, skip)` finds; return how much was handled, as `one_by_one`."""
        gone = 0

        async def counted(item: T) -> int:
            nonlocal gone
            handled = await perform(item)
            gone += min(handled, self.weight(item))
            return handled

        async def items() -> AsyncIterator[T]:
            nonlocal gone
            first = await due(self.size, 0)
            for item in first:
                yield item
            stays = self._places(first) - gone
            if self._places(first) < self.size or not stays:
                self._behind = 0
                return
            gone, skipped = 0, max(stays, self._behind)
            further = await due(self.size, skipped)
            for item in further:
                yield item
            places = self._places(further)
            self._behind = skipped + places - gone if places >= self.size else 0

        return await one_by_one(items(), counted)

    def _places(self, page: Sequence[T]) -> int:
        return sum(self.weight(item) for item in page)


async def _each(items: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


async def run_sweep(sweep: Sweep, clock: Clock, pulse: Pulse, stopping: asyncio.Event) -> None:
    """Repeat the sweep until `stopping`; whatever it raises, it is tried again.

    What it finds due is there again after each start: a process that ended for it would end again
    and again, and with it all that has nothing to do with it. So a failure is counted, alarmed and
    tried again, after a pause where nothing was handled beside it. A turn that found nothing to do
    has succeeded: it has looked.
    """
    due: datetime | None = None
    failures = 0
    failed = metrics.SWEEP_FAILURES.labels(sweep.name)
    succeeded = metrics.SWEEP_SUCCESS.labels(sweep.name)
    metrics.SWEEP_INTERVAL.labels(sweep.name).set(sweep.every_seconds)
    while not stopping.is_set():
        pulse.beat()
        now = clock.now()
        with beating(pulse):
            handled, error = await _turn(sweep, now)
        if handled:
            failures = 0
            if due is not None:
                lateness = (now - due).total_seconds()
                metrics.SWEEP_LATENESS.labels(sweep.name).observe(max(0.0, lateness))
        if error is None or not _is_for_later(error):
            # Also where something fails: what is due beside it is late or is not.
            try:
                due = await _measure(sweep)
            except Exception as unmeasured:
                error = error or unmeasured
        if error is None:
            failures = 0
            succeeded.set_to_current_time()
        elif _is_for_later(error):
            log.warning("sweep repeated later", sweep=sweep.name, error=repr(error))
        else:
            failures += 1
            failed.inc()
            log.error(
                "sweep failed, tried again", sweep=sweep.name, error=repr(error), exc_info=error
            )
        if not handled:
            await _rest(_pause_seconds(sweep, failures), pulse, stopping)


async def _turn(sweep: Sweep, now: datetime) -> tuple[int, Exception | None]:
    """Return how much was handled and what failed: one of them says nothing about the other."""
    try:
        return await sweep.run(now), None
    except SomeFailed as some:
        return some.handled, some
    except Exception as error:
        return 0, error


def _is_for_later(error: Exception) -> bool:
    return isinstance(error, Conflict) or is_away(error)


def _pause_seconds(sweep: Sweep, failures: int) -> float:
    longer = sweep.every_seconds * 2.0 ** min(failures, 10)
    return max(sweep.every_seconds, min(FAILED_SECONDS_MAX, longer))


async def _rest(seconds: float, pulse: Pulse, stopping: asyncio.Event) -> None:
    """Pause, and show signs of life meanwhile: a sweep that is seldom due is not stuck."""
    left = seconds
    while left > 0 and not stopping.is_set():
        pulse.beat()
        await pause(stopping, min(left, BEAT_SECONDS_MAX))
        left -= BEAT_SECONDS_MAX


async def _measure(sweep: Sweep) -> datetime | None:
    oldest = await sweep.oldest_due() if sweep.oldest_due else None
    metrics.SWEEP_DUE_OLDEST.labels(sweep.name).set(oldest.timestamp() if oldest else 0)
    return oldest
