"""Leaves servers that were given by hand without the demo's topics and databases."""

from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from pymongo import AsyncMongoClient

from infra.kafka import read_topics
from infra.suite import Suite


async def forget(suite: Suite) -> None:
    """Delete what a stopped suite made: only names that carry its own prefix."""
    await _delete_topics(suite)
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(suite.mongodb_uri)
    async with client:
        for service in suite.services:
            await client.drop_database(suite.database(service))


async def _delete_topics(suite: Suite) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=suite.addresses.kafka_bootstrap_servers)
    await admin.start()
    try:
        made = {suite.topic(topic.name) for topic in read_topics()}
        await admin.delete_topics(sorted(made & set(await admin.list_topics())))
    finally:
        await admin.close()
