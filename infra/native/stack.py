"""Kafka and MongoDB together, as one thing to start, break and stop."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.native.addresses import Addresses
from infra.native.folders import state_folder
from infra.native.kafka import KafkaServer
from infra.native.mongodb import MongoDBServer, ReplicaSet
from infra.native.proxies import FaultProxy
from infra.native.security import NativeSecurity
from infra.native.server import Server


class NativeStack:
    """All servers, with their state below one folder. Methods block until they are done.

    `brokers` and `mongods` say how many there are of each; three of them keep on when one is lost.
    `proxied=True` puts a fault proxy in front of each (`stack.proxies["kafka-1"].cut()`), also
    between the mongods, since a member has one address for clients and for the other members.
    `secured=True` asks everybody for a user and lets nobody do what no rule allows; `security` has
    the administrators' secrets. A folder is made for one shape and keeps it until `wipe()`.

    As a context manager (`with`, or `async with` which starts and stops in a thread) it
    stops at the end and dies with this process, kill -9 included. `detached=True` lives
    until `stop()`, from whatever process. `measured=True` gives the broker the memory and
    compiler that measurements need, and a slower start. It does not look at the environment's
    addresses: a caller who wants them asks `given_addresses()` first.
    """

    def __init__(
        self,
        state: Path | None = None,
        *,
        detached: bool = False,
        brokers: int = 1,
        mongods: int = 1,
        proxied: bool = False,
        secured: bool = False,
        measured: bool = False,
    ) -> None:
        self._folder = (state or state_folder()).absolute() / "native"
        self.security = NativeSecurity(self._folder / "secrets") if secured else None
        kafka, mongodb = self._folders("kafka", brokers), self._folders("mongodb", mongods)
        self._proxies = self._proxy(kafka + mongodb, detached) if proxied else None
        self.brokers = [
            KafkaServer(
                kafka,
                node,
                detached,
                self._told_by_proxy(kafka, node),
                security=self.security,
                measured=measured,
            )
            for node in range(1, brokers + 1)
        ]
        self.mongods = [
            MongoDBServer(mongodb, number, detached, self._told_by_number(mongodb), self.security)
            for number in range(1, mongods + 1)
        ]
        self.replica_set = ReplicaSet(self.mongods)

    @property
    def kafka(self) -> KafkaServer:
        """The broker, or the first of several."""
        return self.brokers[0]

    @property
    def mongodb(self) -> MongoDBServer:
        """The mongod, or the first of several."""
        return self.mongods[0]

    @property
    def proxies(self) -> FaultProxy:
        """The fault proxies, by the name of the server's folder: "kafka" or "kafka-1" and so on."""
        if self._proxies is None:
            raise ValueError("this stack was made without proxied=True")
        return self._proxies

    @property
    def servers(self) -> list[Server]:
        """Everything that runs, the proxy first: the servers find each other through it."""
        return [*([self._proxies] if self._proxies else []), *self.mongods, *self.brokers]

    @property
    def addresses(self) -> Addresses:
        """Where the servers are; they keep their addresses over restarts until `wipe()`."""
        kafka = ",".join(broker.bootstrap_servers for broker in self.brokers)
        return Addresses(kafka, self.replica_set.uri)

    def start(self) -> Addresses:
        """Start all that do not run, or none.

        Raises:
            DataDirectoryInUse: one of them already runs; a second would destroy its data.
            NativeStackError: with the reason in its text.
        """
        started: list[Server] = []
        try:
            for group in self._start_order():
                started += group
                _at_once([server.start for server in group])
            self.replica_set.primary()
        except BaseException:
            _at_once([server.stop for server in started])
            raise
        return self.addresses

    def start_missing(self) -> Addresses:
        """Start those that do not run; what is whole stays as it is."""
        for group in self._start_order():
            _at_once([server.start for server in group if server.process is None])
        self.replica_set.primary()
        return self.addresses

    def stop(self) -> None:
        """Stop what runs; the data stays."""
        _at_once([server.stop for server in [*self.brokers, *self.mongods]])
        if self._proxies is not None:
            self._proxies.stop()

    def wipe(self) -> None:
        """Stop what runs and delete all data."""
        self.stop()
        for server in self.servers:
            server.wipe()
        shutil.rmtree(self._folder, ignore_errors=True)

    def heal(self) -> None:
        """Let paused servers go on, start dead ones, end the faults of every proxy."""
        for server in self.servers:
            server.resume()
        if self._proxies is not None and self._proxies.process is not None:
            self._proxies.heal()
        self.start_missing()

    def kill_kafka(self) -> None:
        """kill -9 of the broker."""
        self.kafka.kill()

    def start_kafka(self) -> None:
        """Start the broker again on the same port and data."""
        self.kafka.start()

    def kill_mongodb(self) -> None:
        """kill -9 of mongod."""
        self.mongodb.kill()

    def start_mongodb(self) -> None:
        """Start mongod again on the same port and data."""
        self.mongodb.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.stop)

    def _folders(self, name: str, count: int) -> list[Path]:
        names = [name] if count == 1 else [f"{name}-{number}" for number in range(1, count + 1)]
        return [self._folder / one for one in names]

    def _start_order(self) -> list[Sequence[Server]]:
        """Who must run before whom; nodes wait for each other: those of a group start at once."""
        # Ports and secrets first: each is asked for by several of those that start at once.
        if self.security is not None:
            self.security.broker_settings()
            _ = self.security.key_file
        for server in (self.brokers[0], self.mongods[0]):
            server.choose_ports()
        proxies = [self._proxies] if self._proxies else []
        return [proxies, self.mongods, self.brokers]

    def _proxy(self, folders: Sequence[Path], detached: bool) -> FaultProxy:
        names = [folder.name for folder in folders]
        return FaultProxy(self._folder / "proxies", detached, names, self._own_address)

    def _own_address(self, name: str) -> str:
        servers: list[KafkaServer | MongoDBServer] = [*self.brokers, *self.mongods]
        return next(server.address for server in servers if server.folder.name == name)

    def _told_by_proxy(self, folders: Sequence[Path], number: int) -> Callable[[], str] | None:
        told = self._told_by_number(folders)
        return (lambda: told(number)) if told else None

    def _told_by_number(self, folders: Sequence[Path]) -> Callable[[int], str] | None:
        proxies = self._proxies
        return (lambda number: proxies.address(folders[number - 1].name)) if proxies else None


def _at_once(calls: Sequence[Callable[[], None]]) -> None:
    """Make all calls at the same time; raise the first error once all have ended."""
    if not calls:
        return
    with ThreadPoolExecutor(max_workers=len(calls)) as threads:
        futures = [threads.submit(call) for call in calls]
    for future in futures:
        future.result()
