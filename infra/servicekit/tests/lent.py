"""Migrated databases that tests have one after the other, emptied in between.

To make all collections and indexes of a service and to delete them again, each a file of its own,
costs several times what a test does with them.
"""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from pymongo import MongoClient
from pymongo.database import Database as SyncDatabase
from pymongo.errors import PyMongoError

from servicekit.mongo import Database, Document
from servicekit.schema import Schema, migrate

# The version that `migrate` wrote; everything else is what a test left behind.
KEPT = "schema"
EMPTYING_MS_MAX = 1_000
LEAVING_SECONDS_MAX = 5.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A migrated database and what it looked like then."""

    name: str
    schema: Schema
    shape: Any


class LentDatabases:
    """Lends databases of one MongoDB, each to one test at a time; drops them at the end.

    What a test left behind is gone before the next one has the database, also what was still on
    its way to the server. A database is not lent again, and another one is made, if it came back in
    another shape (a collection, an index, a validator, another version), if something still talks
    to it, or if it cannot be emptied at once, as beside a transaction that was left open.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._client: MongoClient[Document] = MongoClient(uri)
        self._free: list[Prepared] = []
        self._made: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for name in self._made:
            self._client.drop_database(name)
        self._client.close()

    @asynccontextmanager
    async def lent(self, schema: Schema) -> AsyncIterator[Database]:
        """A database migrated to `schema` that holds nothing, nobody else's until the end."""
        prepared = self._take(schema) or await self._prepare(schema)
        # The name as that of the application tells the server's connections apart.
        database = Database.connect(self._uri, prepared.name, prepared.name)
        try:
            yield database
        finally:
            database.close()
            if self._is_as_before(prepared):
                self._free.append(prepared)

    def _take(self, schema: Schema) -> Prepared | None:
        found = next((one for one in self._free if one.schema == schema), None)
        if found is not None:
            self._free.remove(found)
        return found

    async def _prepare(self, schema: Schema) -> Prepared:
        name = f"t-{secrets.token_hex(6)}"
        self._made.append(name)
        database = Database.connect(self._uri, name, name)
        await migrate(database, schema)
        database.close()
        return Prepared(name, schema, self._shape(name))

    def _is_as_before(self, prepared: Prepared) -> bool:
        if not self._everybody_left(prepared.name):
            return False
        try:
            return self._shape(prepared.name) == prepared.shape and self._emptied(prepared.name)
        except PyMongoError:
            return False

    def _everybody_left(self, name: str) -> bool:
        """Whether no connection is left: a thread of a cancelled call may still be writing."""
        connections: list[Document] = [
            {"$currentOp": {"allUsers": True, "idleConnections": True, "idleSessions": False}},
            # Its own watch over the server hangs up half a second later, and writes nothing.
            {"$match": {"appName": name, "command.hello": {"$exists": False}}},
        ]
        deadline = time.monotonic() + LEAVING_SECONDS_MAX
        while self._client.admin.aggregate(connections).try_next() is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.001)
        return True

    def _shape(self, name: str) -> Any:
        database = self._client[name]
        collections = {one["name"]: one["options"] for one in database.list_collections()}
        figures = database.command("dbStats")
        return collections, figures["indexes"], list(database[KEPT].find())

    def _emptied(self, name: str) -> bool:
        database = self._client[name]
        for collection in self._with_documents(database):
            database.command(
                "delete", collection, deletes=[{"q": {}, "limit": 0}], maxTimeMS=EMPTYING_MS_MAX
            )
        return True

    def _with_documents(self, database: SyncDatabase[Document]) -> list[str]:
        """Ask once for all collections: most of them are empty, and emptying each costs more."""
        looks: list[Document] = [
            {"$unionWith": {"coll": collection, "pipeline": _any_of(collection)}}
            for collection in database.list_collection_names()
            if collection != KEPT
        ]
        found = database[KEPT].aggregate([{"$match": {"_id": None}}, *looks])
        return [one["collection"] for one in found]


def _any_of(collection: str) -> list[Document]:
    return [{"$limit": 1}, {"$project": {"_id": 0, "collection": {"$literal": collection}}}]
