"""Appeals that wait for a ruling in MongoDB: the collection `open_appeals`."""

from dataclasses import asdict
from datetime import datetime

from servicekit.documents import read_as
from servicekit.mongo import Database, Document, Session, sorted_errors
from updates.adapters.mongo_reports import thing_id
from updates.domain.open_appeal import OpenAppeal
from updates.domain.report import Thing
from updates.ports.appeals import AppealsWaiting


class MongoAppeals:
    """`ports.appeals.Appeals`, one document per thing."""

    def __init__(self, database: Database, session: Session) -> None:
        self._appeals = database.collection("open_appeals")
        self._session = session

    async def add(self, appeal: OpenAppeal) -> None:
        name = thing_id(appeal.thing)
        document = {"_id": name, **asdict(appeal)}
        with sorted_errors():
            await self._appeals.replace_one(
                {"_id": name}, document, upsert=True, session=self._session
            )

    async def remove(self, thing: Thing) -> None:
        with sorted_errors():
            await self._appeals.delete_one({"_id": thing_id(thing)}, session=self._session)


class MongoAppealQueries:
    """`ports.appeals.AppealQueries` over the same collection."""

    def __init__(self, database: Database) -> None:
        self._appeals = database.collection("open_appeals")

    async def appeals_waiting(
        self, after: tuple[datetime, Thing] | None, limit: int
    ) -> list[OpenAppeal]:
        query: Document = {}
        if after is not None:
            at, thing = after
            same_instant = {"appealed_at": at, "_id": {"$gt": thing_id(thing)}}
            # The range alone bounds what is read of the index, however deep the page.
            query["appealed_at"] = {"$gte": at}
            query["$or"] = [{"appealed_at": {"$gt": at}}, same_instant]
        oldest = [("appealed_at", 1), ("_id", 1)]
        with sorted_errors():
            rows = await self._appeals.find(query).sort(oldest).limit(limit).to_list(None)
        return [
            OpenAppeal(read_as(Thing, row["thing"]), row["appealed_at"], row["hidden_by"])
            for row in rows
        ]

    async def waiting(self) -> AppealsWaiting:
        first = await self.appeals_waiting(None, 1)
        with sorted_errors():
            count = int(await self._appeals.count_documents({}))
        return AppealsWaiting(count, first[0].appealed_at if first else None)
