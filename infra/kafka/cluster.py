"""The few admin calls we need, with their error codes turned into exceptions.

aiokafka returns the broker's error codes and does not raise them (stack.md 1).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from infra.kafka.difference import Present
from infra.kafka.topics import Topic
from infra.kafka.users import ClusterUsers
from servicekit.kafka import KafkaSecurity

# DescribeConfigs: the source "set on this very topic"; others are defaults.
SET_ON_TOPIC = 1
# CreateTopics: "as many copies as the brokers' default.replication.factor says".
BROKERS_DEFAULT = -1
SHOWN_SECONDS_MAX = 30.0
SHOWN_LOOK_SECONDS = 0.05


class Cluster:
    """Topics and users of one cluster. Every method raises KafkaError when the broker refuses."""

    def __init__(self, admin: AIOKafkaAdminClient) -> None:
        self._admin = admin
        self.users = ClusterUsers(admin)

    async def present(self, names: Sequence[str]) -> dict[str, Present]:
        """Those of the named topics that exist, with partitions, copies and own settings.

        One that a broker has not heard of yet does not exist there.
        """
        described = await self._admin.describe_topics(None)
        partitions = {t["topic"]: t["partitions"] for t in described if t["topic"] in names}
        settings = await self._settings(list(partitions))
        return {
            name: Present(len(found), settings[name], min(len(p["replicas"]) for p in found))
            for name, found in partitions.items()
            if name in settings
        }

    async def create(self, topics: Sequence[Topic], copies: int | None) -> list[Topic]:
        """Create them and wait until they are shown; return those that others had created.

        `copies` is the replication factor, None for the brokers' own default.
        """
        new = [_new(topic, copies) for topic in topics]
        response = await self._admin.create_topics(new)
        there = set()
        for name, code, *message in response.topic_errors:
            if code == TopicAlreadyExistsError.errno:
                there.add(name)
            else:
                _check(code, f"create {name}", message)
        await self._shown([topic.name for topic in topics])
        return [topic for topic in topics if topic.name in there]

    async def replace_settings(self, name: str, settings: dict[str, str]) -> None:
        """Set all of a topic's own settings; one that is not named here is gone afterwards."""
        resource = ConfigResource(ConfigResourceType.TOPIC, name, settings)
        for response in await self._admin.alter_configs([resource]):
            for code, message, *_ in response.resources:
                _check(code, f"alter {name}", [message])

    async def _shown(self, names: Sequence[str]) -> None:
        """Wait: brokers answer a creation before they have heard of it themselves."""
        deadline = time.monotonic() + SHOWN_SECONDS_MAX
        while missing := set(names) - set(await self.present(names)):
            if time.monotonic() > deadline:
                raise KafkaTimeoutError(f"created and not shown: {', '.join(sorted(missing))}")
            await asyncio.sleep(SHOWN_LOOK_SECONDS)

    async def _settings(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        found: dict[str, dict[str, str]] = {}
        for response in await self._admin.describe_configs(resources):
            for code, message, _, name, entries in response.resources:
                if code == UnknownTopicOrPartitionError.errno:
                    continue  # Another broker than the one that listed it answers.
                _check(code, f"describe {name}", [message])
                found[name] = {
                    key: value for key, value, _, source, *_ in entries if source == SET_ON_TOPIC
                }
        return found


def _new(topic: Topic, copies: int | None) -> NewTopic:
    settings = dict(topic.settings)
    if copies is not None:
        return NewTopic(topic.name, topic.partitions, copies, topic_configs=settings)
    # aiokafka takes "the brokers' default" only together with assignments, of which there are none.
    return NewTopic(topic.name, topic.partitions, BROKERS_DEFAULT, {}, settings)


def _check(code: int, action: str, message: Sequence[Any]) -> None:
    if code:
        error: type[KafkaError] = for_code(code)
        raise error(f"{action}: {message}")


@asynccontextmanager
async def connect(
    bootstrap_servers: str, security: KafkaSecurity | None = None
) -> AsyncIterator[Cluster]:
    """A connected Cluster; raises KafkaConnectionError when no broker answers."""
    options = security.client_options() if security else {}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, **options)
    try:
        await admin.start()
        yield Cluster(admin)
    finally:
        await admin.close()
