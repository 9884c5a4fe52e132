"""mongods as a replica set, of one node too: transactions and change streams need a set."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

from infra.native import fetch, prerequisites
from infra.native.errors import NativeStackError
from infra.native.ports import kept_ports
from infra.native.processes import Process
from infra.native.security import ADMIN, NativeSecurity
from infra.native.server import Server

START_TIMEOUT_SECONDS = 120.0
UNAUTHORIZED = 13
ALREADY_INITIALIZED = 23
# The other members are not all there yet.
NODE_NOT_FOUND = 74
SET_NAME = "rs0"
# How long a look in a loop waits for a server, and how long a command that is given once.
LOOK_MS, PATIENCE_MS = 200, 5_000
# A dead primary has a successor after 2 seconds, not 10.
SET_SETTINGS = {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500}

# Small cache and log, nothing that reads the clock in the background; test commands give
# `failCommand`; a killed client's open transaction blocks its documents for 10 s, not 60.
OPTIONS = [
    *("--bind_ip", "127.0.0.1", "--nounixsocket", "--replSet", SET_NAME),
    *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"),
    *("--networkMessageCompressors", "disabled"),
    *("--wiredTigerEngineConfigString", "log=(file_max=16MB,prealloc=false)"),
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    *("--setParameter", "ttlMonitorSleepSecs=5"),
    # What was deleted is kept for readers of the past, 5 minutes by default; where tests empty
    # the same collections again and again, every look would walk over all of it.
    *("--setParameter", "minSnapshotHistoryWindowInSeconds=5"),
    *("--setParameter", "transactionLifetimeLimitSeconds=10"),
    *("--setParameter", "enableTestCommands=1"),
    # A primary told to stop would wait 15 s for its clients to look elsewhere.
    *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
]


class MongoDBServer(Server):
    """One mongod on a free loopback port that stays with its data.

    `folders` are those of all members of the set, in the order of their numbers from 1; `told`
    gives the address of the member with a number, for clients and for the other members.
    """

    def __init__(
        self,
        folders: list[Path],
        number: int,
        detached: bool,
        told: Callable[[int], str] | None = None,
        security: NativeSecurity | None = None,
    ) -> None:
        super().__init__(folders[number - 1], detached)
        self.name = "mongod" if len(folders) == 1 else f"mongod {number}"
        self.number = number
        self._folders = folders
        self._told = told or self._own_address
        self._security = security

    @property
    def uri(self) -> str:
        """The set's address for clients; raises NativeStackError before the first start."""
        if not _ports_file(self._folder).exists():
            raise NativeStackError(f"no {self.name} was ever started in {self._folder}")
        return f"mongodb://{','.join(self._members())}/?replicaSet={SET_NAME}"

    @property
    def told(self) -> str:
        """`host:port` under which the set knows this member."""
        return self._told(self.number)

    @property
    def address(self) -> str:
        """`host:port` of the mongod itself, with no proxy in between."""
        return self._own_address(self.number)

    @property
    def direct_uri(self) -> str:
        """This very member, past any proxy, as the administrator if there is one."""
        uri = f"mongodb://{self.address}/?directConnection=true"
        return self._security.administered(uri) if self._security else uri

    def choose_ports(self) -> None:
        """Choose the ports of every member: each must know the others' before it starts."""
        for folder in self._folders:
            kept_ports(_ports_file(folder), count=1)

    def ask(self, command: str, value: object = 1, **options: Any) -> dict[str, Any]:
        """The answer of this very member to an admin command; raises PyMongoError."""
        client: MongoClient[dict[str, Any]]
        with MongoClient(self.direct_uri, serverSelectionTimeoutMS=PATIENCE_MS) as client:
            return client.admin.command(command, value, **options)

    def is_primary(self) -> bool:
        """Whether this member takes writes now, as far as it knows itself."""
        try:
            return bool(self._ask(LOOK_MS, "hello").get("isWritablePrimary"))
        except PyMongoError:
            return False

    def _prepare(self) -> None:
        prerequisites.check_processor()
        prerequisites.ensure(maven=False)
        (self._folder / "data").mkdir(exist_ok=True)
        self.choose_ports()

    def _command(self) -> list[str]:
        port = self.address.rpartition(":")[2]
        place = ["--dbpath", str(self._folder / "data"), "--port", port]
        own = ["--keyFile", str(self._security.key_file)] if self._security else []
        return [
            *(str(fetch.mongod()), *place, *own),
            *("--logpath", str(self.log), "--logappend", *OPTIONS),
        ]

    def _wait_until_ready(self, process: Process) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        if self.number == 1:
            self._initiate(process, deadline)
            if self._security is not None:
                self._make_administrator(process, deadline, self._security)
        # A new client: the first one has seen a server without a set.
        while not self._serves():
            self._check(process, deadline)
            time.sleep(0.02)

    def _serves(self) -> bool:
        """A set of one has only its primary; of several, a member that follows serves too."""
        try:
            hello = self._ask(LOOK_MS, "hello")
        except PyMongoError:
            return False
        follows = bool(hello.get("secondary")) and len(self._folders) > 1
        return bool(hello.get("isWritablePrimary")) or follows

    def _initiate(self, process: Process, deadline: float) -> None:
        while True:
            try:
                self._ask(LOOK_MS, "replSetInitiate", self._set_of_all())
                return
            except OperationFailure as failure:
                # Only whoever knows a user is told so, once there is one; it is made after this.
                if failure.code in (ALREADY_INITIALIZED, UNAUTHORIZED):
                    return
                if failure.code != NODE_NOT_FOUND:
                    raise
                self._check(process, deadline)
                time.sleep(0.05)
            except PyMongoError:
                self._check(process, deadline)

    def _make_administrator(
        self, process: Process, deadline: float, security: NativeSecurity
    ) -> None:
        """The first user, whom mongod lets anybody on this machine make, and only the first."""
        password = security.admin_password
        while True:
            try:
                self._ask(LOOK_MS, "createUser", ADMIN, pwd=password, roles=["root"])
                return
            except OperationFailure as failure:
                if failure.code == UNAUTHORIZED:
                    return
                self._check(process, deadline)
                time.sleep(0.05)
            except PyMongoError:
                self._check(process, deadline)

    def _ask(
        self, patience_ms: int, command: str, value: object = 1, **options: Any
    ) -> dict[str, Any]:
        client: MongoClient[dict[str, Any]]
        with MongoClient(
            f"mongodb://{self.address}", directConnection=True, serverSelectionTimeoutMS=patience_ms
        ) as client:
            return client.admin.command(command, value, **options)

    def _set_of_all(self) -> dict[str, Any]:
        members = [{"_id": place, "host": host} for place, host in enumerate(self._members())]
        return {"_id": SET_NAME, "members": members, "settings": SET_SETTINGS}

    def _members(self) -> list[str]:
        return [self._told(number) for number in range(1, len(self._folders) + 1)]

    def _own_address(self, number: int) -> str:
        return f"127.0.0.1:{kept_ports(_ports_file(self._folders[number - 1]), count=1)[0]}"

    def _check(self, process: Process, deadline: float) -> None:
        if not process.is_running():
            raise self._did_not_start("ended while starting")
        if time.monotonic() > deadline:
            raise self._did_not_start(f"was not ready within {START_TIMEOUT_SECONDS:.0f} seconds")


