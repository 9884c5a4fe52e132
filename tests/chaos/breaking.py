"""Does what a plan says to the processes of a suite, and makes everything whole again.

A new kind of fault is a member of `FaultKind`, its durations in `plan.DURATIONS`, and one function
here that breaks the target, waits, and returns when it is whole again.
"""

import asyncio
import subprocess
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import TypeVar

import httpx
from aiokafka.errors import KafkaError
from pymongo.errors import PyMongoError

from infra.native import NativeStack, NativeStackError
from infra.native.server import Server
from infra.suite import ServiceProcess
from infra.suite.readings import eventually
from servicekit.errors import DependencyAway
from tests.chaos.plan import SERVICES, Fault, FaultKind, Plan, ProviderFault
from tests.chaos.together import together
from tests.world import World

START_ATTEMPTS = 3
REPUBLISH_SECONDS_MAX = 30.0
SLOW_MILLISECONDS = 300
# As long as the load waits for it (`load.py`).
RECOVER_SECONDS = 420.0
REFUSES, NOT_BEHIND = "refuses to run on its backup", "is not behind its topics"
DATABASE_ATTEMPTS = 20
# What Python answers for an error that nobody caught: no command of ours ends so.
CRASHED = 1
Say = Callable[[str], None]
T = TypeVar("T")


