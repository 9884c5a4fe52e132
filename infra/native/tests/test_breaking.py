"""What tests may do to a stack: kill, pause, start again; acknowledged data stays."""

from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pymongo import MongoClient, WriteConcern
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from infra.kafka import Topic, ensure_topics
from infra.native import NativeStack


async def test_broker_keeps_acknowledged_records(
    breakable_stack: NativeStack, topic_prefix: str
) -> None:
    """After kill -9 the broker is back at its address with every acknowledged record."""
    servers = breakable_stack.addresses.kafka_bootstrap_servers
    name = f"{topic_prefix}kept.records"
    await ensure_topics(servers, [Topic(name, "tests", 1, ())])
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer:
        for number in range(20):
            await producer.send_and_wait(name, str(number).encode())
    breakable_stack.kill_kafka()
    assert breakable_stack.kafka.process is None
    breakable_stack.start_kafka()
    assert breakable_stack.addresses.kafka_bootstrap_servers == servers
    assert await read(servers, name, 20) == [str(number).encode() for number in range(20)]


async def read(servers: str, topic: str, count: int) -> list[bytes | None]:
    """The first `count` values of the topic's only partition."""
    async with AIOKafkaConsumer(bootstrap_servers=servers) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.seek_to_beginning()
        return [(await consumer.getone()).value for _ in range(count)]


def test_mongod_keeps_acknowledged_writes(breakable_stack: NativeStack) -> None:
    """After kill -9 mongod is back at its address with every acknowledged write."""
    uri = breakable_stack.addresses.mongodb_uri
    concern = WriteConcern(w="majority", j=True)
    client: MongoClient[dict[str, Any]]
    with MongoClient(uri) as client:
        notes: Collection[dict[str, Any]] = client["kept"].get_collection(
            "notes", write_concern=concern
        )
        for number in range(20):
            notes.insert_one({"_id": number})
    breakable_stack.kill_mongodb()
    assert breakable_stack.mongodb.process is None
    breakable_stack.start_mongodb()
    assert breakable_stack.addresses.mongodb_uri == uri
    with MongoClient(uri) as client:
        stored: list[dict[str, Any]] = client["kept"]["notes"].find().sort("_id").to_list()
        assert [note["_id"] for note in stored] == list(range(20))


def test_pause_and_resume(breakable_stack: NativeStack) -> None:
    """A paused mongod does not answer; resumed it does."""
    client: MongoClient[dict[str, Any]]
    uri = breakable_stack.addresses.mongodb_uri
    breakable_stack.mongodb.pause()
    with (
        MongoClient(uri, serverSelectionTimeoutMS=300) as client,
        pytest.raises(PyMongoError),
    ):
        client.admin.command("ping")
    breakable_stack.mongodb.resume()
    with MongoClient(uri) as client:
        assert client.admin.command("ping")["ok"] == 1


def test_mongod_settings(breakable_stack: NativeStack) -> None:
    """Abandoned transactions end after 10 s, and fail points can be set."""
    client: MongoClient[dict[str, Any]]
    with MongoClient(breakable_stack.addresses.mongodb_uri) as client:
        settings = client.admin.command(
            {"getParameter": 1, "transactionLifetimeLimitSeconds": 1, "enableTestCommands": 1}
        )
    assert settings["transactionLifetimeLimitSeconds"] == 10
    assert settings["enableTestCommands"]


def test_wipe_deletes_everything(tmp_path: Path) -> None:
    """wipe stops a running server and leaves no file."""
    stack = NativeStack(tmp_path)
    stack.mongodb.start()
    process = stack.mongodb.process
    assert process is not None
    stack.wipe()
    assert not process.is_running()
    assert list(tmp_path.iterdir()) == []
