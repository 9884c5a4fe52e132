"""Transactions on real MongoDB: all or nothing, and every error sorted into what to do."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import errors as driver

from infra.servicekit.tests.lent import LentDatabases
from servicekit.errors import Conflict, DependencyAway, DuplicateKey, Outlasted, Unsaveable
from servicekit.mongo import CONFLICT_ATTEMPTS, Database, Session, sort_error
from servicekit.schema import CollectionSchema, Schema

LAMPS = Schema(1, (CollectionSchema("lamps", validator={"height": {"$type": "int"}}),))


async def all_ids(database: Database) -> list[Any]:
    found = await database.collection("lamps").find().sort("_id", 1).to_list(None)
    return [document["_id"] for document in found]


@pytest.fixture
async def lamps(databases: LentDatabases) -> AsyncIterator[Database]:
    async with databases.lent(LAMPS) as database:
        yield database


async def test_a_transaction_is_all_or_nothing(lamps: Database) -> None:
    """What raises after its first write leaves nothing of it."""

    async def work(session: Session) -> None:
        await lamps.collection("lamps").insert_one({"_id": 1, "height": 1}, session=session)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await lamps.transaction(work)
    assert await all_ids(lamps) == []


async def test_a_conflict_is_repeated_a_bounded_number_of_times(lamps: Database) -> None:
    """Two transactions on one document: the later begins again, and at last gives up."""
    rows = lamps.collection("lamps")
    await rows.insert_one({"_id": 1, "height": 1})
    attempts = 0

    async def change(session: Session) -> None:
        nonlocal attempts
        attempts += 1
        await rows.find_one({"_id": 1}, session=session)
        await rows.update_one({"_id": 1}, {"$inc": {"height": 1}})  # Somebody else, each time.
        await rows.update_one({"_id": 1}, {"$inc": {"height": 100}}, session=session)

    with pytest.raises(Conflict):
        await lamps.transaction(change)
    assert attempts == CONFLICT_ATTEMPTS
    found = await rows.find_one({"_id": 1})
    assert found is not None and found["height"] == 1 + CONFLICT_ATTEMPTS


async def test_many_writers_of_one_document_lose_no_write(lamps: Database) -> None:
    """Each either commits or says that it did not."""
    rows = lamps.collection("lamps")
    await rows.insert_one({"_id": 1, "height": 0})

    async def raise_it(session: Session) -> None:
        found = await rows.find_one({"_id": 1}, session=session)
        assert found is not None
        change = {"$set": {"height": found["height"] + 1}}
        await rows.update_one({"_id": 1}, change, session=session)

    async def once() -> int:
        try:
            await lamps.transaction(raise_it)
        except Conflict:
            return 0
        return 1

    committed = sum(await asyncio.gather(*(once() for _ in range(10))))
    found = await rows.find_one({"_id": 1})
    assert found is not None and found["height"] == committed > 0


@pytest.mark.parametrize(
    ("document", "expected"),
    [({"_id": 1, "height": 2}, DuplicateKey), ({"_id": 2, "height": "tall"}, Unsaveable)],
    ids=["there already", "against the validator"],
)
async def test_what_can_never_be_saved_is_told_at_once(
    lamps: Database, document: dict[str, Any], expected: type[Exception]
) -> None:
    """No repeats, and nothing of the transaction stays."""
    await lamps.collection("lamps").insert_one({"_id": 1, "height": 1})
    attempts = 0

    async def work(session: Session) -> None:
        nonlocal attempts
        attempts += 1
        await lamps.collection("lamps").insert_one({"_id": 0, "height": 0}, session=session)
        await lamps.collection("lamps").insert_many([document], session=session)

    with pytest.raises(expected):
        await lamps.transaction(work)
    assert attempts == 1 and await all_ids(lamps) == [1]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (driver.AutoReconnect("gone"), DependencyAway),
        (driver.ServerSelectionTimeoutError("nobody"), DependencyAway),
        (driver.OperationFailure("stepped down", 10107), DependencyAway),
        (driver.OperationFailure("snapshot too old", 239), DependencyAway),
        (driver.OperationFailure("snapshot unavailable", 246), DependencyAway),
        (driver.BulkWriteError({"writeConcernErrors": [{"code": 189}]}), DependencyAway),
        (
            driver.ConfigurationError("Sessions are not supported by this MongoDB deployment"),
            DependencyAway,
        ),
        (driver.OperationFailure("write conflict", 112), Conflict),
        (driver.OperationFailure("transaction exceeded its lifetime", 290), Conflict),
        (driver.DuplicateKeyError("there", 11000), DuplicateKey),
        (driver.OperationFailure("invalid", 121), Unsaveable),
    ],
    ids=str,
)
def test_each_error_is_sorted_into_what_to_do(
    error: driver.PyMongoError, expected: type[Exception]
) -> None:
    """Away, conflict, duplicate or never; nothing else is guessed."""
    assert type(sort_error(error)) is expected


def test_an_unknown_error_stays_what_it_is() -> None:
    """A bug of ours must not look like an absent server and be repeated for ever."""
    for error in (
        driver.OperationFailure("no such command", 59),
        driver.ConfigurationError("an option of ours is wrong"),
    ):
        assert sort_error(error) is error


async def test_a_transaction_does_not_outlast_its_deadline(
    lamps: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A save that hangs beside a server that answers says so, and leaves nothing behind."""
    monkeypatch.setattr("servicekit.mongo.TRANSACTION_DEADLINE_SECONDS", 0.3)

    async def hang(session: Session) -> None:
        await lamps.collection("lamps").insert_one({"_id": 1, "height": 1}, session=session)
        await asyncio.Event().wait()

    with pytest.raises(Outlasted, match="deadline"):
        await lamps.transaction(hang)
    assert await all_ids(lamps) == []


async def test_a_deadline_that_passes_while_nobody_answers_is_an_absent_server(
    lamps: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the transaction was too long cannot be known then."""
    monkeypatch.setattr("servicekit.mongo.TRANSACTION_DEADLINE_SECONDS", 0.3)

    async def nobody() -> None:
        raise DependencyAway("nobody")

    monkeypatch.setattr(lamps, "ping", nobody)
    with pytest.raises(DependencyAway, match="deadline") as raised:
        await lamps.transaction(lambda _: asyncio.Event().wait())
    assert not isinstance(raised.value, Outlasted)


async def test_a_transaction_that_cannot_reach_the_server_says_so() -> None:
    """Nothing listens there: the caller is told to retry in place."""
    nowhere = Database.connect(
        "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200&directConnection=true", "x", "t"
    )
    with pytest.raises(DependencyAway):
        await asyncio.wait_for(nowhere.ping(), 10)
    nowhere.close()
