"""Reads outside a transaction: the view and pages of updates."""

from datetime import datetime

from servicekit.mongo import Database, Document, sorted_errors
from updates.adapters.document_ids import plain_id
from updates.adapters.documents import (
    holding_from,
    project_from,
    revision_from,
    update_from,
)
from updates.adapters.mongo_follow_ups import MongoFollowUpQueries
from updates.adapters.mongo_project_parts import MongoProjectParts
from updates.domain.correction import Revision
from updates.domain.project import Project
from updates.domain.sight import EVERYTHING, Sight
from updates.domain.update import Update, UpdateState, Visibility


class MongoQueries(MongoFollowUpQueries, MongoProjectParts):
    """`ports.Queries` over the service's own collections."""

    def __init__(self, database: Database) -> None:
        MongoFollowUpQueries.__init__(self, database)
        MongoProjectParts.__init__(self, database)
        self._projects = database.collection("projects")
        self._updates = database.collection("updates")
        self._backers = database.collection("backers")
        self._revisions = database.collection("revisions")

    async def project(self, campaign_id: str) -> Project | None:
        with sorted_errors():
            row = await self._projects.find_one({"_id": campaign_id})
        return project_from(row) if row else None

    async def update(self, campaign_id: str, update: str) -> Update | None:
        with sorted_errors():
            row = await self._updates.find_one({"_id": plain_id(campaign_id, update)})
        return update_from(row) if row else None

    async def rewards_of(self, campaign_id: str, person_id: str) -> frozenset[str] | None:
        with sorted_errors():
            row = await self._backers.find_one({"_id": plain_id(campaign_id, person_id)})
        return frozenset(holding_from(row)) - {""} if row else None

    async def revisions(
        self, campaign_id: str, update: str, before: int | None, limit: int, *, corrections: bool
    ) -> list[Revision]:
        query: Document = {"campaign_id": campaign_id, "update_id": update}
        if corrections:
            query["correction"] = True
        if before is not None:
            query["number"] = {"$lt": before}
        with sorted_errors():
            cursor = self._revisions.find(query).sort("number", -1).limit(limit)
            return [revision_from(row) for row in await cursor.to_list(None)]

    async def published(
        self,
        campaign_id: str,
        before: tuple[datetime, str] | None,
        limit: int,
        sight: Sight,
    ) -> list[Update]:
        query = published_to(campaign_id, before, sight)
        return await self._newest(query, "published_at", limit)

    async def drafts(
        self, campaign_id: str, before: tuple[datetime, str] | None, limit: int
    ) -> list[Update]:
        waiting = [UpdateState.DRAFT.value, UpdateState.SCHEDULED.value]
        query: Document = {
            "campaign_id": campaign_id,
            "published_at": None,
            "state": {"$in": waiting},
        }
        return await self._newest(_behind(query, "drafted_at", before), "drafted_at", limit)

    async def due_updates(self, now: datetime, limit: int, skip: int = 0) -> list[tuple[str, str]]:
        due = {"schedule.next_due": {"$type": "date", "$lte": now}}
        with sorted_errors():
            cursor = self._updates.find(due, {"campaign_id": 1, "update_id": 1})
            rows = await cursor.sort("schedule.next_due", 1).skip(skip).limit(limit).to_list(None)
        return [(row["campaign_id"], row["update_id"]) for row in rows]

    async def oldest_due_update(self) -> datetime | None:
        name = "schedule.next_due"
        with sorted_errors():
            row = await self._updates.find_one(
                {name: {"$type": "date"}}, {name: 1}, sort=[(name, 1)]
            )
        return row["schedule"]["next_due"] if row else None

    async def overdue_updates(self, by: datetime) -> int:
        name = "schedule.publish_at"
        with sorted_errors():
            return await self._updates.count_documents({name: {"$type": "date", "$lte": by}})

    async def _newest(self, query: Document, by: str, limit: int) -> list[Update]:
        with sorted_errors():
            cursor = self._updates.find(query).sort([(by, -1), ("update_id", -1)]).limit(limit)
            return [update_from(row) for row in await cursor.to_list(None)]


def published_to(campaign_id: str, before: tuple[datetime, str] | None, sight: Sight) -> Document:
    """Return what finds the published updates that are shown to this sight, behind a place.

    What is hidden is shown to those who see everything: its team and staff.
    """
    query: Document = {"campaign_id": campaign_id, "state": UpdateState.PUBLISHED.value}
    if sight != EVERYTHING:
        # Hiding is younger than some updates.
        query["hidden"] = {"$ne": True}
        query["$and"] = [{"$or": _seen(sight)}]
    return _behind(query, "published_at", before)


def _behind(query: Document, by: str, before: tuple[datetime, str] | None) -> Document:
    if before is None:
        return query
    at, update = before
    same_instant = {by: at, "update_id": {"$lt": update}}
    # The range alone bounds what is read of the index, however deep the page.
    return query | {by: {"$lte": at}, "$or": [{by: {"$lt": at}}, same_instant]}


def _seen(sight: Sight) -> list[Document]:
    """Return the ways in which an update is shown: `Sight.shows` as a query."""
    open_to = [Visibility.PUBLIC, *([Visibility.BACKERS] if sight.inside else [])]
    chosen = [] if sight.rewards is None else sorted(sight.rewards)
    return [
        {"visibility": {"$in": [one.value for one in open_to]}},
        {"visibility": Visibility.REWARDS.value, "rewards": {"$in": chosen}},
    ]
