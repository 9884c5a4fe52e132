"""Each service's user against real servers: only its own, and every other thing refused.

What is its own is read from the topic files, so that a new topic or group is tested by being named.
"""

import asyncio
import os
import sys
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    for_code,
)
from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import OperationFailure

from infra.kafka import Right, Topic, ensure_topics, read_rights, read_topics
from infra.kafka.cluster import connect
from infra.native import NativeStack
from infra.suite.access import SuiteAccess
from infra.suite.suite import SERVICES
from servicekit.kafka import KafkaConnection

pytestmark = pytest.mark.asyncio(loop_scope="session")

PREFIX = "rights-"
DEADLINE_SECONDS = 30
ALL = read_rights(prefix=PREFIX)
TOPICS = sorted(PREFIX + topic.name for topic in read_topics())
GROUPS = sorted({right.name for right in ALL if right.resource == "group"})
UNAUTHORIZED = 13


@dataclass(frozen=True)
class Cluster:
    """Topics with a record each, users of all services, and no service running."""

    access: SuiteAccess
    servers: str

    def options(self, service: str) -> dict[str, Any]:
        """How a service's clients connect."""
        return {"bootstrap_servers": self.servers} | self.access.kafka(service).client_options()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def cluster(secured_stack: NativeStack, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """Everything granted as a suite does it."""
    security, addresses = secured_stack.security, secured_stack.addresses
    assert security is not None
    access = SuiteAccess(tmp_path_factory.mktemp("rights"), addresses, security, PREFIX)
    servers, administrator = addresses.kafka_bootstrap_servers, access.administrator()
    await ensure_topics(servers, read_topics(), PREFIX, security=administrator)
    options = {"bootstrap_servers": servers} | administrator.client_options()
    async with AIOKafkaProducer(**options) as producer:
        for topic in TOPICS:
            await send_to(producer, topic)
    for service in SERVICES:
        await access.grant(service, PREFIX + service)
    return Cluster(access, servers)


def given(service: str, resource: str, operation: str) -> set[str]:
    """The names that the files give a service for an operation."""
    wanted = (PREFIX + service, resource, operation)
    return {r.name for r in ALL if (r.user, r.resource, r.operation) == wanted}


async def in_time(call: Any) -> bool:
    """Whether a call is allowed; a refusal is an answer of the broker, silence is an error."""
    try:
        await asyncio.wait_for(call, DEADLINE_SECONDS)
    except (TopicAuthorizationFailedError, GroupAuthorizationFailedError):
        return False
    return True


async def send_to(producer: AIOKafkaProducer, topic: str) -> None:
    """Publish a record that any topic takes: a compacted one wants a key."""
    await producer.send_and_wait(topic, b"{}", key=b"key", partition=0)


@pytest.mark.parametrize("service", SERVICES)
async def test_writes_its_own_topics_and_no_other(cluster: Cluster, service: str) -> None:
    """Of all topics, a record goes only on those that name the service as their producer."""
    async with AIOKafkaProducer(**cluster.options(service), acks="all") as producer:
        may = {t: await in_time(send_to(producer, t)) for t in TOPICS}
    assert {topic for topic, allowed in may.items() if allowed} == given(service, "topic", "write")


@pytest.mark.parametrize("service", SERVICES)
async def test_reads_what_the_files_give_it_and_no_other(cluster: Cluster, service: str) -> None:
    """Of all topics, a record is read only from those that it consumes or produces."""
    may = {topic: await in_time(read_one(cluster, service, topic)) for topic in TOPICS}
    assert {topic for topic, allowed in may.items() if allowed} == given(service, "topic", "read")


async def read_one(cluster: Cluster, service: str, topic: str) -> None:
    """Read the first record, or raise the broker's refusal to describe the topic or to give it.

    aiokafka waits for ever for a topic that it may not describe, so that is asked first, as a
    subscriber of ours does.
    """
    connection = KafkaConnection(cluster.servers, "tests", security=cluster.access.kafka(service))
    missing = await connection.missing_topics([topic])
    if missing == {topic: TopicAuthorizationFailedError.__name__}:
        raise TopicAuthorizationFailedError(topic)
    assert missing == {}
    consumer = AIOKafkaConsumer(**cluster.options(service), auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.getone()
    finally:
        await consumer.stop()


@pytest.mark.parametrize("service", SERVICES)
async def test_commits_in_its_own_groups_and_no_other(cluster: Cluster, service: str) -> None:
    """Of all groups, a position is kept only for those that the files give the service."""
    topic = min(given(service, "topic", "read"))
    may = {group: await in_time(commit(cluster, service, topic, group)) for group in GROUPS}
    assert {group for group, allowed in may.items() if allowed} == given(service, "group", "read")


async def commit(cluster: Cluster, service: str, topic: str, group: str) -> None:
    """Commit a position, or raise the broker's refusal."""
    consumer = AIOKafkaConsumer(
        **cluster.options(service), group_id=group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.commit({partition: 0})
    finally:
        await consumer.stop()


@pytest.mark.parametrize("service", SERVICES)
async def test_administers_nothing(cluster: Cluster, service: str) -> None:
    """No topic made, changed or deleted, no right given, no password changed: not even its own."""
    refused = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError)
    own = min(given(service, "topic", "write"))
    async with connect(cluster.servers, cluster.access.kafka(service)) as as_service:
        with pytest.raises(refused):
            await as_service.create([Topic(f"{PREFIX}made.up", service, 1, ())], None)
        with pytest.raises(refused):
            await as_service.replace_settings(own, {"retention.ms": "1"})
        with pytest.raises(refused):
            await as_service.users.give(Right(PREFIX + service, "topic", TOPICS[0], "write"))
        with pytest.raises(refused):
            await as_service.users.set_password(PREFIX + service, "another")
    assert await codes_of_deleting(cluster, service, own) == {TopicAuthorizationFailedError}


async def codes_of_deleting(cluster: Cluster, service: str, topic: str) -> set[type[Exception]]:
    """What the broker answers to a deletion."""
    admin = AIOKafkaAdminClient(**cluster.options(service))
    await admin.start()
    try:
        answer = await admin.delete_topics([topic])
    finally:
        await admin.close()
    return {for_code(code) for _, code, *_ in answer.topic_error_codes}


@pytest.mark.parametrize("service", SERVICES)
async def test_uses_its_own_database_and_no_other(cluster: Cluster, service: str) -> None:
    """Reads, writes and transactions in its own; in every other one, no read and no write."""
    databases = [PREFIX + name for name in SERVICES] + ["admin", "local", "config"]
    client: AsyncMongoClient[dict[str, Any]]
    async with AsyncMongoClient(cluster.access.mongodb_uri(service)) as client:
        assert (await client.admin.command("hello"))["isWritablePrimary"]
        read = {name for name in databases if await may_read(client, name)}
        written = {name for name in databases if await may_write(client, name)}
        async with client.start_session() as session, await session.start_transaction():
            await client[PREFIX + service]["probes"].insert_one({}, session=session)
    assert read == written == {PREFIX + service}


async def may_read(client: AsyncMongoClient[dict[str, Any]], database: str) -> bool:
    """Whether a document may be looked for."""
    return await is_authorized(client[database]["probes"].find_one())


async def may_write(client: AsyncMongoClient[dict[str, Any]], database: str) -> bool:
    """Whether a document may be saved."""
    return await is_authorized(client[database]["probes"].insert_one({}))


async def is_authorized(call: Any) -> bool:
    """Whether the server does it; anything but "not authorized" is an error."""
    try:
        await call
    except OperationFailure as failure:
        if failure.code != UNAUTHORIZED:
            raise
        return False
    return True


async def test_without_a_user_nothing(cluster: Cluster) -> None:
    """Whoever names no user, or a wrong password, reads nothing."""
    client: MongoClient[dict[str, Any]]
    with (
        MongoClient(cluster.access.addresses.mongodb_uri) as client,
        pytest.raises(OperationFailure) as refusal,
    ):
        client[f"{PREFIX}payouts"]["probes"].find_one()
    assert refusal.value.code == UNAUTHORIZED
    open_listener = AIOKafkaAdminClient(bootstrap_servers=cluster.servers, request_timeout_ms=3_000)
    with pytest.raises(KafkaError):
        await open_listener.start()
    await open_listener.close()


async def test_rights_as_code_are_shown_before_they_are_made(cluster: Cluster) -> None:
    """A right that no file gives is named and stays; only when told to it is taken away."""
    too_much = Right(f"{PREFIX}funding", "topic", f"{PREFIX}payouts.refunds", "write")
    async with connect(cluster.servers, cluster.access.administrator()) as administrator:
        await administrator.users.give(too_much)
    code, printed = await command(cluster)
    assert code == 1 and f"- {too_much} (no file gives this" in printed
    assert (await command(cluster, "--revoke"))[1].endswith("--yes applies this\n")
    assert await funding_has(cluster, too_much)
    assert (await command(cluster, "--revoke", "--yes"))[0] == 0
    assert not await funding_has(cluster, too_much)
    count = sum(right.user == f"{PREFIX}funding" for right in ALL)
    assert (await command(cluster))[1] == f"{count} rights, nothing to change\n"


async def command(cluster: Cluster, *more: str) -> tuple[int | None, str]:
    """Run `python -m infra.kafka rights` for funding; its status and all it printed."""
    security = cluster.access.security
    own = {
        "SOSST_KAFKA_BOOTSTRAP_SERVERS": cluster.servers,
        "SOSST_KAFKA_CA_FILE": str(security.ca_file),
        "SOSST_KAFKA_USER": security.admin_user,
        "SOSST_KAFKA_PASSWORD_FILE": str(security.folder / "admin-password"),
    }
    options = ["rights", "--prefix", PREFIX, "--owner", "funding", *more]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infra.kafka", *options),
        env=os.environ | own,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    return process.returncode, printed.decode()


async def funding_has(cluster: Cluster, right: Right) -> bool:
    """Whether the broker has the right."""
    async with connect(cluster.servers, cluster.access.administrator()) as administrator:
        return right in await administrator.users.rights([f"{PREFIX}funding"])
