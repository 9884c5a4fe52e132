"""The only module that imports motor (decision 0009): connections, transactions, error sorting."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorClientSession,
    AsyncIOMotorCollection,
)
from pymongo import errors as pymongo_errors
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from servicekit import metrics, traces
from servicekit.errors import Conflict, DependencyAway, DuplicateKey, Outlasted, Unsaveable

Session = AsyncIOMotorClientSession
Collection = AsyncIOMotorCollection[dict[str, Any]]
Document = dict[str, Any]
T = TypeVar("T")

# Well below the rebalance time-out of a consumer, so a partition is never lost while saving.
TRANSACTION_DEADLINE_SECONDS = 20.0
CONFLICT_ATTEMPTS = 6
# Who answers within this time is there: a transaction that passed its deadline was too long.
ANSWER_SECONDS = 3.0

# Behind this a connection is broken; only the making of an index may take longer.
SOCKET_MILLISECONDS = 20_000

_AWAY = (
    pymongo_errors.AutoReconnect,
    pymongo_errors.ServerSelectionTimeoutError,
    pymongo_errors.NetworkTimeout,
    pymongo_errors.ExecutionTimeout,
    pymongo_errors.WaitQueueTimeoutError,
    pymongo_errors.ConnectionFailure,
    pymongo_errors.WTimeoutError,
)
_DUPLICATE_KEY = 11000
_VALIDATION_FAILED = 121
# A transaction that the server has ended: beside another one, or, without its label where a command
# was under way, because our process stood still for longer than the server keeps one.
_ENDED_BY_SERVER = {112, 290}
_AWAY_CODES = {6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436}
# A read of one instant that the server cannot serve now, for instance beside a migration: in a
# transaction it is a conflict by its label, outside it is tried again later.
_SNAPSHOT_CODES = {239, 246}
# So the driver says, with no code of its own, of a member that was just started and does not know
# yet of which replica set it is.
_STARTING = "Sessions are not supported"
_OPERATIONS = ("find", "insert", "update", "delete", "findAndModify", "aggregate", "getMore")


class _Timing(CommandListener):
    """Feeds the duration of each command into the metric, under names from a fixed list."""

    def started(self, event: CommandStartedEvent) -> None:
        pass

    def succeeded(self, event: CommandSucceededEvent) -> None:
        self._observe(event.command_name, event.duration_micros)

    def failed(self, event: CommandFailedEvent) -> None:
        self._observe(event.command_name, event.duration_micros)

    def _observe(self, command: str, duration_microseconds: int) -> None:
        operation = command if command in _OPERATIONS else "other"
        metrics.MONGODB_OPERATION_DURATION.labels(operation).observe(duration_microseconds / 1e6)


def sort_error(error: pymongo_errors.PyMongoError) -> Exception:
    """Turn a driver error into what the caller must do about it; unknown ones stay as they are."""
    codes = _codes(error)
    if _DUPLICATE_KEY in codes:
        return DuplicateKey(str(error))
    if _VALIDATION_FAILED in codes:
        return Unsaveable(str(error))
    if isinstance(error, _AWAY) or codes & _AWAY_CODES or _is_starting(error):
        return DependencyAway(f"MongoDB: {error}")
    if error.has_error_label("TransientTransactionError") or codes & _ENDED_BY_SERVER:
        return Conflict(str(error))
    if codes & _SNAPSHOT_CODES:
        return DependencyAway(f"MongoDB: {error}")
    return error


def _is_starting(error: pymongo_errors.PyMongoError) -> bool:
    return isinstance(error, pymongo_errors.ConfigurationError) and _STARTING in str(error)


def _codes(error: pymongo_errors.PyMongoError) -> set[int]:
    codes: set[int] = set()
    if isinstance(error, pymongo_errors.OperationFailure):
        codes.add(error.code or 0)
        details = error.details or {}
        # A bulk write that was done and not confirmed, as by a primary that stepped down, says so
        # in the second list only.
        for entries in ("writeErrors", "writeConcernErrors"):
            codes.update(entry.get("code", 0) for entry in details.get(entries, []))
    return codes


@contextmanager
def sorted_errors() -> Iterator[None]:
    """Sort every driver error raised inside."""
    try:
        yield
    except pymongo_errors.PyMongoError as error:
        known = sort_error(error)
        if known is error:
            raise
        raise known from error


class Database:
    """One service's database, with majority reads, journalled majority writes and transactions."""

    def __init__(self, client: "AsyncIOMotorClient[Document]", name: str, prefix: str = "") -> None:
        self._client = client
        self._prefix = prefix
        self._collections: dict[str, Collection] = {}
        self.name = name
        self._database = client.get_database(
            name,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern("majority", j=True),
            read_preference=ReadPreference.PRIMARY,
        )

    @classmethod
    def connect(cls, uri: str, name: str, application: str) -> "Database":
        """Make a client; nothing is sent until the first call.

        `uri` is a standard MongoDB connection string, `application` shows up in the server's log.
        """
        client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
            uri,
            appname=application,
            tz_aware=True,
            tzinfo=UTC,
            retryWrites=True,
            serverSelectionTimeoutMS=3_000,
            connectTimeoutMS=3_000,
            socketTimeoutMS=SOCKET_MILLISECONDS,
            event_listeners=[_Timing()],
        )
        return cls(client, name)

    def beside(self, prefix: str) -> "Database":
        """Return a place in the same database where every collection's name begins like this.

        The same stores work there on documents of its own, until they take the place of others.
        """
        return Database(self._client, self.name, prefix)

    def collection(self, name: str) -> Collection:
        # Made once: every transaction asks for those of all its stores, and reads from a few.
        found = self._collections.get(name)
        if found is None:
            found = self._collections[name] = self._database[self._prefix + name]
        return found

    async def list_collection_names(self) -> list[str]:
        names = await self._database.list_collection_names()
        return [one.removeprefix(self._prefix) for one in names if one.startswith(self._prefix)]

    async def create_collection(self, name: str) -> None:
        await self._database.create_collection(self._prefix + name)

    async def command(self, name: str, value: Any = 1, **options: Any) -> Document:
        with sorted_errors():
            return dict(await self._database.command(name, value, **options))

    async def ping(self) -> None:
        """Return when the server answers; raise `DependencyAway` when it does not."""
        await self.command("ping")

    async def server_time(self) -> datetime:
        answer = await self.command("hello")
        local_time: datetime = answer["localTime"]
        # Answers of commands come without a zone, whatever the client's options say.
        return local_time.replace(tzinfo=UTC)

    async def drop(self) -> None:
        """Drop the whole database, or all of what is beside it under the prefix."""
        with sorted_errors():
            if not self._prefix:
                await self._client.drop_database(self.name)
                return
            for name in await self.list_collection_names():
                await self.collection(name).drop()

    def close(self) -> None:
        self._client.close()

    async def snapshot_session(self) -> Session:
        """Start a session whose reads all see one instant (for the relay's pages)."""
        return self._session(snapshot=True)

    def _session(self, *, snapshot: bool = False) -> Session:
        """Start a session as motor does, but here: it gives a thread what asks no server."""
        return Session(self._client.delegate.start_session(snapshot=snapshot), self._client)

    async def transaction(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """Run `work` in one transaction: all of its writes become visible, or none.

        `work` may run several times, so it must have no effect outside the session. Raises
        `Conflict` after bounded repeats, `DuplicateKey` and `Unsaveable` at once, and
        `DependencyAway` when the server does not answer; then the outcome is unknown and the
        caller's guards (streams rows, natural keys) must make repeating harmless. `Outlasted` is
        the `DependencyAway` of a transaction that took too long beside a server that answers.
        """
        with traces.inner_span("mongodb transaction"):
            return await self._repeated(work)

    async def _repeated(self, work: Callable[[Session], Awaitable[T]]) -> T:
        deadline = time.monotonic() + TRANSACTION_DEADLINE_SECONDS
        attempt = 0
        while True:
            attempt += 1
            try:
                return await asyncio.wait_for(
                    self._attempt(work), max(0.001, deadline - time.monotonic())
                )
            except Conflict:
                metrics.WRITE_CONFLICTS.inc()
                if attempt >= CONFLICT_ATTEMPTS:
                    raise
                await asyncio.sleep(random.uniform(0, 0.002 * 2**attempt))
            except TimeoutError:
                raise await self._passed_its_deadline() from None

    async def _passed_its_deadline(self) -> DependencyAway:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self.ping()
        except (DependencyAway, TimeoutError):
            return DependencyAway("MongoDB: the transaction passed its deadline")
        return Outlasted("MongoDB answers, and the transaction passed its deadline")

    async def _attempt(self, work: Callable[[Session], Awaitable[T]]) -> T:
        with sorted_errors():
            session = self._session()
            try:
                session.start_transaction(
                    read_concern=ReadConcern("snapshot"),
                    write_concern=WriteConcern("majority", j=True),
                    read_preference=ReadPreference.PRIMARY,
                )
                result = await work(session)
                await self._commit(session)
                return result
            finally:
                await self._end(session)

    async def _end(self, session: Session) -> None:
        if session.delegate.in_transaction:
            # An exception leaves through here: what the session had begun is aborted.
            await session.end_session()
        else:
            session.delegate.end_session()

    async def _commit(self, session: Session) -> None:
        while True:
            try:
                await session.commit_transaction()
                return
            except pymongo_errors.PyMongoError as error:
                # Committing again is safe and is the only way to learn what happened.
                if not error.has_error_label("UnknownTransactionCommitResult"):
                    raise
                await asyncio.sleep(0.05)
