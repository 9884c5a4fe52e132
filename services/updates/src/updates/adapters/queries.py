"""Reads outside a transaction: the view and pages of updates."""

from collections.abc import Collection
from datetime import datetime

from servicekit.mongo import Database, Document, sorted_errors
from updates.adapters.documents import backer_id, project_from, update_from, update_id
from updates.domain.project import Project
from updates.domain.update import Update, UpdateState, Visibility


class MongoQueries:
    """`ports.Queries` over the service's own collections."""

    def __init__(self, database: Database) -> None:
        self._projects = database.collection("projects")
        self._updates = database.collection("updates")
        self._backers = database.collection("backers")

    async def project(self, campaign_id: str) -> Project | None:
        with sorted_errors():
            row = await self._projects.find_one({"_id": campaign_id})
        return project_from(row) if row else None

    async def update(self, campaign_id: str, update: str) -> Update | None:
        with sorted_errors():
            row = await self._updates.find_one({"_id": update_id(campaign_id, update)})
        return update_from(row) if row else None

    async def backs(self, campaign_id: str, person_id: str) -> bool:
        with sorted_errors():
            row = await self._backers.find_one({"_id": backer_id(campaign_id, person_id)})
        return row is not None

    async def published(
        self,
        campaign_id: str,
        before: tuple[datetime, str] | None,
        limit: int,
        visible: Collection[Visibility],
    ) -> list[Update]:
        query: Document = {
            "campaign_id": campaign_id,
            "state": UpdateState.PUBLISHED.value,
            "visibility": {"$in": [one.value for one in visible]},
        }
        if before is not None:
            at, update = before
            same_instant = {"published_at": at, "update_id": {"$lt": update}}
            query["$or"] = [{"published_at": {"$lt": at}}, same_instant]
        newest = [("published_at", -1), ("update_id", -1)]
        with sorted_errors():
            cursor = self._updates.find(query).sort(newest).limit(limit)
            return [update_from(row) for row in await cursor.to_list(None)]