def _end(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last words of a command, and all of them where it is none of its own ends."""
    said = (done.stdout + done.stderr).splitlines()
    return "\n".join(said) if done.returncode == CRASHED else " / ".join(said[-3:])


async def _nothing() -> None:
    pass


async def _done(call: Callable[..., T], *arguments: object) -> T:
    """Make a blocking call in a thread; who is cancelled meanwhile still waits for its end.

    A server that is being started in a thread that nobody waits for cannot be healed.
    """
    running = asyncio.ensure_future(asyncio.to_thread(call, *arguments))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise


class Breaker:
    """Breaks one suite on one stack; knows at every moment what is meant to run."""

    def __init__(
        self,
        world: World,
        stack: NativeStack,
        say: Say,
        services: Collection[str] = SERVICES,
        on_restored: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.done = 0
        self.restored = 0
        self.restoring = False
        self._world = world
        self._say = say
        self._began = time.monotonic()
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._meant_to_be_down: set[str] = set()
        self._stack = stack
        self._on_restored = on_restored or _nothing
        self._servers: dict[str, Server] = {
            **{server.folder.name: server for server in (*stack.brokers, *stack.mongods)},
            "sandbox": world.suite.sandbox,
            **{name: world.suite.services[name] for name in services},
        }
        self._seconds: dict[str, ServiceProcess] = {}
        self._owners: list[ServiceProcess] = []
        self._ways: dict[FaultKind, Callable[[Fault], Awaitable[None]]] = {
            FaultKind.KILLED: self._kill,
            FaultKind.STOPPED: self._pause,
            FaultKind.RESTARTED: self._restart,
            FaultKind.DOUBLED: self._double,
            FaultKind.DOUBLED_AND_KILLED: self._double,
            FaultKind.RESTORED: self._restore,
            FaultKind.REPUBLISHED: self._republish,
            FaultKind.CUT: self._worsen,
            FaultKind.SLOWED: self._worsen,
            FaultKind.RESET: self._worsen,
            FaultKind.STEPPED_DOWN: self._step_down,
            FaultKind.ISOLATED: self._isolate,
            FaultKind.BELOW_MINIMUM: self._kill_most_brokers,
        }

    async def run(self, plan: Plan) -> None:
        """Break what the plan says when it says so; return when all of it is whole and over."""
        self._began = time.monotonic()
        faults = [self._one(fault) for fault in plan.faults]
        provider = [self._misbehave(fault) for fault in plan.provider_faults]
        await together(*faults, *provider, self._until(plan.seconds))

    async def heal(self) -> None:
        """Make everything whole, whatever was cut short; the provider behaves again."""
        for second in self._seconds.values():
            await _done(second.stop)
        await _done(self._stack.heal)
        for server in self._servers.values():
            await _done(server.resume)
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
        # On a slow machine a target may come back later than the plan allows for.
        async with self._turns[fault.target]:
            self._say(f"{fault.target} {fault.kind} for {fault.seconds:.1f} s")
            await self._ways[fault.kind](fault)
        self.done += 1

    async def _kill(self, fault: Fault) -> None:
        server = self._servers[fault.target]
        async with self._down(fault.target):
            await _done(server.kill)
            await asyncio.sleep(fault.seconds)
            await self._start(fault.target, server)

    async def _pause(self, fault: Fault) -> None:
        server = self._servers[fault.target]
        await _done(server.pause)
        await asyncio.sleep(fault.seconds)
        await _done(server.resume)

    async def _restart(self, fault: Fault) -> None:
        server = self._servers[fault.target]
        async with self._down(fault.target):
            await _done(server.stop)
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
            await _done(second.kill if killed else second.stop)
            del self._seconds[name]

    async def _restore(self, fault: Fault) -> None:
        """A backup is taken, time passes, the backup comes back: refused, recovered, gone on."""
        name, server = fault.target, self._servers[fault.target]
        async with self._down(name):
            await _done(server.stop)
            backup = await self._until_done(self._world.back_up, name)
            await self._start(name, server)
        await asyncio.sleep(fault.seconds)
        async with self._down(name):
            await _done(server.kill)
            self.restoring = True
            await self._until_done(self._world.restore, name, backup)
            self.restoring = False
            self.restored += 1
            waiting = self._world.suite.instance(name, 1, wait=False)
            # Who started a process must stay: it ends with its owner.
            self._owners.append(waiting)
            await self._start(name, waiting)
            await self._refuse_and_recover(name, waiting)
        await self._on_restored()

    async def _refuse_and_recover(self, name: str, waiting: ServiceProcess) -> None:
        http = self._world.look.http

        async def ready() -> int:
            return (await http.get(f"{waiting.health_url}/readyz")).status_code

        async def refused() -> bool:
            # `/readyz` fails too for as long as nothing is compared yet.
            said = (await http.get(f"{waiting.health_url}/metrics")).text
            return "sosst_recover_required 1.0" in said

        async def recovered() -> bool:
            done = await _done(self._world.recover, name)
            if done.returncode:
                self._say(f"recover ended with {done.returncode}: {_end(done)}")
            return done.returncode == 0

        async def goes_on() -> bool:
            return await ready() == httpx.codes.OK

        async def refused_or_ready() -> str | None:
            if await refused():
                return REFUSES
            return NOT_BEHIND if await ready() == httpx.codes.OK else None

        what = await eventually(f"{name} refuses or runs", refused_or_ready, RECOVER_SECONDS)
        self._say(f"{name} {what}")
        if what == NOT_BEHIND:
            # The provider may be ahead where the topics are not; nobody recovers under a reader.
            await _done(waiting.stop)
        await eventually(f"{name} is recovered", recovered, RECOVER_SECONDS)
        if waiting.process is None:
            await self._start(name, waiting)
        await eventually(f"{name} goes on", goes_on, RECOVER_SECONDS)
        self._say(f"{name} is recovered and goes on")

    async def _until_done(self, call: Callable[..., T], *arguments: object) -> T:
        """Repeat a blocking call on a database that may be away."""
        for _ in range(DATABASE_ATTEMPTS - 1):
            try:
                return await _done(call, *arguments)
            except PyMongoError:
                await asyncio.sleep(1)
        return await _done(call, *arguments)

    async def _republish(self, fault: Fault) -> None:
        draw = Random(f"{fault.at_seconds} {fault.target}")
        try:
            async with asyncio.timeout(REPUBLISH_SECONDS_MAX):
                await self._world.republish(fault.target, draw)
        except (DependencyAway, KafkaError, OSError, TimeoutError):
            self._say(f"{fault.target} could not be republished")

    async def _worsen(self, fault: Fault) -> None:
        """The network in front of one server: nothing passes, slowly, or with a reset."""
        proxy = self._stack.proxies[fault.target]
        match fault.kind:
            case FaultKind.CUT:
                await _done(proxy.cut)
            case FaultKind.SLOWED:
                await _done(proxy.slow, SLOW_MILLISECONDS)
            case _:
                await _done(proxy.reset)
        await asyncio.sleep(fault.seconds)
        await _done(proxy.heal)

    async def _step_down(self, fault: Fault) -> None:
        try:
            await _done(self._stack.replica_set.step_down, max(2, int(fault.seconds)))
        except (PyMongoError, NativeStackError) as error:
            self._say(f"no primary stepped down: {str(error).splitlines()[0]}")
        await asyncio.sleep(fault.seconds)

    async def _isolate(self, fault: Fault) -> None:
        """Nobody reaches the primary: what it takes until it notices is rolled back."""
        try:
            primary = await _done(self._stack.replica_set.primary)
        except NativeStackError as error:
            return self._say(f"nobody isolated: {str(error).splitlines()[0]}")
        proxy = self._stack.proxies[primary.folder.name]
        await _done(proxy.refuse)
        await asyncio.sleep(fault.seconds)
        await _done(proxy.heal)
        return None

    async def _kill_most_brokers(self, fault: Fault) -> None:
        """Fewer in sync than must acknowledge: nothing can be published until one is back."""
        most = [broker.folder.name for broker in self._stack.brokers[1:]]
        async with AsyncExitStack() as down:
            for name in most:
                # One that another fault has in hand is started by that one, and by nobody else.
                await down.enter_async_context(self._turns[name])
                await down.enter_async_context(self._down(name))
                await _done(self._servers[name].kill)
            await asyncio.sleep(fault.seconds)
            await together(*(self._start(name, self._servers[name]) for name in most))

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
                await _done(server.start)
                return
            except NativeStackError as error:
                self._say(f"{name} did not start: {str(error).splitlines()[0]}")
        await _done(server.start)

    @asynccontextmanager
    async def _down(self, name: str) -> AsyncIterator[None]:
        self._meant_to_be_down.add(name)
        try:
            yield
        finally:
            self._meant_to_be_down.discard(name)

    async def _until(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, self._began + seconds - time.monotonic()))
