"""Reads outside a transaction: pages for people and the work list of the sweep."""

from collections.abc import Mapping
from datetime import datetime

from funding.adapters.documents import campaign_from, pledge_from, team_from
from funding.domain.campaign import Campaign, CampaignState
from funding.domain.pledge import Pledge
from funding.domain.team import Team
from servicekit.mongo import Database, Document, sorted_errors


class MongoQueries:
    """`ports.Queries` over the service's own collections, with majority reads."""

    def __init__(self, database: Database) -> None:
        self._campaigns = database.collection("campaigns")
        self._pledges = database.collection("pledges")
        self._teams = database.collection("teams")

    async def due(self, now: datetime, limit: int, skip: int = 0) -> list[str]:
        with sorted_errors():
            cursor = self._campaigns.find(_due_by(now), {"_id": 1})
            rows = await cursor.sort("next_due", 1).skip(skip).limit(limit).to_list(None)
        return [row["_id"] for row in rows]

    async def oldest_due(self) -> datetime | None:
        with sorted_errors():
            query = {"next_due": {"$type": "date"}}
            row = await self._campaigns.find_one(query, {"next_due": 1}, sort=[("next_due", 1)])
        return row["next_due"] if row else None

    async def due_pledges(self, now: datetime, limit: int, skip: int = 0) -> list[str]:
        with sorted_errors():
            cursor = self._pledges.find(_due_by(now), {"_id": 1})
            rows = await cursor.sort("next_due", 1).skip(skip).limit(limit).to_list(None)
        return [row["_id"] for row in rows]

    async def oldest_due_pledge(self) -> datetime | None:
        with sorted_errors():
            query = {"next_due": {"$type": "date"}}
            row = await self._pledges.find_one(query, {"next_due": 1}, sort=[("next_due", 1)])
        return row["next_due"] if row else None

    async def errored_pledges(self) -> int:
        with sorted_errors():
            # Nothing else of a pledge falls due, so the index holds no others.
            return await self._pledges.count_documents({"next_due": {"$type": "date"}})

    async def states(self) -> Mapping[str, int]:
        with sorted_errors():
            groups = [{"$group": {"_id": "$state", "count": {"$sum": 1}}}]
            rows = await self._campaigns.aggregate(groups).to_list(None)
        return {row["_id"]: row["count"] for row in rows}

    async def settling(self, limit: int) -> list[str]:
        # A verdict leaves nothing due, so the index of what is due holds all that wait for one.
        waiting = {"next_due": {"$type": "date"}, "state": CampaignState.SETTLING.value}
        with sorted_errors():
            cursor = self._campaigns.find(waiting, {"_id": 1}).sort("next_due", 1).limit(limit)
            return [row["_id"] for row in await cursor.to_list(None)]

    async def campaign(self, campaign_id: str) -> Campaign | None:
        with sorted_errors():
            row = await self._campaigns.find_one({"_id": campaign_id})
        return campaign_from(row) if row else None

    async def campaigns(self, after: str, limit: int) -> list[Campaign]:
        with sorted_errors():
            cursor = self._campaigns.find({"_id": {"$gt": after}}).sort("_id", 1).limit(limit)
            return [campaign_from(row) for row in await cursor.to_list(None)]

    async def team(self, campaign_id: str) -> Team | None:
        with sorted_errors():
            row = await self._teams.find_one({"_id": campaign_id})
        return team_from(row) if row else None

    async def pledge(self, campaign_id: str, pledge_id: str) -> Pledge | None:
        with sorted_errors():
            row = await self._pledges.find_one({"_id": pledge_id, "campaign_id": campaign_id})
        return pledge_from(row) if row else None

    async def pledges(self, campaign_id: str, after: str, limit: int) -> list[Pledge]:
        page = {"campaign_id": campaign_id, "_id": {"$gt": after}}
        with sorted_errors():
            cursor = self._pledges.find(page).sort("_id", 1).limit(limit)
            return [pledge_from(row) for row in await cursor.to_list(None)]


def _due_by(now: datetime) -> Document:
    """Return the filter; without the type MongoDB does not take the index, which names it."""
    return {"next_due": {"$type": "date", "$lte": now}}
