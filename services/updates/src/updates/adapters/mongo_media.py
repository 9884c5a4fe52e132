"""What is known of uploads in MongoDB."""

from collections.abc import Collection
from dataclasses import asdict, replace
from datetime import datetime

from servicekit.documents import read_as
from servicekit.errors import Conflict
from servicekit.mongo import Database, Document, Session, sorted_errors
from updates.adapters.document_ids import plain_id
from updates.adapters.mongo_stores import save_versioned
from updates.domain.media import Copy, Media, MediaState, MediaWithdrawal, Stored, Words
from updates.domain.media_type import MediaType


def media_document(media: Media) -> Document:
    stored = media.stored
    return {
        "_id": plain_id(media.campaign_id, media.media_id),
        **asdict(media),
        "state": media.state.value,
        "stored": asdict(stored) | {"type": stored.type.value} if stored else None,
    }


def media_from(row: Document) -> Media:
    values = {name: value for name, value in row.items() if name != "_id"}
    values["state"] = MediaState(row["state"])
    words = dict(row["words"])
    words["captions"] = tuple((language, text) for language, text in words["captions"])
    values["words"] = read_as(Words, words)
    if row["stored"]:
        stored = dict(row["stored"])
        stored["type"] = MediaType(stored["type"])
        stored["copies"] = tuple(read_as(Copy, one) for one in stored["copies"])
        values["stored"] = read_as(Stored, stored)
    if row["withdrawal"]:
        values["withdrawal"] = read_as(MediaWithdrawal, row["withdrawal"])
    return read_as(Media, values)


def _named(campaign_id: str, media_ids: Collection[str]) -> Document:
    return {"_id": {"$in": [plain_id(campaign_id, one) for one in media_ids]}}


class MongoMediaRows:
    """The collection `media`, in a transaction."""

    def __init__(self, database: Database, session: Session) -> None:
        self._media = database.collection("media")
        self._session = session

    async def load(self, campaign_id: str, media_ids: Collection[str]) -> dict[str, Media]:
        if not media_ids:
            return {}
        with sorted_errors():
            cursor = self._media.find(_named(campaign_id, media_ids), session=self._session)
            return {row["media_id"]: media_from(row) for row in await cursor.to_list(None)}

    async def attached(self, campaign_id: str, places: Collection[str]) -> dict[str, list[Media]]:
        wanted = {"campaign_id": campaign_id, "attached_to": {"$in": list(places)}}
        found: dict[str, list[Media]] = {}
        with sorted_errors():
            cursor = self._media.find(wanted, session=self._session).sort("_id", 1)
            for row in await cursor.to_list(None):
                found.setdefault(row["attached_to"], []).append(media_from(row))
        return found

    async def unattached(self, campaign_id: str) -> int:
        there = [MediaState.UPLOADING.value, MediaState.STORED.value]
        waiting = {"campaign_id": campaign_id, "attached_to": None, "state": {"$in": there}}
        with sorted_errors():
            return int(await self._media.count_documents(waiting, session=self._session))

    async def save(self, media: Media) -> None:
        saved = replace(media, version=media.version + 1)
        await save_versioned(self._media, self._session, [media_document(saved)])

    async def remove(self, media: Media) -> None:
        name = plain_id(media.campaign_id, media.media_id)
        with sorted_errors():
            removed = await self._media.delete_one(
                {"_id": name, "version": media.version}, session=self._session
            )
        if not removed.deleted_count:
            raise Conflict("it was saved by somebody else")


class MongoMediaQueries:
    """`ports.MediaQueries` over the collection `media`."""

    def __init__(self, database: Database) -> None:
        self._media = database.collection("media")

    async def media(self, campaign_id: str, media_ids: Collection[str]) -> dict[str, Media]:
        if not media_ids:
            return {}
        with sorted_errors():
            rows = await self._media.find(_named(campaign_id, media_ids)).to_list(None)
        return {row["media_id"]: media_from(row) for row in rows}

    async def due_media(self, now: datetime, limit: int, skip: int = 0) -> list[Media]:
        due = {"next_due": {"$type": "date", "$lte": now}}
        with sorted_errors():
            cursor = self._media.find(due).sort("next_due", 1).skip(skip).limit(limit)
            return [media_from(row) for row in await cursor.to_list(None)]

    async def oldest_due_media(self) -> datetime | None:
        with sorted_errors():
            row = await self._media.find_one(
                {"next_due": {"$type": "date"}}, {"next_due": 1}, sort=[("next_due", 1)]
            )
        return row["next_due"] if row else None

    async def known_uploads(self, uploads: Collection[str]) -> set[str]:
        with sorted_errors():
            cursor = self._media.find({"upload": {"$in": list(uploads)}}, {"upload": 1})
            return {row["upload"] for row in await cursor.to_list(None)}
