"""Clients of Kafka that are stopped: nobody is cancelled by it, and nothing of them goes on."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka import client as client_module
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import KafkaConnectionError, NotEnoughReplicasError
from aiokafka.producer.sender import Sender
from aiokafka.protocol.produce import ProduceRequest

from infra.servicekit.tests.reader import fact
from infra.servicekit.tests.test_publish import on_topic
from servicekit import publish, stopping
from servicekit.kafka import KafkaConnection
from servicekit.publish import KafkaPublisher, partition_of
from servicekit.stopping import stop_consumer


class _Refusing:
    """A cluster with one partition of each topic, too few copies of which are in sync."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0

        async def nothing(client: AIOKafkaClient) -> None: ...

        async def known(client: AIOKafkaClient, topic: str) -> set[int]:
            return {0}

        async def numbered(sender: Sender) -> None:
            if not sender._txn_manager.has_pid():
                sender._txn_manager.set_pid_and_epoch(1, 0)

        async def send(client: AIOKafkaClient, node: int, request: Any, **options: Any) -> None:
            self.asked += 1
            raise NotEnoughReplicasError

        monkeypatch.setattr(AIOKafkaClient, "bootstrap", nothing)
        monkeypatch.setattr(AIOKafkaClient, "_wait_on_metadata", known)
        monkeypatch.setattr(AIOKafkaClient, "send", send)
        monkeypatch.setattr(ClusterMetadata, "partitions_for_topic", lambda cluster, topic: {0})
        monkeypatch.setattr(ClusterMetadata, "leader_for_partition", lambda cluster, place: 0)
        monkeypatch.setattr(Sender, "_maybe_wait_for_pid", numbered)


async def test_what_was_given_up_is_not_sent_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idempotent producer never gives up: each one dropped would try ten times a second."""
    monkeypatch.setattr(publish, "ACKNOWLEDGEMENT_DEADLINE_SECONDS", 0.3)
    before, cluster = asyncio.all_tasks(), _Refusing(monkeypatch)
    publisher = KafkaPublisher(KafkaConnection("127.0.0.1:9", "servicekit-tests"))
    for _ in range(3):
        assert await publisher.publish([fact(1)]) == [False]
    await publisher.close()
    assert cluster.asked
    left = asyncio.all_tasks() - before
    assert not left or not (await asyncio.wait(left, timeout=2))[1]


class _Connected:
    """A connection to one of two brokers, made while whoever asked for it was being stopped."""

    def __init__(self) -> None:
        self.sent, self._open = list[Any](), True

    def connected(self) -> bool:
        return self._open

    def send(self, request: Any, **options: Any) -> None:
        if self._open:
            self.sent.append(request)
        raise KafkaConnectionError

    def close(self, reason: Any = None) -> asyncio.Future[None]:
        self._open = False
        closed = asyncio.get_running_loop().create_future()
        closed.set_result(None)
        return closed


async def test_what_was_given_up_is_not_sent_over_connections_that_are_made_by_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two partitions of two brokers, neither of which could be reached in time."""
    monkeypatch.setattr(publish, "ACKNOWLEDGEMENT_DEADLINE_SECONDS", 0.3)
    monkeypatch.setattr(stopping, "CLOSING_SECONDS", 0.05)
    _two_brokers(monkeypatch)
    answer, made = asyncio.Event(), list[_Connected]()

    async def connect(*place: Any, **options: Any) -> _Connected:
        await answer.wait()
        made.append(_Connected())
        return made[-1]

    monkeypatch.setattr(client_module, "create_conn", connect)
    before = asyncio.all_tasks()
    publisher = KafkaPublisher(KafkaConnection("127.0.0.1:9", "servicekit-tests"))
    keys = [next(k for k in map(str, range(9)) if partition_of(k.encode(), 2) == n) for n in (0, 1)]
    assert await publisher.publish([fact(1, key) for key in keys]) == [False, False]
    await publisher.close()
    answer.set()
    left = asyncio.all_tasks() - before
    assert not left or not (await asyncio.wait(left, timeout=5))[1]
    assert made and [one.sent for one in made] == [[]] * len(made)
    assert not any(one.connected() for one in made)


