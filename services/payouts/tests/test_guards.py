"""Every unique guard of the database is proven by inserting twice (trap 13).

A guard with a typo in it guards nothing, and nothing else would ever say so. What is inserted
again is what the service itself has written, so that a field that no document has is found.
"""

from typing import Any

import pytest
from pymongo.errors import DuplicateKeyError

from payouts.adapters.schema import SCHEMA
from servicekit.mongo import Database
from servicekit.schema import Index
from services.payouts.tests.conftest import mongo_payouts
from services.payouts.tests.test_invoices import issue_all
from services.payouts.tests.test_worked_example import (
    first_stage_is_paid,
    later_stage_is_paid,
    three_pledges_and_a_met_goal,
)

GUARDS = [(one.name, index) for one in SCHEMA.collections for index in one.indexes if index.unique]


@pytest.fixture
async def written(database: Database) -> Database:
    """A campaign's money from its first pledge to its invoice, as it is kept."""
    payouts = mongo_payouts(database)
    await three_pledges_and_a_met_goal(payouts)
    await first_stage_is_paid(payouts)
    for number in (2, 3):
        await later_stage_is_paid(payouts, number)
    await issue_all(payouts)
    return database


def other(value: Any, why: str) -> Any:
    """Return another value of the same kind, so that one guard at a time is met."""
    if isinstance(value, list):
        return [f"{one}-{why}" for one in value]
    return value + 1_000 + len(why) if isinstance(value, int) else f"{value}-{why}"


async def insert_again(database: Database, name: str, index: Index, unlike: str = "") -> None:
    """Insert a kept document once more under another id, perhaps `unlike` it in one field.

    What the collection's other guards look at is changed: only this one can refuse it.
    """
    kept = await database.collection(name).find_one({})
    assert kept is not None, f"nothing was written into {name}"
    guarded = {field for field, _ in index.keys}
    guards = [one for collection, one in GUARDS if collection == name]
    elsewhere = {field for one in guards for field, _ in one.keys} - guarded
    why = f"{'-'.join(sorted(guarded))}-{unlike}"
    changed = {field: other(kept[field], why) for field in {*elsewhere, unlike} - {""}}
    again = kept | changed | {"_id": f"{kept['_id']}-{why}"}
    await database.collection(name).insert_one(again)


async def assert_guards(database: Database, name: str, index: Index) -> None:
    """The same again is refused by this guard; what differs in any of its fields is not."""
    with pytest.raises(DuplicateKeyError) as refused:
        await insert_again(database, name, index)
    pattern = (refused.value.details or {})["keyPattern"]
    assert list(pattern) == [field for field, _ in index.keys]
    for field, _ in index.keys:
        await insert_again(database, name, index, unlike=field)


@pytest.mark.trap(13)
async def test_what_is_there_is_not_inserted_again(written: Database) -> None:
    """By every guard of the schema, whoever adds one."""
    assert len(GUARDS) >= 4
    for name, index in GUARDS:
        await assert_guards(written, name, index)


@pytest.mark.trap(13)
@pytest.mark.parametrize("field", ["campaing_id", None])
async def test_a_guard_with_a_typo_or_none_at_all_is_found(
    written: Database, field: str | None
) -> None:
    """The planted offenders: `stages` by a field that no document has, and by nothing."""
    stages = written.collection("stages")
    right = next(index for name, index in GUARDS if name == "stages")
    await stages.drop_index(list(right.keys))
    if field is not None:
        await stages.delete_many({"number": {"$gt": 1}})
        await stages.create_index([(field, 1), ("number", 1)], unique=True)
    try:
        with pytest.raises((DuplicateKeyError, AssertionError, pytest.fail.Exception)):
            await assert_guards(written, "stages", right)
    finally:
        # The database is lent to others after this: it must be as it was migrated.
        await stages.drop_indexes()
        await stages.delete_many({})
        await stages.create_index(list(right.keys), **right.options())
