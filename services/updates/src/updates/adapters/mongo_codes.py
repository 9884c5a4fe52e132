"""Codes of digital rewards in MongoDB; a unique index gives each backer of a reward one."""

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime

from pymongo import UpdateOne

from servicekit.mongo import Database, Session, sorted_errors
from updates.adapters.document_ids import joined_id
from updates.adapters.tracking_documents import Document
from updates.ports.codes import CodeStock
from updates.ports.tracking import TrackingPlace


class MongoCodes:
    """The collection `codes`, a document per campaign and code."""

    def __init__(self, database: Database, session: Session) -> None:
        self._codes = database.collection("codes")
        self._session = session

    async def add(
        self, campaign_id: str, reward_id: str, codes: Sequence[str], at: datetime
    ) -> int:
        ids = {joined_id(campaign_id, _digest(code)): code for code in codes}
        with sorted_errors():
            known = self._codes.find({"_id": {"$in": list(ids)}}, {"_id": 1}, session=self._session)
            there = {row["_id"] for row in await known.to_list(None)}
            new = [
                _document(name, campaign_id, reward_id, code, at)
                for name, code in ids.items()
                if name not in there
            ]
            if new:
                await self._codes.insert_many(new, session=self._session)
        return len(new)

    async def given(self, places: Collection[TrackingPlace]) -> dict[TrackingPlace, str]:
        found: dict[TrackingPlace, str] = {}
        for reward in sorted({place[:2] for place in places}):
            campaign_id, reward_id = reward
            backers = [place[2] for place in places if place[:2] == reward]
            wanted = {
                "campaign_id": campaign_id,
                "reward_id": reward_id,
                "backer_id": {"$in": backers, "$type": "string"},
            }
            with sorted_errors():
                rows = await self._codes.find(wanted, session=self._session).to_list(None)
            found |= {(*reward, row["backer_id"]): str(row["code"]) for row in rows}
        return found

    async def take(
        self, campaign_id: str, reward_id: str, backers: Sequence[str], at: datetime
    ) -> dict[str, str]:
        if not backers:
            return {}
        rows = await self._next_free(campaign_id, reward_id, backers)
        given = list(zip(backers, rows, strict=False))
        with sorted_errors():
            if given:
                await self._codes.bulk_write(
                    [
                        UpdateOne({"_id": row["_id"]}, {"$set": {"backer_id": who, "given_at": at}})
                        for who, row in given
                    ],
                    session=self._session,
                )
        return {who: str(row["code"]) for who, row in given}

    async def _next_free(
        self, campaign_id: str, reward_id: str, backers: Sequence[str]
    ) -> list[Document]:
        # From a place of the first backer's own: processes that open at once do not all reach for
        # the same codes. What both reach for nevertheless only one of them is given: `Conflict`.
        begin = joined_id(campaign_id, _digest(backers[0]))
        found: list[Document] = []
        for where in ({"$gte": begin}, {"$lt": begin}):
            free = {**_free(campaign_id, reward_id), "_id": where}
            wanted = len(backers) - len(found)
            with sorted_errors():
                cursor = self._codes.find(free, session=self._session).sort("_id", 1)
                found += await cursor.limit(wanted).to_list(None) if wanted else []
        return found

    async def stock(self, campaign_id: str, reward_id: str) -> CodeStock:
        of_reward = {"campaign_id": campaign_id, "reward_id": reward_id}
        state = {
            "given": {"$cond": [{"$eq": ["$backer_id", None]}, False, True]},
            "withheld": "$withheld",
        }
        counted: list[Document] = [
            {"$match": of_reward},
            {"$group": {"_id": state, "count": {"$sum": 1}}},
        ]
        with sorted_errors():
            rows = await self._codes.aggregate(counted, session=self._session).to_list(None)
        counts = {(row["_id"]["given"], row["_id"]["withheld"]): row["count"] for row in rows}
        return CodeStock(
            counts.get((False, False), 0),
            counts.get((True, False), 0),
            counts.get((False, True), 0),
        )

    async def withhold(self, campaign_id: str, reward_id: str) -> int:
        with sorted_errors():
            result = await self._codes.update_many(
                _free(campaign_id, reward_id), {"$set": {"withheld": True}}, session=self._session
            )
        return int(result.modified_count)


def _free(campaign_id: str, reward_id: str) -> Document:
    return {
        "campaign_id": campaign_id,
        "reward_id": reward_id,
        "withheld": False,
        "backer_id": None,
    }


def _document(name: str, campaign_id: str, reward_id: str, code: str, at: datetime) -> Document:
    return {
        "_id": name,
        **_free(campaign_id, reward_id),
        "code": code,
        "added_at": at,
        "given_at": None,
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