def _two_brokers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a cluster of two brokers, each of which leads one partition of each topic."""

    async def nothing(client: AIOKafkaClient) -> None: ...

    async def known(client: AIOKafkaClient, topic: str) -> set[int]:
        return {0, 1}

    async def numbered(sender: Sender) -> None:
        if not sender._txn_manager.has_pid():
            sender._txn_manager.set_pid_and_epoch(1, 0)

    monkeypatch.setattr(AIOKafkaClient, "bootstrap", nothing)
    monkeypatch.setattr(AIOKafkaClient, "_wait_on_metadata", known)
    monkeypatch.setattr(ClusterMetadata, "partitions_for_topic", lambda cluster, topic: {0, 1})
    monkeypatch.setattr(
        ClusterMetadata, "leader_for_partition", lambda cluster, place: place.partition
    )
    monkeypatch.setattr(
        ClusterMetadata,
        "broker_metadata",
        lambda cluster, node: SimpleNamespace(host="127.0.0.1", port=9),
    )
    monkeypatch.setattr(Sender, "_maybe_wait_for_pid", numbered)


async def test_what_was_given_up_is_not_sent_once_the_topic_takes_records_again(
    connection: KafkaConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then it was sent again long ago, or something else was."""
    monkeypatch.setattr(publish, "ACKNOWLEDGEMENT_DEADLINE_SECONDS", 3.0)
    really, refusing = AIOKafkaClient.send, True

    async def send(client: AIOKafkaClient, node: int, request: Any, **options: Any) -> Any:
        if refusing and isinstance(request, ProduceRequest):
            raise NotEnoughReplicasError
        return await really(client, node, request, **options)

    monkeypatch.setattr(AIOKafkaClient, "send", send)
    publisher = KafkaPublisher(connection)
    for _ in range(2):
        assert await publisher.publish([fact(1)]) == [False]
    refusing = False
    monkeypatch.setattr(publish, "ACKNOWLEDGEMENT_DEADLINE_SECONDS", 15.0)
    assert await publisher.publish([fact(2)]) == [True]
    await publisher.close()
    assert await on_topic(connection, "funding.pledges") == [fact(2)]


class _Silent:
    """A consumer of a broker that answers nothing: neither its leaving nor its closing ends."""

    _fetcher = _coordinator = None

    def __init__(self) -> None:
        self._client = self
        self.begun, self.cancelled = list[str](), list[str]()

    async def stop(self) -> None:
        await self._for_ever("stop")

    async def close(self) -> None:
        await self._for_ever("close")

    async def _for_ever(self, what: str) -> None:
        self.begun.append(what)
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.append(what)


async def test_a_broker_that_answers_nothing_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Over TLS it takes half a minute until a connection is closed that the other side leaves."""
    monkeypatch.setattr(stopping, "CLOSING_SECONDS", 0.05)
    consumer = _Silent()
    async with asyncio.timeout(30):
        await stop_consumer(consumer, seconds=0.05)
        while consumer.cancelled != ["stop", "close"]:
            await asyncio.sleep(0)
    assert consumer.begun == ["stop", "close"]


async def test_nothing_goes_on_of_a_consumer_whose_stop_was_cut_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It waits for its group, of which nobody answers, and would fetch on for ever beside that."""
    asked = asyncio.Event()

    async def nothing(client: AIOKafkaClient) -> None: ...

    async def silent(client: AIOKafkaClient, node: int, request: Any, **options: Any) -> None:
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(AIOKafkaClient, "bootstrap", nothing)
    monkeypatch.setattr(AIOKafkaClient, "get_random_node", lambda client: 0)
    monkeypatch.setattr(AIOKafkaClient, "send", silent)
    before = asyncio.all_tasks()
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:9", group_id="readers")
    await consumer.start()
    consumer.subscribe(["topic"])
    async with asyncio.timeout(30):
        await asked.wait()
    await stop_consumer(consumer, seconds=0.05)
    left = asyncio.all_tasks() - before
    assert not left or not (await asyncio.wait(left, timeout=2))[1]


async def test_whoever_is_cancelled_while_it_stops_a_consumer_is_cancelled() -> None:
    """Only what aiokafka lets out is kept in; what was being stopped does not go on."""
    consumer = _Silent()
    stops = asyncio.create_task(stop_consumer(consumer))
    async with asyncio.timeout(30):
        while not consumer.begun:
            await asyncio.sleep(0)
        stops.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stops
        while not consumer.cancelled:
            await asyncio.sleep(0)
