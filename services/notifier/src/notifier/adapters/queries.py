"""Reads outside a transaction: inboxes, causes, completeness."""

from collections.abc import Collection, Sequence
from datetime import datetime

from pymongo import ReturnDocument

from notifier.adapters.documents import cause_from, chunk_from
from notifier.adapters.mongo_email import MongoDeliveries, MongoEmailQueries, suppression_from
from notifier.adapters.mongo_hidden_updates import MongoHiddenUpdates
from notifier.adapters.mongo_receipt_questions import MongoReceiptQuestions
from notifier.adapters.mongo_stores import totals_from, totals_pipeline
from notifier.adapters.mongo_unreached import MongoUnreachedQueries
from notifier.adapters.places import Place, places_of
from notifier.adapters.schema import BESIDE_BACKERS
from notifier.domain.cause import Cause, CauseState, Totals
from notifier.domain.chunk import ENDED, Chunk, ChunkState
from notifier.domain.delivery import Channel, Delivery
from notifier.domain.kind import OF_UPDATES, ToldAs
from notifier.domain.receipt_question import ReceiptQuestion
from notifier.domain.suppression import Suppression, address_digest
from notifier.ports.queries import InboxEntry, OpenCauses, RoleTotals
from servicekit.mongo import Database, Document, sorted_errors

_INCOMPLETE = [CauseState.WAITING.value, CauseState.PLANNED.value]
_ENDED = [one.value for one in ENDED]


EARLIEST: Document = {"caused_at": 1, "_id": 1}
OLDEST: Document = {"heard_at": 1, "_id": 1}
LAST_HEARD: Document = {"heard_at": -1, "_id": -1}


def _old_chunks_query(until: datetime, after: tuple[datetime, str] | None) -> Document:
    """Return what finds chunks that ended and have people, those behind a place where given."""
    query: Document = {
        "caused_at": {"$lte": until},
        # As its index says: who is forgotten is in it no more.
        "recipients.0": {"$exists": True},
        "state": {"$in": _ENDED},
    }
    if after is not None:
        at, chunk_id = after
        query["caused_at"]["$gte"] = at
        query["$nor"] = [{"caused_at": at, "_id": {"$lte": chunk_id}}]
    return query


def _incomplete_query(after: Cause | None) -> Document:
    """Return what finds causes that are not completed, those behind one where one is given."""
    query: Document = {"state": {"$in": _INCOMPLETE}}
    if after is not None:
        # Not as an `$or` of both: that one is sorted in memory, this comes in the index's order.
        query["heard_at"] = {"$gte": after.heard_at}
        query["$nor"] = [{"heard_at": after.heard_at, "_id": {"$lte": after.name}}]
    return query


def _causes_query(campaign_id: str, before: tuple[datetime, str] | None) -> Document:
    """Return what finds a campaign's causes, those heard before a place where one is given."""
    query: Document = {"campaign_id": campaign_id}
    if before is not None:
        at, name = before
        # As above: this comes in the index's order.
        query["heard_at"] = {"$lte": at}
        query["$nor"] = [{"heard_at": at, "_id": {"$gte": name}}]
    return query


def _role_totals_pipeline(causes: Collection[str]) -> list[Document]:
    """Sums the index of those who are no backers alone; no recipients are read."""
    return [
        {"$match": {"cause": {"$in": list(causes)}, **BESIDE_BACKERS}},
        {
            "$group": {
                "_id": {"cause": "$cause", "role": "$role", "state": "$state"},
                "people": {"$sum": "$size"},
                "hushed": {"$sum": "$hushed"},
            }
        },
        {"$sort": {"_id": 1}},
    ]


def _inbox_query(person_id: str, before: tuple[datetime, str] | None = None) -> Document:
    """Return which of a person's chunks are notifications, before a place where one is given."""
    query: Document = {
        "state": {"$ne": ChunkState.WITHDRAWN.value},
        "suppressed.person": {"$ne": person_id},
    }
    if before is not None:
        at, chunk_id = before
        # As of causes: this comes in the index's order.
        query["caused_at"] = {"$lte": at}
        query["$nor"] = [{"caused_at": at, "_id": {"$gte": chunk_id}}]
    return query


def _unread_query(person_id: str, after: datetime | None) -> Document:
    """Return which of a person's chunks are notifications of later causes."""
    query = _inbox_query(person_id)
    return query if after is None else query | {"caused_at": {"$gt": after}}


