"""Collections, indexes and validators; `migrate` is the only thing that makes them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pymongo

from servicekit.mongo import Database, Document, sorted_errors

# An index of a large collection takes longer than any other answer of MongoDB may.
INDEX_SECONDS = 12 * 3_600


class SchemaOutdated(Exception):
    """The database was not migrated to the version that this release needs."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index: (field, direction) pairs; `name` is derived from them by MongoDB."""

    keys: Sequence[tuple[str, int]]
    unique: bool = False
    partial: Document | None = None

    def options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"unique": self.unique}
        if self.partial is not None:
            options["partialFilterExpression"] = self.partial
        return options


@dataclass(frozen=True, slots=True)
class CollectionSchema:
    """One collection; a `validator` ($jsonSchema or query) refuses buggy writes."""

    name: str
    indexes: Sequence[Index] = field(default_factory=tuple)
    validator: Document | None = None


@dataclass(frozen=True, slots=True)
class Schema:
    """Everything a release needs to find; `version` grows with every change."""

    version: int
    collections: Sequence[CollectionSchema]


PLUMBING_COLLECTIONS: tuple[CollectionSchema, ...] = (
    CollectionSchema("streams"),
    CollectionSchema("sequences"),
    CollectionSchema("outbox", (Index([("position", 1)]),)),
    CollectionSchema("reached"),
    CollectionSchema("recovery"),
    CollectionSchema("switches"),
    CollectionSchema("audit", (Index([("at", 1)]),)),
    CollectionSchema(
        "set_aside",
        (
            Index([("group", 1), ("topic", 1), ("key", 1), ("sequence", 1)]),
            Index([("group", 1), ("topic", 1), ("retryable", 1), ("set_aside_at", 1)]),
            Index([("key", 1)]),
        ),
    ),
    CollectionSchema(
        "work",
        (
            Index([("kind", 1), ("priority", 1), ("due", 1)]),
            # Whose turn it is: only what a dispatcher claims has a group.
            Index([("kind", 1), ("group", 1), ("due", 1)], partial={"group": {"$gt": ""}}),
        ),
    ),
)


async def migrate(database: Database, schema: Schema, *, dry_run: bool = False) -> list[str]:
    """Make what is missing and return what was (or would be) done, a line each; repeatable."""
    done: list[str] = []
    with sorted_errors():
        names = set(await database.list_collection_names())
        for wanted in (*PLUMBING_COLLECTIONS, *schema.collections):
            if wanted.name not in names:
                done.append(f"create collection {wanted.name}")
                if not dry_run:
                    await database.create_collection(wanted.name)
            done += await _apply(database, wanted, dry_run=dry_run)
        if not dry_run:
            await database.collection("schema").update_one(
                {"_id": "schema"}, {"$max": {"version": schema.version}}, upsert=True
            )
    return done


async def _apply(database: Database, wanted: CollectionSchema, *, dry_run: bool) -> list[str]:
    done = []
    if wanted.validator is not None:
        done.append(f"validator {wanted.name}")
        if not dry_run:
            await database.command(
                "collMod",
                database.collection(wanted.name).name,
                validator=wanted.validator,
                validationLevel="strict",
                validationAction="error",
            )
    for index in wanted.indexes:
        done.append(f"index {wanted.name} {list(index.keys)}")
        if not dry_run:
            with pymongo.timeout(INDEX_SECONDS):
                collection = database.collection(wanted.name)
                await collection.create_index(list(index.keys), **index.options())
    return done


async def check_version(database: Database, schema: Schema) -> None:
    """Return when the database has at least this version; raise `SchemaOutdated` otherwise."""
    with sorted_errors():
        found = await database.collection("schema").find_one({"_id": "schema"})
    version = found["version"] if found else 0
    if version < schema.version:
        raise SchemaOutdated(f"schema {version}, needed {schema.version}: run migrate")
