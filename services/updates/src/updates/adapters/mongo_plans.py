"""Delivery plans and the promise log in MongoDB."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from servicekit.mongo import Database, Session, sorted_errors
from updates.adapters.mongo_stores import save_versioned
from updates.adapters.plan_documents import (
    Document,
    entry_document,
    entry_from,
    plan_document,
    plan_from,
)
from updates.domain.delivery_plan import DeliveryPlan, PromiseMoved, PromiseState
from updates.ports.plans import PromiseCounts


class MongoPlans:
    """The collections `plans` and `promise_log`."""

    def __init__(self, database: Database, session: Session) -> None:
        self._plans = database.collection("plans")
        self._log = database.collection("promise_log")
        self._session = session

    async def load(self, campaign_id: str) -> DeliveryPlan | None:
        with sorted_errors():
            row = await self._plans.find_one({"_id": campaign_id}, session=self._session)
        return plan_from(row) if row else None

    async def save(self, plan: DeliveryPlan) -> None:
        saved = replace(plan, version=plan.version + 1)
        await save_versioned(self._plans, self._session, [plan_document(saved)])

    async def log(self, entries: Sequence[PromiseMoved]) -> None:
        if not entries:
            return
        documents = [entry_document(entry) for entry in entries]
        with sorted_errors():
            await self._log.insert_many(documents, session=self._session)

    async def log_page(
        self, campaign_id: str, before: int | None, limit: int
    ) -> list[PromiseMoved]:
        query: Document = {"campaign_id": campaign_id}
        if before is not None:
            query["number"] = {"$lt": before}
        with sorted_errors():
            cursor = self._log.find(query, session=self._session)
            rows = await cursor.sort("number", -1).limit(limit).to_list(None)
        return [entry_from(row) for row in rows]


class MongoPlanQueries:
    """`ports.PlanQueries` over `plans` and `promise_log`."""

    def __init__(self, database: Database) -> None:
        self._plans = database.collection("plans")
        self._log = database.collection("promise_log")

    async def promises(self, day: date) -> PromiseCounts:
        # Days are kept as in ISO 8601, which sort as they follow each other.
        past = {"$lt": ["$lines.promises.day", day.isoformat()]}
        open_ones: list[Document] = [
            {"$match": {"ended": False}},
            {"$unwind": "$lines"},
            {"$unwind": "$lines.promises"},
            {"$match": {"lines.promises.state": PromiseState.OPEN.value}},
            {"$group": {"_id": past, "count": {"$sum": 1}}},
        ]
        moved: list[Document] = [
            {"$group": {"_id": {"$gt": ["$new", "$old"]}, "count": {"$sum": 1}}}
        ]
        with sorted_errors():
            rows = await self._plans.aggregate(open_ones).to_list(None)
            moves = await self._log.aggregate(moved).to_list(None)
        is_past = {row["_id"]: row["count"] for row in rows}
        is_later = {row["_id"]: row["count"] for row in moves}
        return PromiseCounts(
            is_past.get(False, 0),
            is_past.get(True, 0),
            is_later.get(False, 0),
            is_later.get(True, 0),
        )

    async def due_plans(self, now: datetime, limit: int, skip: int = 0) -> list[str]:
        due = {"next_due": {"$type": "date", "$lte": now}}
        with sorted_errors():
            cursor = self._plans.find(due, {"_id": 1}).sort("next_due", 1).skip(skip).limit(limit)
            return [row["_id"] for row in await cursor.to_list(None)]

    async def oldest_due_plan(self) -> datetime | None:
        with sorted_errors():
            row = await self._plans.find_one(
                {"next_due": {"$type": "date"}}, {"next_due": 1}, sort=[("next_due", 1)]
            )
        return row["next_due"] if row else None
