"""Project views, backers, returned refunds and updates in MongoDB."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pymongo import InsertOne, ReplaceOne, UpdateOne

from servicekit.errors import Conflict
from servicekit.mongo import Collection as MongoCollection
from servicekit.mongo import Database, Session, sorted_errors
from updates.adapters.document_ids import plain_id
from updates.adapters.documents import (
    Document,
    holding_document,
    holding_from,
    project_document,
    project_from,
    revision_document,
    update_document,
    update_from,
)
from updates.domain.correction import Revision
from updates.domain.project import Project
from updates.domain.update import Update
from updates.ports.unit import Holding, Joined


async def save_versioned(
    collection: MongoCollection, session: Session, documents: Sequence[Document]
) -> None:
    """Insert documents of version 1, replace those behind later ones; `Conflict` if moved on."""
    if not documents:
        return
    writes: list[Any] = [
        InsertOne(document)
        if document["version"] == 1
        else ReplaceOne({"_id": document["_id"], "version": document["version"] - 1}, document)
        for document in documents
    ]
    known = sum(1 for document in documents if document["version"] > 1)
    with sorted_errors():
        result = await collection.bulk_write(writes, ordered=False, session=session)
    if result.matched_count != known:
        raise Conflict("a document was saved by somebody else")


class MongoProjects:
    """The collection `projects`."""

    def __init__(self, database: Database, session: Session) -> None:
        self._projects = database.collection("projects")
        self._session = session

    async def load(self, campaign_ids: Collection[str]) -> dict[str, Project]:
        with sorted_errors():
            cursor = self._projects.find(
                {"_id": {"$in": list(campaign_ids)}}, session=self._session
            )
            return {row["_id"]: project_from(row) for row in await cursor.to_list(None)}

    async def save(self, projects: Sequence[Project]) -> None:
        saved = [replace(project, version=project.version + 1) for project in projects]
        await save_versioned(
            self._projects, self._session, [project_document(one) for one in saved]
        )


class MongoBackers:
    """The collection `backers`, one document per campaign and person."""

    def __init__(self, database: Database, session: Session) -> None:
        self._backers = database.collection("backers")
        self._session = session

    async def known(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], Holding]:
        if not pairs:
            return {}
        ids = {plain_id(campaign, backer): (campaign, backer) for campaign, backer in pairs}
        wanted = {"_id": {"$in": list(ids)}}
        with sorted_errors():
            fields = {"pledges": 1, "held": 1}
            cursor = self._backers.find(wanted, fields, session=self._session)
            rows = await cursor.to_list(None)
        return {ids[row["_id"]]: holding_from(row) for row in rows}

    async def add(self, joined: Mapping[tuple[str, str], Joined]) -> None:
        documents = [
            {
                "_id": plain_id(*pair),
                "campaign_id": pair[0],
                "joined": one.sequence,
                **holding_document(one.holding),
            }
            for pair, one in joined.items()
        ]
        await _insert(self._backers, self._session, documents)

    async def hold(self, pledges: Mapping[tuple[str, str], Holding]) -> None:
        if not pledges:
            return
        writes = [
            UpdateOne({"_id": plain_id(*pair)}, {"$set": holding_document(holding)})
            for pair, holding in pledges.items()
        ]
        with sorted_errors():
            await self._backers.bulk_write(writes, ordered=False, session=self._session)


class MongoReturns:
    """The collection `returns`, one document per refund that succeeded."""

    def __init__(self, database: Database, session: Session) -> None:
        self._returns = database.collection("returns")
        self._session = session

    async def known(self, refund_ids: Collection[str]) -> set[str]:
        return set(await _known(self._returns, self._session, list(refund_ids)))

    async def add(self, refund_ids: Sequence[str]) -> None:
        await _insert(self._returns, self._session, [{"_id": one} for one in refund_ids])

    async def remove(self, refund_ids: Sequence[str]) -> None:
        if refund_ids:
            with sorted_errors():
                await self._returns.delete_many(
                    {"_id": {"$in": list(refund_ids)}}, session=self._session
                )


async def _known(collection: MongoCollection, session: Session, ids: list[str]) -> list[str]:
    if not ids:
        return []
    with sorted_errors():
        cursor = collection.find({"_id": {"$in": ids}}, {"_id": 1}, session=session)
        return [row["_id"] for row in await cursor.to_list(None)]


async def _insert(collection: MongoCollection, session: Session, documents: list[Document]) -> None:
    if documents:
        with sorted_errors():
            await collection.insert_many(documents, session=session)


class MongoUpdates:
    """The collection `updates`."""

    def __init__(self, database: Database, session: Session) -> None:
        self._updates = database.collection("updates")
        self._session = session

    async def load(self, campaign_id: str, update: str) -> Update | None:
        with sorted_errors():
            row = await self._updates.find_one(
                {"_id": plain_id(campaign_id, update)}, session=self._session
            )
        return update_from(row) if row else None

    async def save(self, update: Update) -> None:
        saved = replace(update, version=update.version + 1)
        await save_versioned(self._updates, self._session, [update_document(saved)])


class MongoRevisions:
    """The collection `revisions`, one document per wording that was replaced."""

    def __init__(self, database: Database, session: Session) -> None:
        self._revisions = database.collection("revisions")
        self._session = session

    async def add(self, revision: Revision) -> None:
        await _insert(self._revisions, self._session, [revision_document(revision)])
