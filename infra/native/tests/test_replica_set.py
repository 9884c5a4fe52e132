"""Three mongods: a new primary, a primary that nobody reaches, a write that is rolled back."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from infra.native import NativeStack
from infra.native.mongodb import MongoDBServer

DEADLINE_SECONDS = 60
Notes = Collection[dict[str, Any]]
MAJORITY = WriteConcern(w="majority", j=True)


def wait_until(what: str, look: Callable[[], bool]) -> None:
    """Return once `look` says True; fail with `what` if it does not within the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not look():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.1)


@pytest.fixture
def name(topic_prefix: str) -> str:
    """A database of the test's own."""
    return f"{topic_prefix}notes"


def notes_of(client: MongoClient[dict[str, Any]], name: str) -> Notes:
    """The collection through a client of the whole set; acknowledged by the majority."""
    return client[name].get_collection("notes", write_concern=MAJORITY)


def kept_by(member: MongoDBServer, name: str) -> set[str]:
    """What this very member has, whatever the others say."""
    client: MongoClient[dict[str, Any]]
    with MongoClient(f"mongodb://{member.address}", directConnection=True) as client:
        notes = client[name].get_collection("notes", read_preference=ReadPreference.NEAREST)
        return {note["_id"] for note in notes.find()}


def kept_or_none(member: MongoDBServer, name: str) -> set[str] | None:
    """What a member has, None while it rolls back and answers nobody."""
    try:
        return kept_by(member, name)
    except PyMongoError:
        return None


def test_a_primary_that_steps_down_has_a_successor(three_nodes: NativeStack, name: str) -> None:
    """Another member becomes primary; a client of the set writes on and misses nothing."""
    client: MongoClient[dict[str, Any]]
    with MongoClient(three_nodes.addresses.mongodb_uri) as client:
        notes_of(client, name).insert_one({"_id": "before"})
        former = three_nodes.replica_set.step_down()
        assert three_nodes.replica_set.primary() is not former
        notes_of(client, name).insert_one({"_id": "after"})
        assert {note["_id"] for note in notes_of(client, name).find()} == {"before", "after"}


def test_a_primary_that_nobody_reaches_is_replaced(three_nodes: NativeStack, name: str) -> None:
    """Its proxy refuses clients and members alike: the others elect; healed, it follows them."""
    former = three_nodes.replica_set.primary()
    others = three_nodes.replica_set.others(former)
    client: MongoClient[dict[str, Any]]
    with MongoClient(three_nodes.addresses.mongodb_uri) as client:
        notes_of(client, name).insert_one({"_id": "before"})
        three_nodes.proxies[former.folder.name].refuse()
        three_nodes.replica_set.primary(among=others)
        notes_of(client, name).insert_one({"_id": "meanwhile"})
        three_nodes.heal()
        wait_until("it follows", lambda: kept_or_none(former, name) == {"before", "meanwhile"})


def test_a_killed_member_catches_up(three_nodes: NativeStack, name: str) -> None:
    """kill -9 of a member that follows stops no write; started again it has all of them."""
    follower = three_nodes.replica_set.others(three_nodes.replica_set.primary())[0]
    client: MongoClient[dict[str, Any]]
    with MongoClient(three_nodes.addresses.mongodb_uri) as client:
        follower.kill()
        notes_of(client, name).insert_one({"_id": "meanwhile"})
        follower.start()
        wait_until("it has all", lambda: kept_or_none(follower, name) == {"meanwhile"})


def test_a_write_of_a_lone_primary_is_rolled_back(three_nodes: NativeStack, name: str) -> None:
    """Acknowledged by one member only, it is gone once the majority has gone on without it."""
    lone = three_nodes.replica_set.primary()
    others = three_nodes.replica_set.others(lone)
    client: MongoClient[dict[str, Any]]
    with MongoClient(three_nodes.addresses.mongodb_uri) as client:
        notes_of(client, name).insert_one({"_id": "kept"})
    with MongoClient(f"mongodb://{lone.address}", directConnection=True) as client:
        notes = client[name].get_collection("notes", write_concern=WriteConcern(w=1, j=True))
        notes.find_one()
        three_nodes.proxies[lone.folder.name].refuse()
        assert notes.insert_one({"_id": "lost"}).acknowledged
    assert kept_by(lone, name) == {"kept", "lost"}
    successor = three_nodes.replica_set.primary(among=others)
    with MongoClient(f"mongodb://{successor.address}", directConnection=True) as client:
        client[name]["notes"].insert_one({"_id": "after"})
    three_nodes.heal()
    wait_until("rolled back", lambda: kept_or_none(lone, name) == {"kept", "after"})
    assert list((lone.folder / "data" / "rollback").rglob("*.bson"))
