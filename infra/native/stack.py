"""Kafka and MongoDB together, as one thing to start, break and stop."""

import asyncio
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.native.addresses import Addresses
from infra.native.folders import state_folder
from infra.native.kafka import KafkaServer
from infra.native.mongodb import MongoDBServer


class NativeStack:
    """Both servers, with their state below one folder. Methods block until they are done.

    As a context manager (`with`, or `async with` which starts and stops in a thread) it
    stops at the end and dies with this process, kill -9 included. `detached=True` lives
    until `stop()`, from whatever process. It does not look at the environment's
    addresses: a caller who wants them asks `given_addresses()` first.
    """

    def __init__(self, state: Path | None = None, *, detached: bool = False) -> None:
        self._folder = (state or state_folder()).absolute() / "native"
        self.kafka = KafkaServer(self._folder / "kafka", detached)
        self.mongodb = MongoDBServer(self._folder / "mongodb", detached)

    @property
    def addresses(self) -> Addresses:
        """Where the servers are; they keep their addresses over restarts until `wipe()`."""
        return Addresses(self.kafka.bootstrap_servers, self.mongodb.uri)

    def start(self) -> Addresses:
        """Start both, or neither.

        Raises:
            DataDirectoryInUse: one of them already runs; a second would destroy its data.
            NativeStackError: with the reason in its text.
        """
        self.mongodb.start()
        try:
            self.kafka.start()
        except BaseException:
            self.mongodb.stop()
            raise
        return self.addresses

    def stop(self) -> None:
        """Stop what runs; the data stays."""
        self.kafka.stop()
        self.mongodb.stop()

    def wipe(self) -> None:
        """Stop what runs and delete all data."""
        self.stop()
        self.kafka.wipe()
        self.mongodb.wipe()
        shutil.rmtree(self._folder, ignore_errors=True)

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
