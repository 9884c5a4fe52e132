"""Comments in MongoDB."""

from collections.abc import Collection
from dataclasses import asdict, replace
from datetime import datetime

from servicekit.documents import read_as
from servicekit.mongo import Database, Document, Session, sorted_errors
from updates.adapters.document_ids import plain_id
from updates.adapters.hiding_documents import hiding_document, hiding_from
from updates.adapters.mongo_stores import save_versioned
from updates.domain.comment import Comment
from updates.domain.hiding import Hiding, HidingReason, Hidings, Statement


def comment_document(comment: Comment) -> Document:
    name = plain_id(comment.campaign_id, comment.update_id)
    hidings = [hiding_document(one) for one in comment.hidings]
    return {"_id": plain_id(name, comment.comment_id), **asdict(comment), "hidings": hidings}


def comment_from(row: Document) -> Comment:
    values = {name: value for name, value in row.items() if name not in ("_id", "state", "hiding")}
    return read_as(Comment, values, hidings=_hidings_from(row))


def _hidings_from(row: Document) -> Hidings:
    if "hidings" in row:
        return tuple(hiding_from(one) for one in row["hidings"])
    # Appeals are younger than some comments, which say no more than why they are hidden.
    said = row["hiding"]
    if said is None:
        return ()
    return (Hiding(Statement(HidingReason(said["reason"]), said["note"], said["by"], said["at"])),)


class MongoComments:
    """The collection `comments`."""

    def __init__(self, database: Database, session: Session) -> None:
        self._comments = database.collection("comments")
        self._session = session

    async def load(self, campaign_id: str, update_id: str, comment_id: str) -> Comment | None:
        name = plain_id(campaign_id, update_id, comment_id)
        with sorted_errors():
            row = await self._comments.find_one({"_id": name}, session=self._session)
        return comment_from(row) if row else None

    async def written_at(
        self, campaign_id: str, author_id: str, comments_ago: int
    ) -> datetime | None:
        mine = {"campaign_id": campaign_id, "author_id": author_id}
        with sorted_errors():
            cursor = self._comments.find(mine, {"written_at": 1}, session=self._session)
            rows = await cursor.sort("written_at", -1).skip(comments_ago).limit(1).to_list(None)
        return rows[0]["written_at"] if rows else None

    async def of_authors(self, authors: Collection[str]) -> list[Comment]:
        wanted = {"author_id": {"$in": list(authors)}}
        with sorted_errors():
            cursor = self._comments.find(wanted, session=self._session)
            return [comment_from(row) for row in await cursor.to_list(None)]

    async def save(self, comment: Comment) -> None:
        saved = replace(comment, version=comment.version + 1)
        await save_versioned(self._comments, self._session, [comment_document(saved)])


class MongoCommentQueries:
    """`ports.comments.CommentQueries` over the collection `comments`."""

    def __init__(self, database: Database) -> None:
        self._comments = database.collection("comments")

    async def comment(self, campaign_id: str, update_id: str, comment_id: str) -> Comment | None:
        name = plain_id(campaign_id, update_id, comment_id)
        with sorted_errors():
            row = await self._comments.find_one({"_id": name})
        return comment_from(row) if row else None

    async def comments(
        self, campaign_id: str, update_id: str, before: tuple[datetime, str] | None, limit: int
    ) -> list[Comment]:
        query: Document = {"campaign_id": campaign_id, "update_id": update_id}
        if before is not None:
            at, comment = before
            same_instant = {"written_at": at, "comment_id": {"$lt": comment}}
            # The range alone bounds what is read of the index, however deep the page.
            query["written_at"] = {"$lte": at}
            query["$or"] = [{"written_at": {"$lt": at}}, same_instant]
        newest = [("written_at", -1), ("comment_id", -1)]
        with sorted_errors():
            cursor = self._comments.find(query).sort(newest).limit(limit)
            return [comment_from(row) for row in await cursor.to_list(None)]
