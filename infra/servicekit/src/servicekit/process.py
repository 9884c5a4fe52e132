"""Runs a service: its loops, its two HTTP ports, and an orderly end."""

import asyncio
import faulthandler
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp

from servicekit import garbage, metrics
from servicekit.bounded_heads import BoundedHeads
from servicekit.errors import DependencyAway
from servicekit.health import Health, health_app
from servicekit.loops import Loop, Pulse, Pulses, pause

log = structlog.get_logger()

EXIT_CLEAN = 0
EXIT_DEPENDENCY_AWAY = 69
EXIT_STOPPED_ITSELF = 70
STOP_DEADLINE_SECONDS = 25.0
# Longer than clients keep a connection that nobody uses (httpx: 5 s, as uvicorn by itself): who
# closes first must be the client, or a request meets a connection that is just being closed.
KEEP_ALIVE_SECONDS = 30
# How old the header `Date` of an answer may be.
TICK_SECONDS = 1.0


@dataclass(slots=True)
class Process:
    """A service put together: what it waits for, what runs, what is closed at the end.

    `prepare` returns once the process may begin (database reached and migrated); until then only
    the health port answers. `cleared` returns once the loops may run; until then the API answers,
    and says why it refuses. `api` is None for a process without the role `api`; one that has it
    has started once its API listens.
    """

    health: Health
    pulses: Pulses
    host: str
    http_port: int
    health_port: int
    api: ASGIApp | None
    prepare: Callable[[asyncio.Event], Awaitable[None]]
    cleared: Callable[[asyncio.Event], Awaitable[None]]
    loops: Sequence[Loop]
    closing: Sequence[Callable[[], Awaitable[Any]]]
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    _servers: list["_Server"] = field(default_factory=list, init=False)
    _api_server: "_Server | None" = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.api is not None:
            listens = {"api": self._check_api_listens}
            self.health = replace(self.health, started={**self.health.started, **listens})

    async def run(self) -> int:
        """Run until SIGTERM or SIGINT (exit 0) or until a loop fails (exit 70)."""
        stopping = asyncio.Event()
        events = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            events.add_signal_handler(number, stopping.set)
        events.add_signal_handler(signal.SIGUSR1, _print_stacks)
        self._serve(health_app(self.health), self.health_port)
        self._start(Loop("event loop", _measure_event_loop), stopping)
        self._begin(stopping)
        failed = await self._until_end(stopping)
        await self._end()
        log.info("stopped", failed=failed)
        return EXIT_STOPPED_ITSELF if failed else EXIT_CLEAN

    def _begin(self, stopping: asyncio.Event) -> None:
        async def begin() -> None:
            await self.prepare(stopping)
            if stopping.is_set():
                return
            if self.api is not None:
                self._api_server = self._serve(self.api, self.http_port)
            await self.cleared(stopping)
            if stopping.is_set():
                return
            garbage.look_seldom()
            for loop in self.loops:
                self._start(loop, stopping)
            log.info("running", http_port=self.http_port, health_port=self.health_port)

        self._tasks.add(asyncio.create_task(begin(), name="begin"))

    def _start(self, loop: Loop, stopping: asyncio.Event) -> None:
        async def run() -> None:
            await loop.run(self.pulses.new(loop.name), stopping)
            if not stopping.is_set():
                raise RuntimeError(f"{loop.name} ended by itself")

        self._tasks.add(asyncio.create_task(run(), name=loop.name))

    def _serve(self, app: ASGIApp, port: int) -> "_Server":
        server = _Server(app, self.host, port)
        self._servers.append(server)
        self._tasks.add(asyncio.create_task(server.serve_until_told(), name=f"port {port}"))
        return server

    async def _check_api_listens(self) -> None:
        if self._api_server is None or not self._api_server.started:
            raise DependencyAway(f"nobody listens on port {self.http_port} yet")

    async def _until_end(self, stopping: asyncio.Event) -> bool:
        """Return True if a task failed, False if the process was asked to stop."""
        asked = asyncio.create_task(stopping.wait())
        failed = False
        while not (stopping.is_set() or failed):
            await asyncio.wait({asked, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in self._tasks if task.done()]:
                self._tasks.discard(task)
                error = asyncio.CancelledError() if task.cancelled() else task.exception()
                if error is not None:
                    log.error("a loop failed", loop=task.get_name(), exc_info=error)
                    failed = True
        asked.cancel()
        stopping.set()
        return failed

    async def _end(self) -> None:
        """Let every loop finish what it has in hand, then close what they used."""
        for server in self._servers:
            server.tell_to_end()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=STOP_DEADLINE_SECONDS)
            for task in late:
                log.warning("abandoned at stop", loop=task.get_name())
                task.cancel()
        for close in self.closing:
            try:
                await asyncio.wait_for(close(), 5)
            except Exception as error:
                log.warning("not closed", error=repr(error))


class _Server(uvicorn.Server):
    """uvicorn as one task among others: signals belong to the process, not to it."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                http=BoundedHeads,
                log_config=None,
                access_log=False,
                # By itself it takes whatever comes from this machine at its word (`guests.py`).
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=20,
            )
        )

        self._told = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        """Wait until it is told to end; uvicorn itself would look ten times a second."""
        while not await self.on_tick(0):
            await pause(self._told, TICK_SECONDS)

    def tell_to_end(self) -> None:
        self.should_exit = True
        self._told.set()

    async def serve_until_told(self) -> None:
        try:
            await self.serve()
        except SystemExit as error:
            raise RuntimeError(f"cannot listen on port {self.config.port}") from error


def _print_stacks() -> None:
    for task in asyncio.all_tasks():
        task.print_stack(file=sys.stderr)
    faulthandler.dump_traceback(file=sys.stderr)


async def _measure_event_loop(pulse: Pulse, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        began = time.monotonic()
        await asyncio.sleep(0.5)
        metrics.EVENT_LOOP_DELAY.set(max(0.0, time.monotonic() - began - 0.5))
        pulse.beat()
