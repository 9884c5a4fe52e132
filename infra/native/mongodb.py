"""A mongod as a replica set of one node: transactions and change streams need a set."""

import time
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from infra.native import fetch, prerequisites
from infra.native.errors import NativeStackError
from infra.native.ports import kept_ports
from infra.native.processes import Process
from infra.native.server import Server

START_TIMEOUT_SECONDS = 60.0
ALREADY_INITIALIZED = 23

# Small cache and log, nothing that reads the clock in the background; test commands give
# `failCommand`; a killed client's open transaction blocks its documents for 10 s, not 60.
OPTIONS = [
    *("--bind_ip", "127.0.0.1", "--nounixsocket", "--replSet", "rs0"),
    *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"),
    *("--networkMessageCompressors", "disabled"),
    *("--wiredTigerEngineConfigString", "log=(file_max=16MB,prealloc=false)"),
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    *("--setParameter", "ttlMonitorSleepSecs=5"),
    *("--setParameter", "transactionLifetimeLimitSeconds=10"),
    *("--setParameter", "enableTestCommands=1"),
]


class MongoDBServer(Server):
    """mongod on a free loopback port that stays with the data."""

    name = "mongod"

    @property
    def uri(self) -> str:
        """The address for clients; raises NativeStackError before the first start."""
        if not self._ports_file.exists():
            raise NativeStackError(f"no {self.name} was ever started in {self._folder}")
        return f"mongodb://127.0.0.1:{self._port()}/?replicaSet=rs0"

    def _prepare(self) -> None:
        prerequisites.check_processor()
        prerequisites.ensure(maven=False)
        (self._folder / "data").mkdir(exist_ok=True)
        self._port()

    def _command(self) -> list[str]:
        place = ["--dbpath", str(self._folder / "data"), "--port", str(self._port())]
        return [str(fetch.mongod()), *place, "--logpath", str(self.log), "--logappend", *OPTIONS]

    def _wait_until_ready(self, process: Process) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        self._initiate(process, deadline)
        # A new client: the first one has seen a server without a set.
        while not self._is_writable_primary():
            self._check(process, deadline)
            time.sleep(0.02)

    def _initiate(self, process: Process, deadline: float) -> None:
        while True:
            try:
                self._ask("replSetInitiate", self._one_member())
                return
            except OperationFailure as failure:
                if failure.code == ALREADY_INITIALIZED:
                    return
                raise
            except PyMongoError:
                self._check(process, deadline)

    def _one_member(self) -> dict[str, Any]:
        return {"_id": "rs0", "members": [{"_id": 0, "host": f"127.0.0.1:{self._port()}"}]}

    def _is_writable_primary(self) -> bool:
        try:
            return bool(self._ask("hello", 1).get("isWritablePrimary"))
        except PyMongoError:
            return False

    def _ask(self, command: str, value: object) -> dict[str, Any]:
        client: MongoClient[dict[str, Any]]
        with MongoClient(
            "127.0.0.1", self._port(), directConnection=True, serverSelectionTimeoutMS=200
        ) as client:
            return client.admin.command(command, value)

    def _check(self, process: Process, deadline: float) -> None:
        if not process.is_running():
            raise self._did_not_start("ended while starting")
        if time.monotonic() > deadline:
            raise self._did_not_start(f"was not ready within {START_TIMEOUT_SECONDS:.0f} seconds")

    def _port(self) -> int:
        return kept_ports(self._ports_file, count=1)[0]

    @property
    def _ports_file(self) -> Path:
        return self._folder / "ports.json"
