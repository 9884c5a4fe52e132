"""The loops of a process and their signs of life; `/livez` is made of them (`operations.md` 1)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


class Pulse:
    """One loop's sign of life: it beats at every turn and at every retry."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._last = time.monotonic()

    def beat(self) -> None:
        self._last = time.monotonic()

    def silent_seconds(self) -> float:
        return time.monotonic() - self._last


_beaten: ContextVar[Pulse | None] = ContextVar("pulse", default=None)


@contextmanager
def beating(pulse: Pulse) -> Iterator[None]:
    """Let `beat()` inside be this loop's: a long turn of many small things is not stuck."""
    token = _beaten.set(pulse)
    try:
        yield
    finally:
        _beaten.reset(token)


def beat() -> None:
    """Beat the pulse of the loop that does this, if one does."""
    pulse = _beaten.get()
    if pulse is not None:
        pulse.beat()


class Pulses:
    """The signs of life of all loops of the process."""

    def __init__(self) -> None:
        self._pulses: dict[str, Pulse] = {}

    def new(self, name: str) -> Pulse:
        pulse = Pulse(name)
        self._pulses[name] = pulse
        return pulse

    def silent(self, longer_than_seconds: float) -> list[str]:
        """Return the names of the loops that have not turned for so long."""
        return [p.name for p in self._pulses.values() if p.silent_seconds() > longer_than_seconds]


@dataclass(frozen=True, slots=True)
class Loop:
    """One thing the process does again and again until the event is set.

    It beats its pulse at every turn, outlives absent dependencies, and ends by itself only when
    the event is set; any other end stops the process.
    """

    name: str
    run: Callable[[Pulse, asyncio.Event], Awaitable[None]]


async def pause(event: asyncio.Event, seconds: float) -> None:
    """Return after `seconds`, or as soon as the event is set."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        pass


async def pause_until_any(events: Iterable[asyncio.Event], seconds: float) -> None:
    """Return after `seconds`, or as soon as one of the events is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
