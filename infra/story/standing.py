"""Where a campaign stands: who has read how far, what is set aside, what has not left yet."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from pymongo import AsyncMongoClient

from contracts.tools.folders import HERE
from contracts.tools.topic_files import read_topic_files
from infra.story.facts import Fact
from infra.story.place import Place
from infra.story.words import Line, printable
from infra.suite.suite import SERVICES
from servicekit.outbox import rows_of
from servicekit.positions import TopicPositions

Database = Any
SERVERS_ANSWER_MILLISECONDS = 3_000


async def readers(place: Place, facts: Sequence[Fact]) -> AsyncIterator[Line]:
    """Say of each group of each topic how much of the campaign it has yet to read."""
    for file in read_topic_files(HERE.topics):
        mine = [fact for fact in facts if fact.topic == file.name]
        for reader in file.fields["consumers"] if mine else ():
            group = reader["group"]
            committed = await TopicPositions(place.connection, file.name, group).committed()
            behind = [fact for fact in mine if fact.offset >= committed.get(fact.partition, 0)]
            last = mine[-1].sequence or "its last"
            text = f"has read all {len(mine)} facts, up to {last}"
            if behind:
                text = f"has yet to read {len(behind)} of {len(mine)} facts"
            yield Line(
                "reader",
                f"{reader['service']:9} {file.name:22} {text}",
                {"group": group, "topic": file.name, "facts": len(mine), "behind": len(behind)},
            )


async def kept_back(place: Place, campaign_id: str) -> AsyncIterator[Line]:
    """Say what each service has set aside, has not published, and has yet to do."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        place.addresses.mongodb_uri, serverSelectionTimeoutMS=SERVERS_ANSWER_MILLISECONDS
    )
    async with client:
        for service in SERVICES:
            database = client[f"{place.prefix}{service}"]
            async for line in _set_aside(service, database, campaign_id):
                yield line
            yield await _outbox(service, database, campaign_id)
            yield await _work(service, database, campaign_id)


async def _set_aside(service: str, database: Database, key: str) -> AsyncIterator[Line]:
    async for one in database["set_aside"].find({"key": key}).sort([("topic", 1), ("sequence", 1)]):
        words = f"{one['reason']} ({one['detail']})" if one.get("detail") else one["reason"]
        number = "" if one["sequence"] is None else f" {one['sequence']}"
        yield Line(
            "set_aside",
            f"{service:9} {one['topic']:22} SET ASIDE{number}: {printable(words)}",
            {name: one[name] for name in ("group", "topic", "sequence", "reason", "detail")},
        )


async def _outbox(service: str, database: Database, key: str) -> Line:
    holding = {"$or": [{"key": key.encode()}, {"facts.key": key.encode()}]}
    found = await database["outbox"].find(holding).to_list()
    waiting = [row for document in found for row in rows_of(document)]
    rows = sum(1 for row in waiting if row.record.key == key.encode())
    text = f"not left yet: {rows}" if rows else "every fact has left"
    return Line("outbox", f"{service:9} outbox: {text}", {"service": service, "rows": rows})


async def _work(service: str, database: Database, campaign_id: str) -> Line:
    items = await database["work"].count_documents({"payload.campaign_id": campaign_id})
    text = f"open: {items}" if items else "nothing is left to do"
    return Line("work", f"{service:9} work: {text}", {"service": service, "items": items})
