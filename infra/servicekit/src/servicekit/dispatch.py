"""One sender for an account outside: under a lease, at the account's pace, each group in its turn.

Processes that share an account share its pace, and two buckets would be twice as fast: so one of
them dispatches, and another one takes over when its lease ends. The lease is about the pace only.
That nothing is sent twice is the work to the leases of the claimed items, as everywhere.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from servicekit import metrics
from servicekit.clock import Clock
from servicekit.errors import Conflict, DependencyAway
from servicekit.loops import Pulse, pause
from servicekit.pace import Pace
from servicekit.work import Claim, GivesWay, WorkBacklog, WorkItem, WorkQueue

log = structlog.get_logger()

KIND = "dispatch"
# After a crash nothing is sent for so long; it holds no money, so it is far below any work's.
LEASE_SECONDS = 5.0
# What one group gets before the next one has its turn.
SLICE = 4
# A lane that leaves tokens to others waits until so many seconds' tokens are there: what is begun
# together is read and saved together, and one by one each costs as much as a handful (decision
# 0039). Half of what gathers at most, so that none is lost meanwhile.
HANDFUL_SECONDS = 0.125

Offer = Callable[[WorkItem], Awaitable[None]]


class Dispatcher:
    """Whether this process is the one that dispatches for the account, and its lanes."""

    def __init__(
        self,
        account: str,
        queue: WorkQueue,
        offer: Offer,
        pace: Pace,
        clock: Clock,
        *,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self.pace = pace
        self._held = metrics.DISPATCHES.labels(account)
        self._kind = f"{KIND} {account}"
        self._queue = queue
        self._offer = offer
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._claim: Claim | None = None
        self._wakes: list[Callable[[], None]] = []

    @property
    def dispatches(self) -> bool:
        return self._claim is not None and self._clock.now() < self._claim.lease_until

    async def run(self, pulse: Pulse, stopping: asyncio.Event) -> None:
        """Take the lease when it is free and keep it; let go of it at the end."""
        while not stopping.is_set():
            pulse.beat()
            try:
                await self.hold()
            except (DependencyAway, Conflict) as error:
                log.warning("the lease of the dispatcher is not kept", error=repr(error))
            self._held.set(self.dispatches)
            await pause(stopping, self._lease_seconds / 4)
        if self._claim is not None:
            try:
                await self._queue.postpone(self._claim, self._clock.now())
            except DependencyAway:
                pass  # The lease runs out by itself.
            self._claim = None
        self._held.set(0)

    async def hold(self) -> None:
        """Lengthen the lease, or take it if nobody has it."""
        now = self._clock.now()
        until = now + timedelta(seconds=self._lease_seconds)
        if self._claim is not None:
            if await self._queue.extend([self._claim], until):
                self._claim = replace(self._claim, lease_until=until)
                return
            log.warning("somebody else dispatches", kind=self._kind)
            self._claim = None
        await self._offer(WorkItem(self._kind, self._kind, now))
        taken = await self._queue.claim(self._kind, now, 1, self._lease_seconds)
        if taken:
            (self._claim,) = taken
            for wake in self._wakes:
                wake()

    def lane(self, *, spare: float = 0.0, urgent_before: int | None = None) -> "Lane":
        """Return a queue whose items are claimed by the dispatcher only, at its pace.

        `spare` is the part of the tokens that it leaves to other lanes; such a lane begins a
        handful at a time. Where `urgent_before` is given, items of priorities before it come first,
        and the others by turns of their groups.
        """
        handful = int(self.pace.per_second * HANDFUL_SECONDS) if spare else 1
        left = spare * self.pace.gathered_most
        return Lane(self, self._queue, left, max(1, handful), urgent_before)

    def when_it_dispatches(self, wake: Callable[[], None]) -> None:
        """Call this when this process begins to dispatch."""
        self._wakes.append(wake)


class Lane:
    """A `WorkQueue` that gives only what may begin now."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        queue: WorkQueue,
        spare: float,
        handful: int,
        urgent_before: int | None,
    ) -> None:
        self._dispatcher = dispatcher
        self._pace = dispatcher.pace
        self._queue = queue
        self._spare = spare
        self._handful = handful
        self._urgent_before = urgent_before
        self._had_its_turn = ""
        self._wake: Callable[[], None] = _nobody
        self._alarm: asyncio.TimerHandle | None = None

    def wakes(self, wake: Callable[[], None]) -> None:
        """Call this as soon as there is room again for what was not given."""
        self._wake = wake
        self._dispatcher.when_it_dispatches(wake)

    def performing(
        self, perform: Callable[[Claim], Awaitable[None]]
    ) -> Callable[[Claim], Awaitable[None]]:
        """Return what performs a claim of this lane with the token that was kept for it."""

        async def paced(claim: Claim) -> None:
            with self._pace.promised():
                await perform(claim)

        return paced

    async def claim(
        self,
        kind: str,
        now: datetime,
        limit: int,
        lease_seconds: float,
        *,
        group: str | None = None,
        before: int | None = None,
        gives_way: GivesWay | None = None,
    ) -> list[Claim]:
        if not self._dispatcher.dispatches:
            return []
        wanted = min(limit, self._handful)
        room = min(limit, self._pace.room(self._spare))
        if room < wanted or room == 0:
            self._wake_later(max(1, wanted))
            return []
        # Kept before the first wait: another lane looks at the same tokens.
        self._pace.promise(room)
        try:
            claims = await self._next(kind, now, room, lease_seconds, gives_way)
        except BaseException:
            self._pace.promise(-room)
            raise
        self._pace.promise(len(claims) - room)
        return claims

    async def next_group(self, kind: str, now: datetime, after: str) -> str | None:
        return await self._queue.next_group(kind, now, after)

    async def extend(self, claims: Sequence[Claim], until: datetime) -> int:
        return await self._queue.extend(claims, until)

    async def postpone(self, claim: Claim, due: datetime) -> bool:
        return await self._queue.postpone(claim, due)

    async def backlog(self, kind: str) -> WorkBacklog:
        return await self._queue.backlog(kind)

    async def _next(
        self,
        kind: str,
        now: datetime,
        room: int,
        lease_seconds: float,
        gives_way: GivesWay | None,
    ) -> list[Claim]:
        take, before = partial(self._queue.claim, gives_way=gives_way), self._urgent_before
        claims = await take(kind, now, room, lease_seconds, before=before)
        if before is None:
            return claims
        while len(claims) < room:
            last, group = self._had_its_turn, await self._next_turn(kind, now)
            if group is None:
                break
            share = room - len(claims)
            if group != last:
                # Behind the one that had its turn stands another one; alone it would be the same.
                share = min(SLICE, share)
            taken = await take(kind, now, share, lease_seconds, group=group)
            if not taken:
                break
            claims += taken
        if len(claims) < room:
            # What a release before this one left has no group.
            rest = room - len(claims)
            claims += await take(kind, now, rest, lease_seconds)
        return claims

    async def _next_turn(self, kind: str, now: datetime) -> str | None:
        group = await self._queue.next_group(kind, now, self._had_its_turn)
        if group is None and self._had_its_turn:
            group = await self._queue.next_group(kind, now, "")
        self._had_its_turn = group or ""
        return group

    def _wake_later(self, room: int) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        wait = self._pace.wait_seconds(self._spare + room - 1)
        self._alarm = asyncio.get_running_loop().call_later(wait, self._wake)


def _nobody() -> None:
    """Nobody is waiting yet."""