class ReplicaSet:
    """The mongods of a stack as one set."""

    def __init__(self, members: Sequence[MongoDBServer]) -> None:
        self.members = members

    @property
    def uri(self) -> str:
        """The address for clients."""
        return self.members[0].uri

    def primary(self, among: Sequence[MongoDBServer] | None = None) -> MongoDBServer:
        """The member that takes writes, awaited; `among` leaves out those one has silenced.

        Raises:
            NativeStackError: no member became primary in time.
        """
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            for member in self.members if among is None else among:
                if member.is_primary():
                    return member
            time.sleep(0.05)
        raise NativeStackError("no mongod became primary")

    def others(self, member: MongoDBServer) -> list[MongoDBServer]:
        """All members but this one."""
        return [one for one in self.members if one is not member]

    def step_down(self, seconds: int = 10) -> MongoDBServer:
        """Make the primary step down and stay so for a while; return the one that was it.

        In a set of one it is forced, and afterwards the same member is elected again. In others
        somebody must have caught up within less than the `seconds`, which are two at least.
        """
        primary = self.primary()
        alone = len(self.members) == 1
        how = {"force": True} if alone else {"secondaryCatchUpPeriodSecs": seconds - 1}
        try:
            primary.ask("replSetStepDown", seconds, **how)
        except AutoReconnect:
            pass  # Stepping down closes connections, at times also the one that asked for it.
        return primary


def _ports_file(folder: Path) -> Path:
    return folder / "ports.json"
