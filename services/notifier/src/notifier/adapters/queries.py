"""Reads outside a transaction: inboxes, causes, completeness."""

from datetime import datetime

from pymongo import ReturnDocument

from notifier.adapters.documents import cause_from, chunk_from
from notifier.adapters.mongo_stores import totals_from, totals_pipeline
from notifier.domain.cause import Cause, CauseState, Totals
from notifier.domain.chunk import Chunk, ChunkState
from notifier.ports import InboxEntry
from servicekit.mongo import Database, Document, sorted_errors

_INCOMPLETE = [CauseState.WAITING.value, CauseState.PLANNED.value]


class MongoQueries:
    """`ports.Queries` over the service's own collections."""

    def __init__(self, database: Database) -> None:
        self._chunks = database.collection("chunks")
        self._causes = database.collection("causes")
        self._readers = database.collection("readers")
        self._creators = database.collection("creators")

    async def inbox(
        self, person_id: str, before: tuple[datetime, str] | None, limit: int
    ) -> list[InboxEntry]:
        query: Document = {
            "recipients": person_id,
            "state": {"$ne": ChunkState.WITHDRAWN.value},
        }
        if before is not None:
            at, chunk_id = before
            same_instant = {"caused_at": at, "_id": {"$lt": chunk_id}}
            query["$or"] = [{"caused_at": {"$lt": at}}, same_instant]
        newest = [("caused_at", -1), ("_id", -1)]
        with sorted_errors():
            # The other recipients of a chunk are nobody's business here, and a thousand names.
            cursor = self._chunks.find(query, {"recipients": 0}).sort(newest).limit(limit)
            rows = await cursor.to_list(None)
        return [
            InboxEntry(
                chunk_from({**row, "recipients": [person_id]}), (row["caused_at"], row["_id"])
            )
            for row in rows
        ]

    async def read_until(self, person_id: str) -> datetime | None:
        with sorted_errors():
            row = await self._readers.find_one({"_id": person_id})
        return row["read_until"] if row else None

    async def mark_read(self, person_id: str, until: datetime) -> datetime:
        with sorted_errors():
            row = await self._readers.find_one_and_update(
                {"_id": person_id},
                {"$max": {"read_until": until}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        moved: datetime = row["read_until"]
        return moved

    async def causes(self, campaign_id: str) -> list[Cause]:
        with sorted_errors():
            cursor = self._causes.find({"campaign_id": campaign_id}).sort("heard_at", -1).limit(200)
            return [cause_from(row) for row in await cursor.to_list(None)]

    async def cause(self, name: str) -> Cause | None:
        with sorted_errors():
            row = await self._causes.find_one({"_id": name})
        return cause_from(row) if row else None

    async def chunk(self, chunk_id: str) -> Chunk | None:
        with sorted_errors():
            row = await self._chunks.find_one({"_id": chunk_id})
        return chunk_from(row) if row else None

    async def totals(self, cause: str) -> Totals:
        with sorted_errors():
            return totals_from(await self._chunks.aggregate(totals_pipeline(cause)).to_list(None))

    async def creator(self, campaign_id: str) -> str | None:
        with sorted_errors():
            row = await self._creators.find_one({"_id": campaign_id})
        return row["creator_id"] if row else None

    async def incomplete(self, limit: int) -> list[Cause]:
        with sorted_errors():
            cursor = self._causes.find({"state": {"$in": _INCOMPLETE}}).sort("heard_at", 1)
            return [cause_from(row) for row in await cursor.limit(limit).to_list(None)]
