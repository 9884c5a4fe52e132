"""Does what a plan says to the processes of a suite, and makes everything whole again.

A new kind of fault is a member of `FaultKind`, its durations in `plan.DURATIONS`, and one function
here that breaks the target, waits, and returns when it is whole again.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from random import Random

from infra.native import NativeStack, NativeStackError
from infra.native.server import Server
from infra.suite import ServiceProcess
from infra.suite.readings import eventually
from servicekit.errors import DependencyAway
from tests.chaos.plan import SERVICES, Fault, FaultKind, Plan, ProviderFault
from tests.world import World

START_ATTEMPTS = 3
REPUBLISH_SECONDS_MAX = 30.0
Say = Callable[[str], None]


class Breaker:
    """Breaks one suite on one stack; knows at every moment what is meant to run."""

    def __init__(
        self, world: World, stack: NativeStack, say: Say, services: Collection[str] = SERVICES
    ) -> None:
        self.done = 0
        self._world = world
        self._say = say
        self._began = time.monotonic()
        self._meant_to_be_down: set[str] = set()
        self._servers: dict[str, Server] = {
            "kafka": stack.kafka,
            "mongodb": stack.mongodb,
            "sandbox": world.suite.sandbox,
            **{name: world.suite.services[name] for name in services},
        }
        self._seconds: dict[str, ServiceProcess] = {}
        self._ways: dict[FaultKind, Callable[[Fault], Awaitable[None]]] = {
            FaultKind.KILLED: self._kill,
            FaultKind.STOPPED: self._pause,
            FaultKind.RESTARTED: self._restart,
            FaultKind.DOUBLED: self._double,
            FaultKind.DOUBLED_AND_KILLED: self._double,
            FaultKind.REPUBLISHED: self._republish,
        }

    async def run(self, plan: Plan) -> None:
        """Break what the plan says when it says so; return when all of it is whole and over."""
        self._began = time.monotonic()
        faults = [self._one(fault) for fault in plan.faults]
        provider = [self._misbehave(fault) for fault in plan.provider_faults]
        await asyncio.gather(*faults, *provider, self._until(plan.seconds))

    async def heal(self) -> None:
        """Make everything whole, whatever was cut short; the provider behaves again."""
        for second in self._seconds.values():
            await asyncio.to_thread(second.stop)
        for server in self._servers.values():
            await asyncio.to_thread(server.resume)
        for name, server in self._servers.items():
            if server.process is None:
                await self._start(name, server)
        await self._world.suite.provider.http.delete("/control/faults")
        self._meant_to_be_down.clear()

    def ended(self) -> list[str]:
        """Return the processes that nobody ended and that do not run."""
        everything: Iterable[tuple[str, Server]] = (*self._servers.items(), *self._seconds.items())
        return [
            name
            for name, server in everything
            if name not in self._meant_to_be_down and server.process is None
        ]

    async def _one(self, fault: Fault) -> None:
        await self._until(fault.at_seconds)
        self._say(f"{fault.target} {fault.kind} for {fault.seconds:.1f} s")
        await self._ways[fault.kind](fault)
        self.done += 1

    async def _kill(self, fault: Fault) -> None:
        server = self._servers[fault.target]
        async with self._down(fault.target):
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(fault.seconds)
            await self._start(fault.target, server)

    async def _pause(self, fault: Fault) -> None:
        server = self._servers[fault.target]
        await asyncio.to_thread(server.pause)
        await asyncio.sleep(fault.seconds)
        await asyncio.to_thread(server.resume)

    async def _restart(self, fault: Fault) -> None:
        server = self._servers[fault.target]
        async with self._down(fault.target):
            await asyncio.to_thread(server.stop)
            await self._start(fault.target, server)

    async def _double(self, fault: Fault) -> None:
        second = self._world.suite.instance(fault.target, 2)
        name = f"{fault.target}-2"
        async with self._down(name):
            self._seconds[name] = second
            await self._start(name, second)
        await asyncio.sleep(fault.seconds)
        async with self._down(name):
            killed = fault.kind is FaultKind.DOUBLED_AND_KILLED
            await asyncio.to_thread(second.kill if killed else second.stop)
            del self._seconds[name]

    async def _republish(self, fault: Fault) -> None:
        draw = Random(f"{fault.at_seconds} {fault.target}")
        try:
            async with asyncio.timeout(REPUBLISH_SECONDS_MAX):
                await self._world.republish(fault.target, draw)
        except (DependencyAway, TimeoutError):
            self._say(f"{fault.target} could not be republished")

    async def _misbehave(self, fault: ProviderFault) -> None:
        await self._until(fault.at_seconds)
        provider = self._world.suite.provider
        orders: list[int] = []

        async def ordered() -> bool:
            order = await provider.order_fault(
                fault.kind, fault.operation, probability=fault.probability, hang_seconds=3
            )
            orders.append(order["id"])
            return True

        async def withdrawn() -> bool:
            (await provider.http.delete(f"/control/faults/{orders[0]}")).raise_for_status()
            return True

        await eventually(f"order of {fault}", ordered)
        self._say(f"provider {fault.kind} on {fault.operation} for {fault.seconds:.1f} s")
        await asyncio.sleep(fault.seconds)
        await eventually(f"end of {fault}", withdrawn)

    async def _start(self, name: str, server: Server) -> None:
        """Start it, again if what it needs was away for too long."""
        for _ in range(START_ATTEMPTS - 1):
            try:
                await asyncio.to_thread(server.start)
                return
            except NativeStackError as error:
                self._say(f"{name} did not start: {str(error).splitlines()[0]}")
        await asyncio.to_thread(server.start)

    @asynccontextmanager
    async def _down(self, name: str) -> AsyncIterator[None]:
        self._meant_to_be_down.add(name)
        try:
            yield
        finally:
            self._meant_to_be_down.discard(name)

    async def _until(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, self._began + seconds - time.monotonic()))
