"""What campaigns owe in words, in MongoDB."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from servicekit.mongo import Database, Document, Session, sorted_errors
from updates.adapters.document_ids import plain_id
from updates.adapters.follow_up_documents import follow_up_document, follow_up_from
from updates.adapters.mongo_stores import save_versioned
from updates.domain.follow_up import FollowUp, SilenceStep
from updates.domain.problem import ProblemKind


class MongoFollowUps:
    """The collection `follow_ups`."""

    def __init__(self, database: Database, session: Session) -> None:
        self._follow_ups = database.collection("follow_ups")
        self._session = session

    async def load(self, campaign_ids: Collection[str]) -> dict[str, FollowUp]:
        wanted = {"_id": {"$in": list(campaign_ids)}}
        with sorted_errors():
            rows = await self._follow_ups.find(wanted, session=self._session).to_list(None)
        return {row["_id"]: follow_up_from(row) for row in rows}

    async def save(self, follow_ups: Sequence[FollowUp]) -> None:
        saved = [replace(one, version=one.version + 1) for one in follow_ups]
        documents = [follow_up_document(one) for one in saved]
        await save_versioned(self._follow_ups, self._session, documents)


class MongoAskers:
    """The collection `askers`, one document per silence and person."""

    def __init__(self, database: Database, session: Session) -> None:
        self._askers = database.collection("askers")
        self._session = session

    async def add(self, campaign_id: str, since: datetime, person_id: str) -> bool:
        row = {"_id": plain_id(campaign_id, since.isoformat(), person_id)}
        with sorted_errors():
            # Looked for first: an insert that is refused would end the transaction.
            if await self._askers.find_one(row, session=self._session) is not None:
                return False
            await self._askers.insert_one(row, session=self._session)
        return True


class MongoFollowUpQueries:
    """`ports.FollowUpQueries` over the same collection."""

    def __init__(self, database: Database) -> None:
        self._follow_ups = database.collection("follow_ups")

    async def follow_up(self, campaign_id: str) -> FollowUp | None:
        with sorted_errors():
            row = await self._follow_ups.find_one({"_id": campaign_id})
        return follow_up_from(row) if row else None

    async def follow_ups_for_staff(
        self, after: tuple[datetime, str] | None, limit: int
    ) -> list[FollowUp]:
        # The index names the type: without it here, MongoDB reads the whole collection.
        query: Document = {"staff_since": {"$type": "date"}}
        if after is not None:
            at, campaign_id = after
            same_instant = {"staff_since": at, "_id": {"$gt": campaign_id}}
            # The range alone bounds what is read of the index, however deep the page.
            query["staff_since"]["$gte"] = at
            query["$or"] = [{"staff_since": {"$gt": at}}, same_instant]
        longest = [("staff_since", 1), ("_id", 1)]
        with sorted_errors():
            rows = await self._follow_ups.find(query).sort(longest).limit(limit).to_list(None)
        return [follow_up_from(row) for row in rows]

    async def due_follow_ups(self, now: datetime, limit: int, skip: int = 0) -> list[str]:
        with sorted_errors():
            # The index names the type: without it here, MongoDB reads the whole collection.
            due = {"next_due": {"$type": "date", "$lte": now}}
            cursor = self._follow_ups.find(due, {"_id": 1})
            rows = await cursor.sort([("next_due", 1)]).skip(skip).limit(limit).to_list(None)
        return [row["_id"] for row in rows]

    async def oldest_due_follow_up(self) -> datetime | None:
        with sorted_errors():
            cursor = self._follow_ups.find({"next_due": {"$type": "date"}}, {"next_due": 1})
            rows = await cursor.sort([("next_due", 1)]).limit(1).to_list(None)
        return rows[0]["next_due"] if rows else None

    async def open_problems(self) -> Mapping[ProblemKind, int]:
        stages: list[Document] = [
            {
                "$match": {
                    "letter": None,
                    # As the index has it: without the type MongoDB reads the whole collection.
                    "problems.opened_at": {"$type": "date"},
                    "problems": {"$elemMatch": {"resolved_at": None}},
                }
            },
            {"$unwind": "$problems"},
            {"$match": {"problems.resolved_at": None}},
            {"$group": {"_id": "$problems.kind", "count": {"$sum": 1}}},
        ]
        return {ProblemKind(kind): count for kind, count in await self._counts(stages)}

    async def silent_projects(self) -> Mapping[SilenceStep, int]:
        name = "silence.steps.taken"
        stages: list[Document] = [
            {"$match": {name: {"$gt": 0}}},
            {"$group": {"_id": f"${name}", "count": {"$sum": 1}}},
        ]
        steps = list(SilenceStep)
        return {steps[taken - 1]: count for taken, count in await self._counts(stages)}

    async def _counts(self, stages: list[Document]) -> list[tuple[Any, int]]:
        with sorted_errors():
            rows = await self._follow_ups.aggregate(stages).to_list(None)
        return [(row["_id"], row["count"]) for row in rows]
