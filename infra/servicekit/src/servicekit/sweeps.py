"""Timed work: what is due is found by an index and handled by the ordinary handler (0005)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from servicekit import metrics
from servicekit.clock import Clock
from servicekit.errors import Conflict, DependencyAway
from servicekit.loops import Pulse, pause

log = structlog.get_logger()

# Far below the time after which a loop without a sign of life counts as stuck.
BEAT_SECONDS_MAX = 10.0


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


async def run_sweep(sweep: Sweep, clock: Clock, pulse: Pulse, stopping: asyncio.Event) -> None:
    """Repeat the sweep until `stopping`; an absent dependency or a lost race is tried again."""
    due: datetime | None = None
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
        except (DependencyAway, Conflict) as error:
            log.warning("sweep repeated later", sweep=sweep.name, error=repr(error))
        if not handled:
            await _rest(sweep.every_seconds, pulse, stopping)


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
