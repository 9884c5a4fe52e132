"""Decisive messages that reached nobody by mail, in MongoDB: the collection `unreached`.

`open` stands in those that wait, so that an index holds no others.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from notifier.domain.cause import Totals
from notifier.domain.unreached import Ended, HowEnded, Unreached, forget, totals_of
from notifier.ports.unreached import OpenUnreached
from servicekit.documents import read_as
from servicekit.mongo import Database, Document, Session, sorted_errors

OPEN: Document = {"open": True}
OLDEST_FIRST: Document = {"since": 1, "_id": 1}
NEWEST_FIRST: Document = {"caused_at": -1}


class MongoUnreachedMessages:
    """`ports.unreached.UnreachedMessages` in a transaction."""

    def __init__(self, database: Database, session: Session) -> None:
        self._unreached = database.collection("unreached")
        self._session = session

    async def load(self, notification_id: str) -> Unreached | None:
        with sorted_errors():
            row = await self._unreached.find_one({"_id": notification_id}, session=self._session)
        return unreached_from(row) if row else None

    async def add_new(self, unreached: Sequence[Unreached]) -> None:
        wanted = {one.notification_id: one for one in unreached}
        if not wanted:
            return
        with sorted_errors():
            cursor = self._unreached.find(
                {"_id": {"$in": list(wanted)}}, {"_id": 1}, session=self._session
            )
            known = {row["_id"] for row in await cursor.to_list(None)}
            new = [unreached_document(one) for name, one in wanted.items() if name not in known]
            if new:
                await self._unreached.insert_many(new, session=self._session)

    async def save(self, unreached: Unreached) -> None:
        document = unreached_document(unreached)
        with sorted_errors():
            await self._unreached.replace_one(
                {"_id": unreached.notification_id}, document, upsert=True, session=self._session
            )

    async def end_of(self, people: Collection[str], until: datetime | None, ended: Ended) -> None:
        query: Document = OPEN | {"person_id": {"$in": list(people)}}
        if until is not None:
            query["caused_at"] = {"$lte": until}
        await self._end(query, ended)

    async def end_in(self, chunk_ids: Collection[str], ended: Ended) -> None:
        if chunk_ids:
            await self._end(OPEN | {"chunk_id": {"$in": list(chunk_ids)}}, ended)

    async def _end(self, query: Document, ended: Ended) -> None:
        change = {"$set": {"ended": _ended_document(ended)}, "$unset": {"open": ""}}
        with sorted_errors():
            await self._unreached.update_many(query, change, session=self._session)

    async def shed(self, chunk_ids: Collection[str]) -> None:
        query = {"chunk_id": {"$in": list(chunk_ids)}}
        with sorted_errors():
            cursor = self._unreached.find(query, session=self._session)
            for row in await cursor.to_list(None):
                await self.save(forget(unreached_from(row)))


class MongoUnreachedQueries:
    """`ports.unreached.UnreachedQueries`."""

    def __init__(self, database: Database) -> None:
        self._unreached = database.collection("unreached")

    async def unreached(self, after: tuple[datetime, str] | None, limit: int) -> list[Unreached]:
        with sorted_errors():
            cursor = self._unreached.find(_waiting_query(after)).sort(list(OLDEST_FIRST.items()))
            return [unreached_from(row) for row in await cursor.limit(limit).to_list(None)]

    async def unreached_of(self, person_id: str, most: int) -> list[Unreached]:
        with sorted_errors():
            cursor = self._unreached.find(OPEN | {"person_id": person_id})
            cursor = cursor.sort(list(NEWEST_FIRST.items())).limit(most)
            return [unreached_from(row) for row in await cursor.to_list(None)]

    async def unreached_in(self, chunk_ids: Collection[str]) -> list[Unreached]:
        with sorted_errors():
            cursor = self._unreached.find({"chunk_id": {"$in": list(chunk_ids)}}).sort("_id", 1)
            return [unreached_from(row) for row in await cursor.to_list(None)]

    async def unreached_totals(self, cause: str) -> Totals | None:
        groups: list[Document] = [
            {"$match": {"cause": cause}},
            {"$group": {"_id": "$ended.how", "people": {"$sum": 1}}},
        ]
        with sorted_errors():
            rows = await self._unreached.aggregate(groups).to_list(None)
        if not rows:
            return None
        return totals_of(
            {HowEnded(row["_id"]) if row["_id"] else None: row["people"] for row in rows}
        )

    async def open_unreached(self) -> OpenUnreached:
        with sorted_errors():
            count = await self._unreached.count_documents(OPEN)
        oldest = await self.unreached(None, 1) if count else []
        return OpenUnreached(count, oldest[0].since if oldest else None)


def _waiting_query(after: tuple[datetime, str] | None) -> Document:
    """Return what finds those that wait, behind a place where one is given."""
    query: Document = dict(OPEN)
    if after is not None:
        at, notification_id = after
        # Not as an `$or` of both: that one is sorted in memory, this comes in the index's order.
        query["since"] = {"$gte": at}
        query["$nor"] = [{"since": at, "_id": {"$lte": notification_id}}]
    return query


def unreached_document(unreached: Unreached) -> Document:
    fields = {name: getattr(unreached, name) for name in Unreached.__slots__}
    del fields["notification_id"]
    ended = {"ended": _ended_document(unreached.ended) if unreached.ended else None}
    waiting = OPEN if unreached.ended is None else {}
    return {"_id": unreached.notification_id, **fields, **ended, **waiting}


def _ended_document(ended: Ended) -> Document:
    return {"how": ended.how.value, "at": ended.at, "by": ended.by, "what": ended.what}


def unreached_from(row: Document) -> Unreached:
    known = read_as(Unreached, row, notification_id=row["_id"])
    if known.ended is None:
        return known
    words: Document = row["ended"]
    return replace(known, ended=read_as(Ended, words, how=HowEnded(words["how"])))
