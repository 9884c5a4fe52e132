"""The unit of work: what one decision loads and saves, all of it or nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from servicekit.audit import Audit, MemoryAudit, MongoAudit
from servicekit.causes import Causes
from servicekit.clock import Clock
from servicekit.loops import beat
from servicekit.memory import MemoryDatabase
from servicekit.mongo import Database, Session
from servicekit.outbox import MemoryOutbox, MongoOutbox, Outbox
from servicekit.set_aside import MemorySetAside, MongoSetAside, SetAside
from servicekit.streams import MemoryStreams, MongoStreams, Streams
from servicekit.work import MemoryWorkOffers, MongoWorkOffers, WorkOffers

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plumbing:
    """The parts of a unit that every service has, bound to one transaction."""

    outbox: Outbox
    streams: Streams
    set_aside: SetAside
    work: WorkOffers
    audit: Audit


@dataclass(frozen=True, slots=True)
class Unit:
    """A service extends this with its own stores (`class FundingUnit(Unit): campaigns: …`)."""

    plumbing: Plumbing


@dataclass(frozen=True, slots=True)
class Left:
    """What a committed transaction left to be done: most only look, and wake nobody."""

    facts: bool = False
    work: bool = False


U = TypeVar("U", bound=Unit)
U_co = TypeVar("U_co", bound=Unit, covariant=True)


class UnitsOfWork(Protocol[U_co]):
    """Runs work over a fresh unit."""

    async def run(self, work: Callable[[U_co], Awaitable[T]]) -> T:
        """Give `work` a unit; save everything it did through it, or nothing if it raises.

        `work` may run more than once before this returns, so it must touch nothing but the unit.
        That it ended, well or not, is a sign of life (`loops.beat`) of whoever waited for it.
        Raises `Conflict`, `DuplicateKey`, `Unsaveable`, `DependencyAway` (`servicekit.errors`).
        """
        ...


class MongoUnitsOfWork(Generic[U]):
    """Units over one MongoDB transaction each."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        bind: Callable[[Session, Plumbing], U],
        on_commit: Callable[[Left], None] = lambda left: None,
        *,
        outbox_pages: bool = True,
    ) -> None:
        self._database = database
        self._clock = clock
        self._bind = bind
        self._on_commit = on_commit
        self._outbox_pages = outbox_pages

    async def run(self, work: Callable[[U], Awaitable[T]]) -> T:
        left = Left()

        async def attempt(session: Session) -> T:
            nonlocal left
            made = Causes()
            outbox = MongoOutbox(
                self._database, session, self._clock, made, pages=self._outbox_pages
            )
            offers = MongoWorkOffers(self._database, session, made)
            result = await work(self._unit(session, outbox, offers))
            left = Left(facts=outbox.added, work=offers.offered)
            return result

        try:
            result = await self._database.transaction(attempt)
        finally:
            beat()
        self._on_commit(left)
        return result

    def _unit(self, session: Session, outbox: Outbox, offers: WorkOffers) -> U:
        plumbing = Plumbing(
            outbox=outbox,
            streams=MongoStreams(self._database, session),
            set_aside=MongoSetAside(self._database, session),
            work=offers,
            audit=MongoAudit(self._database, session),
        )
        return self._bind(session, plumbing)


class MemoryUnitsOfWork(Generic[U]):
    """Units over one transaction of a `MemoryDatabase` each, for handler tests."""

    def __init__(
        self, database: MemoryDatabase, clock: Clock, bind: Callable[[MemoryDatabase, Plumbing], U]
    ) -> None:
        self._database = database
        self._clock = clock
        self._bind = bind

    async def run(self, work: Callable[[U], Awaitable[T]]) -> T:
        try:
            return await self._database.transaction(lambda: work(self._unit()))
        finally:
            beat()

    def _unit(self) -> U:
        made = Causes()
        plumbing = Plumbing(
            outbox=MemoryOutbox(self._database, self._clock, made),
            streams=MemoryStreams(self._database),
            set_aside=MemorySetAside(self._database),
            work=MemoryWorkOffers(self._database, made),
            audit=MemoryAudit(self._database),
        )
        return self._bind(self._database, plumbing)
