"""Share links and how often they were used in MongoDB."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from servicekit.documents import read_as
from servicekit.mongo import Database, Session, sorted_errors
from updates.adapters.document_ids import joined_id
from updates.adapters.mongo_stores import save_versioned
from updates.domain.share_link import ShareLink, Uses, hour_of

Document = dict[str, Any]
BY_ID = [("link_id", 1)]


class MongoShareLinks:
    """The collection `share_links`, a document per link."""

    def __init__(self, database: Database, session: Session) -> None:
        self._links = database.collection("share_links")
        self._session = session

    async def of_update(self, campaign_id: str, update_id: str) -> list[ShareLink]:
        query = {"campaign_id": campaign_id, "update_id": update_id}
        with sorted_errors():
            cursor = self._links.find(query, session=self._session).sort(BY_ID)
            return [link_from(row) for row in await cursor.to_list(None)]

    async def save(self, link: ShareLink) -> None:
        saved = replace(link, version=link.version + 1)
        await save_versioned(self._links, self._session, [link_document(saved)])


class MongoShareLinkQueries:
    """The same outside a transaction, and the collection `share_link_uses`."""

    def __init__(self, database: Database) -> None:
        self._links = database.collection("share_links")
        self._uses = database.collection("share_link_uses")

    async def share_link(self, campaign_id: str, update_id: str, link_id: str) -> ShareLink | None:
        with sorted_errors():
            row = await self._links.find_one({"_id": joined_id(campaign_id, update_id, link_id)})
        return link_from(row) if row else None

    async def share_links(self, campaign_id: str, update_id: str) -> list[ShareLink]:
        query = {"campaign_id": campaign_id, "update_id": update_id}
        with sorted_errors():
            rows = await self._links.find(query).sort(BY_ID).to_list(None)
        return [link_from(row) for row in rows]

    async def uses(self, campaign_id: str, update_id: str) -> dict[str, Uses]:
        query = {"campaign_id": campaign_id, "update_id": update_id}
        with sorted_errors():
            rows = await self._uses.find(query).to_list(None)
        return {row["link_id"]: Uses(row["total"], row["in_hour"], row["last_at"]) for row in rows}

    async def count_use(self, link: ShareLink, now: datetime) -> None:
        named = (link.campaign_id, link.update_id, link.link_id)
        same_hour: Document = {"$eq": ["$hour", hour_of(now)]}
        counted: list[Document] = [
            {
                "$set": {
                    "campaign_id": {"$literal": link.campaign_id},
                    "update_id": {"$literal": link.update_id},
                    "link_id": {"$literal": link.link_id},
                    "total": {"$add": [{"$ifNull": ["$total", 0]}, 1]},
                    "in_hour": {"$cond": [same_hour, {"$add": ["$in_hour", 1]}, 1]},
                    "hour": hour_of(now),
                    "last_at": now,
                }
            }
        ]
        with sorted_errors():
            await self._uses.update_one({"_id": joined_id(*named)}, counted, upsert=True)


def link_document(link: ShareLink) -> Document:
    return {
        "_id": joined_id(link.campaign_id, link.update_id, link.link_id),
        "version": link.version,
        "campaign_id": link.campaign_id,
        "update_id": link.update_id,
        "link_id": link.link_id,
        "made_by": link.made_by,
        "made_at": link.made_at,
        "expires_at": link.expires_at,
        "note": link.note,
        "revoked_by": link.revoked_by,
        "revoked_at": link.revoked_at,
    }


def link_from(row: Document) -> ShareLink:
    return read_as(ShareLink, row)