class MongoQueries(MongoUnreachedQueries):
    """`ports.Queries` over the service's own collections."""

    def __init__(self, database: Database, partitions: int) -> None:
        super().__init__(database)
        self._partitions = partitions
        self._database = database
        self._email = MongoEmailQueries(database)
        self._deliveries = MongoDeliveries(database, None)
        self._chunks = database.collection("chunks")
        self._causes = database.collection("causes")
        self._readers = database.collection("readers")
        self._people = database.collection("people")
        self._hidden = database.collection("hidden")
        self._suppressions = database.collection("suppressions")
        self._hidden_updates = MongoHiddenUpdates(database, None)
        self._receipt_questions = MongoReceiptQuestions(database, None)
        self._creators = database.collection("creators")

    async def inbox(
        self, person_id: str, before: tuple[datetime, str] | None, limit: int
    ) -> list[InboxEntry]:
        places, query = await self._places_of(person_id), _inbox_query(person_id, before)
        rows = await self._newest_of(places, query, limit + 1)
        if len(rows) > limit:
            # The indexes order instants, and nothing within one: who is where the page ends, and
            # who behind it, is only known of all of that instant.
            last = rows[limit - 1]["caused_at"]
            if rows[limit]["caused_at"] == last:
                rows = [row for row in rows if row["caused_at"] > last]
                rows += await self._newest_of(places, {"$and": [query, {"caused_at": last}]})
        rows.sort(key=lambda row: (row["caused_at"], row["_id"]), reverse=True)
        return [
            InboxEntry(
                chunk_from({**row, "recipients": [person_id]}), (row["caused_at"], row["_id"])
            )
            for row in rows[:limit]
        ]

    async def _places_of(self, person_id: str) -> list[Place]:
        return await places_of(self._database, person_id, self._partitions)

    async def _newest_of(
        self, places: Sequence[Place], query: Document, limit: int | None = None
    ) -> list[Document]:
        """Return chunks of these places without their recipients, newest first."""
        found: list[Document] = []
        for place in places:
            with sorted_errors():
                # The other recipients of a chunk are nobody's business here, and a thousand names.
                cursor = self._chunks.find(place.query | query, {"recipients": 0})
                newest = cursor.hint(place.index).sort("caused_at", -1).limit(limit or 0)
                found += await newest.to_list(None)
        return sorted(found, key=lambda row: row["caused_at"], reverse=True)[:limit]

    async def told_at(self, person_id: str, at: datetime) -> list[Chunk]:
        query = _inbox_query(person_id) | {"caused_at": at}
        rows = await self._newest_of(await self._places_of(person_id), query)
        return [chunk_from({**row, "recipients": [person_id]}) for row in rows]

    async def unread(self, person_id: str, after: datetime | None, most: int) -> int:
        later = {} if after is None else {"at": {"$gt": after}}
        with sorted_errors():
            hidden = await self._hidden.count_documents({"person_id": person_id} | later)
            query, left = _unread_query(person_id, after), most + hidden
            for place in await self._places_of(person_id):
                if left:
                    both = place.query | query
                    left -= await self._chunks.count_documents(both, limit=left, hint=place.index)
        return max(0, most - left)

    async def hide(self, person_id: str, notification_id: str, at: datetime) -> None:
        place = {"person_id": person_id, "notification_id": notification_id}
        document = {"_id": place, "person_id": person_id, "at": at}
        with sorted_errors():
            await self._hidden.replace_one({"_id": place}, document, upsert=True)

    async def unhide(self, person_id: str, notification_id: str) -> None:
        place = {"person_id": person_id, "notification_id": notification_id}
        with sorted_errors():
            await self._hidden.delete_one({"_id": place})

    async def hidden_among(self, person_id: str, notification_ids: Collection[str]) -> set[str]:
        places = [{"person_id": person_id, "notification_id": one} for one in notification_ids]
        with sorted_errors():
            rows = await self._hidden.find({"_id": {"$in": places}}, {"_id": 1}).to_list(None)
        return {row["_id"]["notification_id"] for row in rows}

    async def updates_hidden(self, updates: Collection[str]) -> set[str]:
        return await self._hidden_updates.among(updates)

    async def questions_over(self, questions: Collection[ReceiptQuestion]) -> set[ReceiptQuestion]:
        return await self._receipt_questions.over_among(questions)

    async def suppression(self, person_id: str) -> Suppression | None:
        with sorted_errors():
            person = await self._people.find_one({"_id": person_id}, {"address": 1})
            if person is None or not person["address"]:
                return None
            digest = address_digest(person["address"])
            row = await self._suppressions.find_one({"_id": digest})
        return suppression_from(row) if row else None

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

    async def causes(
        self, campaign_id: str, before: tuple[datetime, str] | None = None, limit: int = 200
    ) -> list[Cause]:
        query = _causes_query(campaign_id, before)
        with sorted_errors():
            cursor = self._causes.find(query).sort(list(LAST_HEARD.items())).limit(limit)
            return [cause_from(row) for row in await cursor.to_list(None)]

    async def cause(self, name: str) -> Cause | None:
        with sorted_errors():
            row = await self._causes.find_one({"_id": name})
        return cause_from(row) if row else None

    async def chunk(self, chunk_id: str) -> Chunk | None:
        with sorted_errors():
            row = await self._chunks.find_one({"_id": chunk_id})
        return chunk_from(row) if row else None

    async def unplanned(self, cause: str) -> list[Chunk]:
        # Ids begin with their cause; other causes may begin so too, and are told apart by it.
        query = {"_id": _beginning(cause), "cause": cause, "partition": None}
        with sorted_errors():
            cursor = self._chunks.find(query).sort("_id", 1)
            return [chunk_from(row) for row in await cursor.to_list(None)]

    async def totals(self, cause: str) -> Totals:
        with sorted_errors():
            rows = await self._chunks.aggregate(totals_pipeline([cause])).to_list(None)
        return totals_from(rows)

    async def totals_of(self, causes: Collection[str]) -> dict[str, Totals]:
        with sorted_errors():
            rows = await self._chunks.aggregate(totals_pipeline(causes)).to_list(None)
        return {name: totals_from(_rows_of(name, rows)) for name in causes}

    async def role_totals(self, causes: Collection[str]) -> dict[str, list[RoleTotals]]:
        with sorted_errors():
            rows = await self._chunks.aggregate(_role_totals_pipeline(causes)).to_list(None)
        return {name: _role_totals(_rows_of(name, rows)) for name in causes}

    async def channel_totals(self, channel: Channel, cause: str) -> Totals | None:
        return await self._email.totals(channel, cause)

    async def last_due(self, channel: Channel, cause: str) -> datetime | None:
        return await self._email.last_due(channel, cause)

    async def queued(self, channel: Channel) -> dict[int, int]:
        return await self._email.queued(channel)

    async def chunks_of(self, cause: str, after: str, limit: int) -> list[Chunk]:
        # Ids begin with their cause; other causes may begin so too, and are told apart by it.
        named = {"$gt": after, "$lt": f"{cause}\uffff"} if after else _beginning(cause)
        with sorted_errors():
            cursor = self._chunks.find({"_id": named, "cause": cause}).sort("_id", 1).limit(limit)
            return [chunk_from(row) for row in await cursor.to_list(None)]

    async def deliveries(self, channel: Channel, chunk_ids: Collection[str]) -> dict[str, Delivery]:
        return await self._deliveries.load(channel, chunk_ids)

    async def old_chunks(
        self, until: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> list[Chunk]:
        query = _old_chunks_query(until, after)
        with sorted_errors():
            cursor = self._chunks.find(query).sort(list(EARLIEST.items())).limit(limit)
            return [chunk_from(row) for row in await cursor.to_list(None)]

    async def creator(self, campaign_id: str) -> str | None:
        with sorted_errors():
            row = await self._creators.find_one({"_id": campaign_id})
        return row["creator_id"] if row else None

    async def team(self, campaign_id: str) -> list[str] | None:
        with sorted_errors():
            row = await self._creators.find_one({"_id": campaign_id})
        return [row["creator_id"], *row.get("team", ())] if row else None

    async def incomplete(self, limit: int, after: Cause | None = None) -> list[Cause]:
        query = _incomplete_query(after)
        with sorted_errors():
            cursor = self._causes.find(query).sort(list(OLDEST.items())).limit(limit)
            return [cause_from(row) for row in await cursor.to_list(None)]

    async def open_causes(self) -> list[OpenCauses]:
        is_emergency: Document = {
            "$and": [
                {"$in": ["$kind", [kind.value for kind in OF_UPDATES]]},
                {"$eq": ["$content.kind", "emergency"]},
            ]
        }
        groups: list[Document] = [
            {"$match": _incomplete_query(None)},
            {
                "$group": {
                    "_id": {"state": "$state", "emergency": is_emergency},
                    "count": {"$sum": 1},
                    "oldest": {"$min": "$heard_at"},
                }
            },
        ]
        with sorted_errors():
            rows = await self._causes.aggregate(groups).to_list(None)
        return [
            OpenCauses(
                CauseState(row["_id"]["state"]),
                row["_id"]["emergency"],
                row["count"],
                row["oldest"],
            )
            for row in rows
        ]


def _rows_of(cause: str, rows: Sequence[Document]) -> list[Document]:
    return [row for row in rows if row["_id"]["cause"] == cause]


def _role_totals(rows: Sequence[Document]) -> list[RoleTotals]:
    by_role: dict[ToldAs, list[Document]] = {}
    for row in rows:
        by_role.setdefault(ToldAs(row["_id"]["role"]), []).append(row)
    return [
        RoleTotals(role, totals_from(mine), all(row["_id"]["state"] in _ENDED for row in mine))
        for role, mine in by_role.items()
    ]


def _beginning(cause: str) -> Document:
    return {"$gte": cause, "$lt": f"{cause}\uffff"}
