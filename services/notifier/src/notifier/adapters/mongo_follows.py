"""Followings in MongoDB, one document for each campaign and whoever asks."""

from collections.abc import Collection
from datetime import datetime

from notifier.adapters.documents import Document
from notifier.domain.follow import Follow, FollowState
from servicekit.mongo import Database, Session, sorted_errors


def _page_query(campaign_id: str, confirmed_until: datetime, after: str) -> Document:
    """Return what finds who followed by then, behind a place."""
    return {
        "campaign_id": campaign_id,
        "state": FollowState.CONFIRMED.value,
        "person_id": {"$gt": after},
        "confirmed_at": {"$lte": confirmed_until},
    }


class MongoFollows:
    """`ports.follows.Follows` over the collection `follows`."""

    def __init__(self, database: Database, session: Session | None) -> None:
        self._follows = database.collection("follows")
        self._session = session

    async def load(self, campaign_id: str, who: str) -> Follow | None:
        with sorted_errors():
            row = await self._follows.find_one(
                {"_id": _id(campaign_id, who)}, session=self._session
            )
        return _follow_from(row) if row else None

    async def of_person(self, person_id: str) -> list[Follow]:
        with sorted_errors():
            cursor = self._follows.find({"person_id": person_id}, session=self._session)
            rows = await cursor.sort("campaign_id", 1).to_list(None)
        return [_follow_from(row) for row in rows]

    async def save(self, follow: Follow) -> None:
        document = _document(follow)
        with sorted_errors():
            await self._follows.replace_one(
                {"_id": document["_id"]}, document, upsert=True, session=self._session
            )

    async def remove(self, follow: Follow) -> None:
        with sorted_errors():
            await self._follows.delete_one(
                {"_id": _id(follow.campaign_id, follow.who)}, session=self._session
            )

    async def asked_at(self, who: str, asks_ago: int) -> datetime | None:
        return await self._asked_at({"who": who}, asks_ago)

    async def unconfirmed_asked_at(self, asks_ago: int) -> datetime | None:
        return await self._asked_at({"state": FollowState.ASKED.value}, asks_ago)

    async def _asked_at(self, query: Document, asks_ago: int) -> datetime | None:
        with sorted_errors():
            cursor = self._follows.find(query, {"asked_at": 1}, session=self._session)
            rows = await cursor.sort("asked_at", -1).skip(asks_ago).limit(1).to_list(None)
        return rows[0]["asked_at"] if rows else None

    async def unconfirmed(self, asked_until: datetime, limit: int) -> list[Follow]:
        query = {"state": FollowState.ASKED.value, "asked_at": {"$lte": asked_until}}
        with sorted_errors():
            cursor = self._follows.find(query, session=self._session).sort("asked_at", 1)
            return [_follow_from(row) for row in await cursor.limit(limit).to_list(None)]

    async def page(
        self, campaign_id: str, confirmed_until: datetime, after: str, limit: int
    ) -> list[str]:
        query = _page_query(campaign_id, confirmed_until, after)
        with sorted_errors():
            cursor = self._follows.find(query, {"person_id": 1}, session=self._session)
            rows = await cursor.sort("person_id", 1).limit(limit).to_list(None)
        return [row["person_id"] for row in rows]

    async def forget(self, people: Collection[str]) -> None:
        query = {"person_id": {"$in": list(people)}}
        with sorted_errors():
            await self._follows.delete_many(query, session=self._session)


def _id(campaign_id: str, who: str) -> Document:
    """Two fields, because ids may contain any separator that one text could use."""
    return {"campaign_id": campaign_id, "who": who}


def _document(follow: Follow) -> Document:
    return {
        "_id": _id(follow.campaign_id, follow.who),
        "campaign_id": follow.campaign_id,
        "person_id": follow.person_id,
        "who": follow.who,
        "asked_at": follow.asked_at,
        "state": follow.state.value,
        "confirmed_at": follow.confirmed_at,
    }


def _follow_from(row: Document) -> Follow:
    return Follow(
        campaign_id=row["campaign_id"],
        person_id=row["person_id"],
        who=row["who"],
        asked_at=row["asked_at"],
        state=FollowState(row["state"]),
        confirmed_at=row["confirmed_at"],
    )
