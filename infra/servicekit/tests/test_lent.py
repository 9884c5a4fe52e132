"""Databases that tests have one after the other: what one test does, the next one cannot see."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from pymongo import MongoClient

from infra.servicekit.tests.lent import LentDatabases
from servicekit.errors import DuplicateKey, Unsaveable
from servicekit.mongo import Database, sorted_errors
from servicekit.schema import CollectionSchema, Index, Schema, check_version

TALL = {"$jsonSchema": {"properties": {"height": {"minimum": 1}}}}
SCHEMA = Schema(2, (CollectionSchema("lamps", (Index([("height", 1)], unique=True),), TALL),))
HELD_MILLISECONDS = 400


@pytest.fixture
def databases(mongodb_uri: str) -> Iterator[LentDatabases]:
    """None of them is one that another test had."""
    with LentDatabases(mongodb_uri) as databases:
        yield databases


async def assert_whole_and_empty(database: Database) -> None:
    """Its indexes and validators bite, its version is there, and no collection has a document."""
    for name in await database.list_collection_names():
        count = await database.collection(name).count_documents({})
        assert count == (1 if name == "schema" else 0), name
    await check_version(database, SCHEMA)
    lamps = database.collection("lamps")
    await lamps.insert_one({"height": 7})
    for height, refusal in ((7, DuplicateKey), (0, Unsaveable)):
        with pytest.raises(refusal), sorted_errors():
            await lamps.insert_one({"height": height})


async def test_what_a_test_left_is_gone_for_the_next(databases: LentDatabases) -> None:
    """It has the same database, without a document in any collection, the plumbing's too."""
    async with databases.lent(SCHEMA) as first:
        await assert_whole_and_empty(first)
        for name in ("lamps", "streams", "outbox", "work", "audit"):
            await first.collection(name).insert_many([{"height": n} for n in range(10, 30)])
    async with databases.lent(SCHEMA) as second:
        assert second.name == first.name
        await assert_whole_and_empty(second)


async def test_nobody_has_anothers_database(databases: LentDatabases) -> None:
    """Two at the same time are two, and each schema has its own."""
    async with databases.lent(SCHEMA) as first, databases.lent(SCHEMA) as second:
        assert first.name != second.name
    async with databases.lent(Schema(1, ())) as other:
        assert other.name not in (first.name, second.name)
        assert "lamps" not in await other.list_collection_names()


async def drop_an_index(database: Database) -> None:
    await database.collection("lamps").drop_index("height_1")


async def allow_everything(database: Database) -> None:
    await database.command("collMod", "lamps", validator={})


async def misspell(database: Database) -> None:
    await database.collection("lambs").insert_one({})


async def raise_the_version(database: Database) -> None:
    await database.collection("schema").update_one({"_id": "schema"}, {"$inc": {"version": 1}})


@pytest.mark.parametrize(
    "spoil",
    [drop_an_index, allow_everything, misspell, raise_the_version, Database.drop],
    ids=lambda spoil: spoil.__name__,
)
async def test_a_spoilt_database_is_not_lent_again(
    databases: LentDatabases, spoil: Callable[[Database], Awaitable[None]]
) -> None:
    """Whoever changes more than documents has it for the last time; the next one has another."""
    async with databases.lent(SCHEMA) as first:
        await spoil(first)
    async with databases.lent(SCHEMA) as second:
        assert second.name != first.name
        await assert_whole_and_empty(second)


async def test_beside_an_open_transaction_another_database_is_lent(
    databases: LentDatabases, mongodb_uri: str
) -> None:
    """A test may leave one as a killed process does: the server ends it after ten seconds only."""
    async with databases.lent(SCHEMA) as first:
        lamps = first.collection("lamps")
        await lamps.insert_one({"_id": 1, "height": 1})
        session = await lamps.database.client.start_session()
        session.start_transaction()
        await lamps.update_one({"_id": 1}, {"$inc": {"height": 1}}, session=session)
    async with databases.lent(SCHEMA) as second:
        assert second.name != first.name
        await assert_whole_and_empty(second)
    with MongoClient(mongodb_uri) as client:
        client.admin.command("killSessions", [session.session_id])


@contextmanager
def held_inserts(uri: str, application: str) -> Iterator[Callable[[], None]]:
    """Hold an application's inserts; what is yielded returns once one is held."""
    held = {
        "failCommands": ["insert"],
        "appName": application,
        "blockConnection": True,
        "blockTimeMS": HELD_MILLISECONDS,
    }
    with MongoClient(uri) as client:
        set_to = partial(client.admin.command, "configureFailPoint", "failCommand")
        before = set_to(mode="alwaysOn", data=held)["count"]
        try:
            yield lambda: client.admin.command(
                "waitForFailPoint", "failCommand", timesEntered=before + 1, maxTimeMS=30_000
            )
        finally:
            set_to(mode="off")


async def test_a_write_that_nobody_waits_for_any_more_is_gone_too(
    databases: LentDatabases, mongodb_uri: str
) -> None:
    """A test ended, and the thread of a call that it cancelled has not heard from the server."""
    async with databases.lent(SCHEMA) as first:
        with held_inserts(mongodb_uri, first.name) as until_one_is_held:
            call = asyncio.ensure_future(first.collection("lamps").insert_one({"height": 1}))
            await asyncio.to_thread(until_one_is_held)
            call.cancel()
    async with databases.lent(SCHEMA) as second:
        assert second.name == first.name
        await assert_whole_and_empty(second)
