"""Daily signatures, the pages of heads under them, and the last signed head of each campaign."""

from collections.abc import Collection, Sequence
from typing import Any

from pymongo import ReplaceOne

from payouts.adapters.documents import Documents
from payouts.domain.head_signing import DaySigned, Head
from servicekit.errors import DuplicateKey
from servicekit.mongo import Database, sorted_errors

DAYS = Documents(DaySigned)
HEADS = Documents(Head)


class MongoHeadSignatures:
    """`ports.HeadSignatures` over the service's own collections."""

    def __init__(self, database: Database) -> None:
        self._days = database.collection("head_signatures")
        self._pages = database.collection("head_pages")
        self._heads = database.collection("signed_heads")

    async def last(self) -> DaySigned | None:
        with sorted_errors():
            row = await self._days.find_one({}, sort=[("_id", -1)])
        return DAYS.value(row) if row else None

    async def signed(self, campaign_ids: Collection[str]) -> dict[str, Head]:
        with sorted_errors():
            rows = await self._heads.find({"_id": {"$in": list(campaign_ids)}}).to_list(None)
        return {row["_id"]: HEADS.value(row) for row in rows}

    async def keep(self, day: DaySigned, pages: Sequence[Sequence[Head]]) -> bool:
        documents: list[dict[str, Any]] = [
            {
                "_id": _page_id(day, place),
                "heads": [[one.campaign_id, one.number, one.hash] for one in page],
            }
            for place, page in enumerate(pages)
        ]
        try:
            with sorted_errors():
                if documents:
                    await self._pages.insert_many(documents)
                await self._days.insert_one(DAYS.document(day.date, day))
        except DuplicateKey:
            with sorted_errors():
                await self._pages.delete_many({"_id": {"$in": [one["_id"] for one in documents]}})
            return False
        heads = [one for page in pages for one in page]
        writes: list[Any] = [
            ReplaceOne({"_id": o.campaign_id}, HEADS.document(o.campaign_id, o), upsert=True)
            for o in heads
        ]
        if writes:
            with sorted_errors():
                await self._heads.bulk_write(writes, ordered=False)
        return True

    async def days(self, after: str, limit: int) -> list[DaySigned]:
        with sorted_errors():
            cursor = self._days.find({"_id": {"$gt": after}}).sort("_id", 1).limit(limit)
            return [DAYS.value(row) for row in await cursor.to_list(None)]

    async def day(self, date: str) -> DaySigned | None:
        with sorted_errors():
            row = await self._days.find_one({"_id": date})
        return DAYS.value(row) if row else None

    async def page(self, day: DaySigned, place: int) -> list[Head] | None:
        with sorted_errors():
            row = await self._pages.find_one({"_id": _page_id(day, place)})
        return [Head(*one) for one in row["heads"]] if row else None


def _page_id(day: DaySigned, place: int) -> str:
    return f"{day.set_id}/{place:06}"
