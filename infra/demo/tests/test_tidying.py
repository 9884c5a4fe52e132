"""What the demo made on servers of somebody else is gone afterwards, and nothing else."""

from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from pymongo import MongoClient

from infra.demo.tidying import forget
from infra.native import Addresses
from infra.suite import Suite
from infra.suite.readings import eventually


async def test_only_what_carries_the_prefix_is_deleted(
    tmp_path: Path, native_stack: Addresses
) -> None:
    """Topics and databases of another suite on the same servers stay."""
    gone, stays = (Suite(tmp_path / name, native_stack) for name in ("gone", "stays"))
    client: MongoClient[dict[str, Any]]
    with MongoClient(native_stack.mongodb_uri) as client:
        for suite in (gone, stays):
            await suite.make_topics()
            client[suite.database("funding")]["campaigns"].insert_one({"_id": "one"})

        await forget(gone)
        await forget(gone)

        databases = client.list_database_names()
        assert gone.database("funding") not in databases
        assert stays.database("funding") in databases
        await eventually("the topics are gone", lambda: _has_none(gone))
        assert not await _has_none(stays)
        await forget(stays)
    for suite in (gone, stays):
        await suite.provider.http.aclose()


async def _has_none(suite: Suite) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=suite.addresses.kafka_bootstrap_servers)
    await admin.start()
    try:
        return not any(name.startswith(suite.prefix) for name in await admin.list_topics())
    finally:
        await admin.close()
