"""Migrations: repeatable, shown before they are done, and looked for at the start."""

import pytest

from servicekit import mongo
from servicekit.errors import DuplicateKey, Unsaveable
from servicekit.mongo import Database, sorted_errors
from servicekit.schema import (
    CollectionSchema,
    Index,
    Schema,
    SchemaOutdated,
    _apply,
    check_version,
    migrate,
)

SCHEMA = Schema(2, (CollectionSchema("lamps", (Index([("height", 1)], unique=True),)),))


async def test_migrating_is_repeatable_and_a_dry_run_changes_nothing(
    new_database: Database,
) -> None:
    """Only `migrate` makes collections, and a release refuses a database that lacks them."""
    assert "create collection lamps" in await migrate(new_database, SCHEMA, dry_run=True)
    assert "lamps" not in await new_database.list_collection_names()
    with pytest.raises(SchemaOutdated):
        await check_version(new_database, SCHEMA)
    await migrate(new_database, SCHEMA)
    await migrate(new_database, SCHEMA)
    await check_version(new_database, SCHEMA)


LIT = {"$jsonSchema": {"required": ["height"], "properties": {"height": {"minimum": 1}}}}
TALLER = Schema(
    3,
    (
        CollectionSchema(
            "lamps",
            (
                Index([("height", 1)], unique=True),
                Index([("owner", 1)], unique=True, partial={"lit": True}),
            ),
            validator=LIT,
        ),
    ),
)


async def test_a_second_migration_of_the_same_changes_nothing(new_database: Database) -> None:
    """Not a collection, not an index more, and an older release does not lower the version."""
    await migrate(new_database, TALLER)
    before = await new_database.collection("lamps").index_information()
    assert "create collection lamps" not in await migrate(new_database, TALLER)
    await migrate(new_database, SCHEMA)
    assert await new_database.collection("lamps").index_information() == before
    await check_version(new_database, TALLER)
    await check_version(new_database, SCHEMA)


async def test_an_index_takes_longer_than_any_other_answer_may(
    new_database: Database, mongodb_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that waits so briefly for answers still waits for the index of many documents."""
    rows = [{"height": number, "owner": f"owner-{number}"} for number in range(60_000)]
    await new_database.collection("lamps").insert_many(rows)
    monkeypatch.setattr(mongo, "SOCKET_MILLISECONDS", 30)
    impatient = Database.connect(mongodb_uri, new_database.name, "servicekit-tests")
    try:
        wanted = CollectionSchema("lamps", (Index([("owner", 1), ("height", -1)]),))
        await _apply(impatient, wanted, dry_run=False)
    finally:
        impatient.close()
    assert "owner_1_height_-1" in await new_database.collection("lamps").index_information()


async def test_indexes_and_validators_bite(new_database: Database) -> None:
    """What a migration promises, the database refuses to break."""
    await migrate(new_database, TALLER)
    lamps = new_database.collection("lamps")
    await lamps.insert_one({"height": 1, "owner": "a"})
    await lamps.insert_one({"height": 2, "owner": "a", "lit": True})
    for document, expected in (
        ({"height": 0}, Unsaveable),
        ({"depth": 3}, Unsaveable),
        ({"height": 2}, DuplicateKey),
        ({"height": 3, "owner": "a", "lit": True}, DuplicateKey),
    ):
        with pytest.raises(expected), sorted_errors():
            await lamps.insert_one(document)


async def test_an_older_database_is_refused_with_the_way_out(new_database: Database) -> None:
    """The message names both versions and what to run."""
    await migrate(new_database, SCHEMA)
    with pytest.raises(SchemaOutdated, match="schema 2, needed 3: run migrate"):
        await check_version(new_database, TALLER)
