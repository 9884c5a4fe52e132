"""What the project view shows of this service's own subjects, from their collections."""

from datetime import datetime
from typing import Any

from servicekit.mongo import Collection, Database, Document, sorted_errors
from updates.adapters.mongo_view import MongoViewSources
from updates.adapters.plan_documents import entry_from, plan_from
from updates.domain.survey import SurveyState
from updates.domain.update import UpdateState
from updates.ports.project_parts import Counts, Promised


class MongoProjectParts:
    """`ports.ProjectParts` over the service's own collections."""

    def __init__(self, database: Database) -> None:
        self._told = database.collection("updates")
        self._surveys = database.collection("surveys")
        self._claims = database.collection("claims")
        self._plans = database.collection("plans")
        self._log = database.collection("promise_log")
        self._sources = MongoViewSources(database)

    async def counts(self, campaign_id: str) -> Counts:
        published: Document = {"campaign_id": campaign_id, "state": UpdateState.PUBLISHED.value}
        asked = {"campaign_id": campaign_id, "state": {"$ne": SurveyState.DRAFT.value}}
        claims = await _counted(self._claims, {"campaign_id": campaign_id}, "open")
        return Counts(
            updates=await _counted(self._told, published, "kind"),
            surveys=await _counted(self._surveys, asked, "state"),
            claims_open=claims.get(True, 0),
            claims_ended=claims.get(False, 0),
        )

    async def promised(self, campaign_id: str, moves: int) -> Promised:
        with sorted_errors():
            row = await self._plans.find_one({"_id": campaign_id})
            cursor = self._log.find({"campaign_id": campaign_id})
            entries = await cursor.sort("number", -1).limit(moves).to_list(None)
        return Promised(plan_from(row) if row else None, [entry_from(one) for one in entries])

    async def whole_at(self) -> dict[str, datetime]:
        return await self._sources.whole_at()


async def _counted(collection: Collection, wanted: Document, by: str) -> dict[Any, int]:
    grouped: list[Document] = [
        {"$match": wanted},
        {"$group": {"_id": f"${by}", "count": {"$sum": 1}}},
        {"$sort": {"_id": 1}},
    ]
    with sorted_errors():
        rows = await collection.aggregate(grouped).to_list(None)
    return {row["_id"]: row["count"] for row in rows}
