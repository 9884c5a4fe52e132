"""Questions that are over, in MongoDB: each is a document that is there or not."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from pymongo import DeleteMany, ReplaceOne

from notifier.adapters.shedding import shed
from notifier.domain.receipt_question import ReceiptQuestion
from servicekit.documents import read_as
from servicekit.mongo import Database, Document, Session, sorted_errors


class MongoReceiptQuestions:
    """`ports.receipt_questions.ReceiptQuestions` over the collection `receipt_questions_over`."""

    def __init__(self, database: Database, session: Session | None) -> None:
        self._over = database.collection("receipt_questions_over")
        self._session = session

    async def keep(self, over: Mapping[ReceiptQuestion, datetime | None]) -> None:
        writes: list[Any] = [
            ReplaceOne({"_id": _id(one)}, {"at": at}, upsert=True)
            for one, at in over.items()
            if at is not None
        ]
        # A whole campaign's rewards are sent at a time, and nearly none of them was before.
        opened = [_id(one) for one, at in over.items() if at is None]
        if opened:
            writes.append(DeleteMany({"_id": {"$in": opened}}))
        if writes:
            with sorted_errors():
                await self._over.bulk_write(writes, ordered=False, session=self._session)

    async def over_among(self, questions: Collection[ReceiptQuestion]) -> set[ReceiptQuestion]:
        if not questions:
            return set()
        query = {"_id": {"$in": [_id(one) for one in questions]}}
        with sorted_errors():
            rows = await self._over.find(query, session=self._session).to_list(None)
        return {read_as(ReceiptQuestion, row["_id"]) for row in rows}

    async def date(self, at: datetime, most: int) -> int:
        with sorted_errors():
            undated = self._over.find({"at": {"$exists": False}}, {"_id": 1}, session=self._session)
            ids = [row["_id"] for row in await undated.limit(most).to_list(None)]
            if ids:
                await self._over.update_many(
                    {"_id": {"$in": ids}}, {"$set": {"at": at}}, session=self._session
                )
        return len(ids)

    async def shed(self, before: datetime, most: int) -> int:
        return await shed(self._over, {"at": {"$lt": before}}, most, self._session)


def _id(question: ReceiptQuestion) -> Document:
    """Fields, because ids may contain any separator that one text could use."""
    return {name: getattr(question, name) for name in ReceiptQuestion.__slots__}
