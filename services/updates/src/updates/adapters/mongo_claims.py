"""Pledges and claims in MongoDB, and reads of claims outside a transaction."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from servicekit.mongo import Database, Session, sorted_errors
from updates.adapters.claim_documents import (
    Document,
    claim_document,
    claim_from,
    pledge_document,
    pledge_from,
)
from updates.adapters.document_ids import plain_id
from updates.adapters.mongo_stores import save_versioned
from updates.domain.claim import Claim, ClaimState
from updates.domain.claim_reason import Reason
from updates.domain.pledge import Pledge
from updates.ports.claims import Cluster, PledgePlace


class MongoPledges:
    """The collection `pledges`, one document per pledge."""

    def __init__(self, database: Database, session: Session) -> None:
        self._pledges = database.collection("pledges")
        self._session = session

    async def load(self, places: Collection[PledgePlace]) -> dict[PledgePlace, Pledge]:
        if not places:
            return {}
        wanted = {"_id": {"$in": [plain_id(*place) for place in places]}}
        with sorted_errors():
            rows = await self._pledges.find(wanted, session=self._session).to_list(None)
        return {(row["campaign_id"], row["pledge_id"]): pledge_from(row) for row in rows}

    async def of_backer(self, campaign_id: str, backer_id: str) -> list[Pledge]:
        mine = {"campaign_id": campaign_id, "promise.backer_id": backer_id}
        with sorted_errors():
            rows = await self._pledges.find(mine, session=self._session).sort("_id", 1).to_list()
        return [pledge_from(row) for row in rows]

    async def save(self, pledges: Sequence[Pledge]) -> None:
        saved = [replace(pledge, version=pledge.version + 1) for pledge in pledges]
        documents = [pledge_document(one) for one in saved]
        await save_versioned(self._pledges, self._session, documents)


class MongoClaims:
    """The collection `claims`."""

    def __init__(self, database: Database, session: Session) -> None:
        self._claims = database.collection("claims")
        self._session = session

    async def load(self, campaign_id: str, claim_id: str) -> Claim | None:
        return await self._found({"_id": plain_id(campaign_id, claim_id)})

    async def open_about(self, campaign_id: str, pledge_id: str, reason: Reason) -> Claim | None:
        about = {"campaign_id": campaign_id, "pledge_id": pledge_id, "reason": reason.value}
        return await self._found(about | {"open": True})

    async def of_backers(self, backers: Collection[str]) -> list[Claim]:
        wanted = {"backer_id": {"$in": list(backers)}}
        with sorted_errors():
            rows = await self._claims.find(wanted, session=self._session).to_list(None)
        return [claim_from(row) for row in rows]

    async def save(self, claim: Claim) -> None:
        saved = replace(claim, version=claim.version + 1)
        await save_versioned(self._claims, self._session, [claim_document(saved)])

    async def _found(self, query: Document) -> Claim | None:
        with sorted_errors():
            row = await self._claims.find_one(query, session=self._session)
        return claim_from(row) if row else None


class MongoClaimQueries:
    """`ports.claims.ClaimQueries` over the collection `claims`."""

    def __init__(self, database: Database) -> None:
        self._claims = database.collection("claims")

    async def claim(self, campaign_id: str, claim_id: str) -> Claim | None:
        with sorted_errors():
            row = await self._claims.find_one({"_id": plain_id(campaign_id, claim_id)})
        return claim_from(row) if row else None

    async def claims(
        self, campaign_id: str, backer_id: str | None, after: str, limit: int
    ) -> list[Claim]:
        query: Document = {"campaign_id": campaign_id, "claim_id": {"$gt": after}}
        if backer_id is not None:
            query["backer_id"] = backer_id
        with sorted_errors():
            cursor = self._claims.find(query).sort("claim_id", 1).limit(limit)
            return [claim_from(row) for row in await cursor.to_list(None)]

    async def clusters(self, campaign_id: str, named: int) -> list[Cluster]:
        about = {"reward_id": "$reward_id", "reason": "$reason", "batch": "$batch"}
        # What nobody has to answer now stands last.
        idle = {"$cond": [{"$ifNull": ["$due_at", False]}, 0, 1]}
        waits = {"idle": idle, "due": "$due_at", "claim": "$claim_id"}
        first = {"$minN": {"input": waits, "n": named}}
        counted = {"_id": about, "count": {"$sum": 1}, "due": {"$min": "$due_at"}, "first": first}
        pipeline: list[Document] = [
            {"$match": {"campaign_id": campaign_id, "open": True}},
            {"$group": counted},
            {"$sort": {"count": -1, "_id.reward_id": 1, "_id.reason": 1, "_id.batch": 1}},
        ]
        with sorted_errors():
            rows = await self._claims.aggregate(pipeline).to_list(None)
        return [
            Cluster(
                row["_id"].get("reward_id"),
                Reason(row["_id"]["reason"]),
                row["_id"].get("batch"),
                row["count"],
                row["due"],
                tuple(one["claim"] for one in row["first"]),
            )
            for row in rows
        ]

    async def claims_waiting(
        self, states: Collection[ClaimState], until: datetime | None, limit: int, skip: int = 0
    ) -> list[Claim]:
        due: Document = {"$type": "date"} if until is None else {"$type": "date", "$lte": until}
        query = {"state": {"$in": [state.value for state in states]}, "due_at": due}
        with sorted_errors():
            cursor = (
                self._claims.find(query).sort([("due_at", 1), ("_id", 1)]).skip(skip).limit(limit)
            )
            return [claim_from(row) for row in await cursor.to_list(None)]

    async def claims_by_state(self) -> dict[ClaimState, int]:
        counted = [{"$group": {"_id": "$state", "count": {"$sum": 1}}}]
        with sorted_errors():
            rows = await self._claims.aggregate(counted).to_list(None)
        return {ClaimState(row["_id"]): row["count"] for row in rows}

    async def claims_overdue(self, states: Collection[ClaimState], now: datetime) -> int:
        late = {"state": {"$in": [state.value for state in states]}, "due_at": {"$lt": now}}
        with sorted_errors():
            return await self._claims.count_documents(late)
