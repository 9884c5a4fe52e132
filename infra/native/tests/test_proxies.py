"""The fault proxy: each fault is seen by real clients, and healed."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from pymongo import MongoClient, WriteConcern
from pymongo.errors import ConnectionFailure

from infra.kafka import Topic, ensure_topics
from infra.native import NativeStack
from infra.native.mongodb import MongoDBServer
from infra.native.proxies import Direction, Proxy

Client = MongoClient[dict[str, Any]]


@pytest.fixture
def follower(three_nodes: NativeStack) -> MongoDBServer:
    """A member whose faults move no election."""
    return three_nodes.replica_set.others(three_nodes.replica_set.primary())[0]


@pytest.fixture
def proxy(three_nodes: NativeStack, follower: MongoDBServer) -> Proxy:
    """The way to the follower."""
    return three_nodes.proxies[follower.folder.name]


def client_of(proxy: Proxy) -> Client:
    """A client that waits a second and tries nothing twice."""
    uri = f"mongodb://{proxy.address}/?directConnection=true&retryReads=false&retryWrites=false"
    return MongoClient(uri, socketTimeoutMS=1_000, serverSelectionTimeoutMS=5_000)


def connect(proxy: Proxy) -> socket.socket:
    """A bare connection through the proxy."""
    host, _, port = proxy.address.partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


@contextmanager
def no_election(stack: NativeStack, primary: MongoDBServer) -> Iterator[None]:
    """Keep the others from following a primary that they do not hear for longer than two seconds.

    What it took alone would be rolled back, wherever a client waits a second too long.
    """
    others = stack.replica_set.others(primary)
    clients: list[Client] = [
        MongoClient(f"mongodb://{other.address}", directConnection=True) for other in others
    ]
    for client in clients:
        client.admin.command("replSetFreeze", 120)
    try:
        yield
    finally:
        for client in clients:
            client.admin.command("replSetFreeze", 0)
            client.close()


@pytest.mark.parametrize("fault", ["cut", "slow"])
def test_silence_is_noticed_and_healed(proxy: Proxy, fault: str) -> None:
    """Cut, or slower than the client waits, no answer comes; healed, the same client goes on."""
    with client_of(proxy) as client:
        assert client.admin.command("ping")["ok"] == 1
        if fault == "cut":
            proxy.cut()
        else:
            proxy.slow(3_000)
        with pytest.raises(ConnectionFailure):
            client.admin.command("ping")
        proxy.heal()
        assert client.admin.command("ping")["ok"] == 1


@pytest.mark.parametrize(
    ("direction", "arrives"), [(Direction.TO_CLIENT, True), (Direction.TO_SERVER, False)]
)
def test_each_direction_alone(
    three_nodes: NativeStack, topic_prefix: str, direction: Direction, arrives: bool
) -> None:
    """With only answers cut, a write that seems to fail is made; with the way in cut, it is not."""
    primary = three_nodes.replica_set.primary()
    proxy = three_nodes.proxies[primary.folder.name]
    name = f"{topic_prefix}directions"
    direct: Client
    with MongoClient(f"mongodb://{primary.address}", directConnection=True) as direct:
        # The collection is made before the clock of the client that waits a second only.
        direct[name]["notes"].insert_one({"_id": "before"})
        with client_of(proxy) as client, no_election(three_nodes, primary):
            notes = client[name].get_collection("notes", write_concern=WriteConcern(w=1))
            assert notes.count_documents({}) == 1
            proxy.cut(direction)
            with pytest.raises(ConnectionFailure):
                notes.insert_one({"_id": "unknown"})
            proxy.heal()
        made = {note["_id"] for note in direct[name]["notes"].find()}
    assert made == ({"before", "unknown"} if arrives else {"before"})


def test_reset(proxy: Proxy) -> None:
    """What is sent is answered by a reset; healed, the server is reached again."""
    proxy.reset()
    with connect(proxy) as connection:
        connection.sendall(b"anything")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    proxy.heal()
    with client_of(proxy) as client:
        assert client.admin.command("ping")["ok"] == 1


def test_refuse(proxy: Proxy) -> None:
    """Nobody listens; healed, the server is reached again."""
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.heal()
    with client_of(proxy) as client:
        assert client.admin.command("ping")["ok"] == 1


async def test_brokers_out_of_reach(three_nodes: NativeStack, topic_prefix: str) -> None:
    """Brokers that run and are cut off acknowledge nothing; healed, the same producer goes on."""
    servers, name = three_nodes.addresses.kafka_bootstrap_servers, f"{topic_prefix}cut.off"
    await ensure_topics(servers, [Topic(name, "tests", 1, ())])
    proxies = [three_nodes.proxies[broker.folder.name] for broker in three_nodes.brokers]
    async with AIOKafkaProducer(
        bootstrap_servers=servers, acks="all", enable_idempotence=True, request_timeout_ms=3_000
    ) as producer:
        await producer.send_and_wait(name, b"before")
        for proxy in proxies:
            proxy.cut()
        waiting = asyncio.create_task(producer.send_and_wait(name, b"meanwhile"))
        acknowledged, _ = await asyncio.wait({waiting}, timeout=2)
        assert not acknowledged
        for proxy in proxies:
            proxy.heal()
        await asyncio.wait_for(waiting, 60)
