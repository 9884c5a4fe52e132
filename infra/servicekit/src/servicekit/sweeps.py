"""Timed work: what is due is found by an index and handled by the ordinary handler (0005)."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

import structlog

from servicekit import metrics
from servicekit.clock import Clock
from servicekit.errors import Conflict, DependencyAway
from servicekit.loops import Pulse, pause

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


async def one_by_one(
    items: Iterable[T] | AsyncIterable[T], perform: Callable[[T], Awaitable[int]]
) -> int:
    """Perform each item by itself; return how much was handled, as `perform` counts it.

    One that somebody else has moved meanwhile is left to the next look. One that fails keeps
    no other from its turn: all that failed is raised behind the last, as an `ExceptionGroup`.
    """
    handled, failed = 0, list[Exception]()
    async for item in _each(items):
        try:
            handled += await perform(item)
        except Conflict:
            continue
        except DependencyAway:
            raise
        except Exception as error:
            failed.append(error)
    if failed:
        raise ExceptionGroup(f"{len(failed)} of what was due", failed)
    return handled


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
    tried again after a pause.
    """
    due: datetime | None = None
    failures = 0
    failed = metrics.SWEEP_FAILURES.labels(sweep.name)
    while not stopping.is_set():
        pulse.beat()
        handled = 0
        try:
            now = clock.now()
            handled = await sweep.run(now)
            metrics.SWEEP_SUCCESS.labels(sweep.name).set_to_current_time()
            if handled and due is not None:
                lateness = (now - due).total_seconds()
                metrics.SWEEP_LATENESS.labels(sweep.name).observe(max(0.0, lateness))
            due = await _measure(sweep)
            failures = 0
        except (DependencyAway, Conflict) as error:
            log.warning("sweep repeated later", sweep=sweep.name, error=repr(error))
        except Exception as error:
            failures += 1
            failed.inc()
            log.exception("sweep failed, tried again", sweep=sweep.name, error=repr(error))
        if not handled:
            await _rest(_pause_seconds(sweep, failures), pulse, stopping)


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
