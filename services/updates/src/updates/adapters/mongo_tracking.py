"""Rewards on their way in MongoDB, who is owed one, and what falls due."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from servicekit.mongo import Collection as MongoCollection
from servicekit.mongo import Database, Session, sorted_errors
from updates.adapters.document_ids import joined_id
from updates.adapters.mongo_stores import save_versioned
from updates.adapters.tracking_documents import (
    Document,
    reward_document,
    reward_from,
    tracking_document,
    tracking_from,
)
from updates.domain.reward_tracking import RewardTracking
from updates.domain.tracking import Tracking
from updates.ports.tracking import TrackingPlace

# Of a pledge with these something is left.
STANDING: Document = {"withdrawn": False, "emptied_by": []}


class MongoTrackings:
    """The collection `trackings`, a document per campaign, reward and backer."""

    def __init__(self, database: Database, session: Session) -> None:
        self._trackings = database.collection("trackings")
        self._session = session

    async def load(self, places: Collection[TrackingPlace]) -> dict[TrackingPlace, Tracking]:
        if not places:
            return {}
        found = await self._found({"_id": {"$in": [joined_id(*place) for place in places]}})
        return {(one.campaign_id, one.reward_id, one.backer_id): one for one in found}

    async def of_backer(self, campaign_id: str, backer_id: str) -> list[Tracking]:
        found = await self._found({"campaign_id": campaign_id, "backer_id": backer_id})
        return sorted(found, key=lambda one: one.reward_id)

    async def with_parcels_to(self, backers: Collection[str]) -> list[Tracking]:
        # The number names the index: without it, MongoDB reads the whole collection.
        numbered = {"parcels.number": {"$gt": ""}}
        return await self._found({"backer_id": {"$in": list(backers)}, **numbered})

    async def save(self, trackings: Sequence[Tracking]) -> None:
        saved = [replace(one, version=one.version + 1) for one in trackings]
        documents = [tracking_document(one) for one in saved]
        await save_versioned(self._trackings, self._session, documents)

    async def _found(self, query: Document) -> list[Tracking]:
        with sorted_errors():
            rows = await self._trackings.find(query, session=self._session).to_list(None)
        return [tracking_from(row) for row in rows]


class MongoRewardTrackings:
    """The collection `reward_trackings`."""

    def __init__(self, database: Database, session: Session) -> None:
        self._rewards = database.collection("reward_trackings")
        self._session = session

    async def load(
        self, campaign_id: str, reward_ids: Collection[str]
    ) -> dict[str, RewardTracking]:
        wanted = {"_id": {"$in": [joined_id(campaign_id, one) for one in reward_ids]}}
        with sorted_errors():
            rows = await self._rewards.find(wanted, session=self._session).to_list(None)
        return {row["reward_id"]: reward_from(row) for row in rows}

    async def save(self, rewards: Sequence[RewardTracking]) -> None:
        saved = [replace(one, version=one.version + 1) for one in rewards]
        documents = [reward_document(one) for one in saved]
        await save_versioned(self._rewards, self._session, documents)


class MongoOwedRewards:
    """The collection `pledges`, as far as rewards are owed for them."""

    def __init__(self, database: Database, session: Session) -> None:
        self._pledges = database.collection("pledges")
        self._session = session

    async def standing(self, campaign_id: str, backers: Collection[str]) -> set[tuple[str, str]]:
        of_them: Document = {
            "campaign_id": campaign_id,
            "promise.backer_id": {"$in": list(backers)},
            "promise.reward_id": {"$type": "string"},
            **STANDING,
        }
        with sorted_errors():
            cursor = self._pledges.find(of_them, {"promise": 1}, session=self._session)
            rows = await cursor.to_list(None)
        return {(row["promise"]["reward_id"], row["promise"]["backer_id"]) for row in rows}

    async def page(self, campaign_id: str, reward_id: str, after: str, limit: int) -> list[str]:
        found: list[str] = []
        # Who has several pledges has several rows: the next ones are read until the page is full.
        while len(found) < limit:
            wanted = limit - len(found)
            rows = await self._behind(campaign_id, reward_id, found[-1] if found else after, wanted)
            found += dict.fromkeys(rows)
            if len(rows) < wanted:
                break
        return found

    async def _behind(self, campaign_id: str, reward_id: str, after: str, limit: int) -> list[str]:
        owed: Document = {
            "campaign_id": campaign_id,
            "promise.reward_id": reward_id,
            "promise.backer_id": {"$gt": after},
            **STANDING,
        }
        with sorted_errors():
            cursor = self._pledges.find(owed, {"promise.backer_id": 1}, session=self._session)
            rows = await cursor.sort("promise.backer_id", 1).limit(limit).to_list(None)
        return [row["promise"]["backer_id"] for row in rows]


class MongoTrackingQueries:
    """`ports.tracking.TrackingQueries` over the service's own collections."""

    def __init__(self, database: Database) -> None:
        self._trackings = database.collection("trackings")
        self._rewards = database.collection("reward_trackings")

    async def due_questions(self, now: datetime, limit: int, skip: int = 0) -> list[TrackingPlace]:
        rows = await _due(self._trackings, now, limit, skip)
        return [(row["campaign_id"], row["reward_id"], row["backer_id"]) for row in rows]

    async def oldest_due_question(self) -> datetime | None:
        return await _oldest_due(self._trackings)

    async def due_notices(self, now: datetime, limit: int, skip: int = 0) -> list[tuple[str, str]]:
        rows = await _due(self._rewards, now, limit, skip)
        return [(row["campaign_id"], row["reward_id"]) for row in rows]

    async def oldest_due_notice(self) -> datetime | None:
        return await _oldest_due(self._rewards)


async def _due(collection: MongoCollection, now: datetime, limit: int, skip: int) -> list[Document]:
    due = {"next_due": {"$type": "date", "$lte": now}}
    with sorted_errors():
        cursor = collection.find(due).sort("next_due", 1).skip(skip).limit(limit)
        rows: list[Document] = await cursor.to_list(None)
    return rows


async def _oldest_due(collection: MongoCollection) -> datetime | None:
    due = {"next_due": {"$type": "date"}}
    with sorted_errors():
        row = await collection.find_one(due, {"next_due": 1}, sort=[("next_due", 1)])
    return row["next_due"] if row else None
