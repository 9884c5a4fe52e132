"""What was proven of each book, beside the books; which of them changed stands on them."""

from dataclasses import replace
from typing import Any

from payouts.adapters.documents import Document, Documents
from payouts.adapters.mongo_stores import (
    BOOKS,
    DISPUTES,
    RECEIVABLES,
    STAGES,
    UNCHECKED,
)
from payouts.domain.book import Book
from payouts.domain.chain import Mark
from payouts.domain.integrity import STANDING, Compensated, Kept, PledgeSums
from payouts.domain.postings import Payer
from payouts.domain.receivable import open_sum
from payouts.domain.refund import RefundState
from payouts.ports.integrity import Round
from servicekit.mongo import Database, Session, sorted_errors

MARKS = Documents(Mark)
ROUNDS = Documents(Round)
DAILY = "daily-round"

_PARTS = ("amount", "reserved", "returned", "disputed", "over", "made_good")
_REFUNDED = {"$subtract": ["$returned", {"$ifNull": ["$charged_back", 0]}]}
_SUMS = {part: {"$sum": f"${part}"} for part in _PARTS} | {
    "refunded": {"$sum": {"$cond": ["$withdrawn", 0, _REFUNDED]}}
}
# A refund's cash has left while one of its attempts says so, and not that it came back (an earlier
# one may turn out to have made it); or another way, which two people have said.
_LEFT_BY_ATTEMPT = {
    "$anyElementTrue": {
        "$map": {
            "input": {"$ifNull": ["$attempts", []]},
            "as": "one",
            "in": {
                "$and": [
                    {"$gt": ["$$one.balance_transaction", None]},
                    {"$not": [{"$gt": ["$$one.failure_balance_transaction", None]}]},
                ]
            },
        }
    }
}
_PAID_OTHERWISE = {"$eq": ["$state", RefundState.PAID_BY_OTHER_MEANS.value]}
_CASH_IS_OUT = {"$or": [_PAID_OTHERWISE, _LEFT_BY_ATTEMPT]}
_BY_PLATFORM = {"$eq": ["$payer", Payer.PLATFORM.value]}
_OF_PLATFORM = {"$subtract": ["$amount", {"$ifNull": ["$recouped", 0]}]}
_REFUND_SUMS = {
    "owed": {"$sum": {"$cond": [_CASH_IS_OUT, 0, "$amount"]}},
    "refunded": {
        "$sum": {"$cond": [{"$and": [_CASH_IS_OUT, {"$not": ["$beyond"]}]}, "$amount", 0]}
    },
    "by_platform": {
        "$sum": {"$cond": [{"$and": [_BY_PLATFORM, {"$not": ["$beyond"]}]}, _OF_PLATFORM, 0]}
    },
    "beyond": {"$sum": {"$cond": ["$beyond", "$amount", 0]}},
    "beyond_by_campaign": {
        "$sum": {"$cond": [{"$and": ["$beyond", {"$not": [_BY_PLATFORM]}]}, "$amount", 0]}
    },
    "advanced": {"$sum": {"$ifNull": ["$advanced", 0]}},
}
# What had left, for whatever cause, of pledges that are withdrawn: they are few.
_OF_WITHDRAWN = (
    {"$match": {"withdrawn": True}},
    {
        "$lookup": {
            "from": "refunds",
            "localField": "_id",
            "foreignField": "pledge_id",
            "as": "refund",
        }
    },
    {"$unwind": "$refund"},
    {"$replaceRoot": {"newRoot": "$refund"}},
    {"$match": {"beyond": {"$ne": True}, "$expr": _CASH_IS_OUT}},
    {"$group": {"_id": None, "amount": {"$sum": "$amount"}}},
)


class MongoBookChecks:
    """`ports.BookChecks` over `books`, whose mark a save takes away, and `book_checks`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._books = database.collection("books")
        self._checks = database.collection("book_checks")

    async def changed(self, after: str, limit: int) -> list[Book]:
        query: Document = {**UNCHECKED, "_id": {"$gt": after}}
        with sorted_errors():
            cursor = self._books.find(query).sort("_id", 1).limit(limit)
            return [BOOKS.value(row) for row in await cursor.to_list(None)]

    async def kept(self, campaign_id: str) -> Kept | None:
        session = await self._database.snapshot_session()
        async with session:
            with sorted_errors():
                row = await self._books.find_one({"_id": campaign_id}, session=session)
                if row is None:
                    return None
                of = {"campaign_id": campaign_id}
                pledges = await self._group("pledge_money", of, None, _SUMS, session)
                refunds = await self._group("refunds", of, "$state", _REFUND_SUMS, session)
                withdrawn = await self._rows(
                    "pledge_money", [{"$match": of}, *_OF_WITHDRAWN], session
                )
                cursor = self._database.collection("stages").find(of, session=session)
                stages = [STAGES.value(one) for one in await cursor.sort("number", 1).to_list(None)]
                cursor = self._database.collection("disputes").find(of, session=session)
                disputes = [DISPUTES.value(one) for one in await cursor.to_list(None)]
                cursor = self._database.collection("receivables").find(of, session=session)
                debts = [RECEIVABLES.value(one) for one in await cursor.to_list(None)]
        return Kept(
            book=BOOKS.value(row),
            pledges=replace(PledgeSums(), **{part: pledges[0][part] for part in _SUMS if pledges}),
            refunds={RefundState(one["_id"]): one["owed"] for one in refunds},
            refunded=_sum(refunds, "refunded") - _sum(withdrawn, "amount"),
            stages=tuple(stages),
            advanced=_sum(refunds, "advanced"),
            disputes=tuple(disputes),
            debts=open_sum(debts),
            compensated=_compensated(refunds),
        )

    async def mark(self, campaign_id: str) -> Mark | None:
        with sorted_errors():
            row = await self._checks.find_one({"_id": campaign_id})
        return MARKS.value(row) if row else None

    async def keep_mark(self, mark: Mark) -> None:
        document = MARKS.document(mark.campaign_id, mark)
        with sorted_errors():
            await self._checks.replace_one({"_id": mark.campaign_id}, document, upsert=True)

    async def found_right(self, book: Book) -> None:
        same = {"_id": book.campaign_id, "version": book.version}
        with sorted_errors():
            await self._books.update_one(same, {"$unset": dict.fromkeys(UNCHECKED, "")})

    async def found_wrong(self, campaign_id: str) -> None:
        with sorted_errors():
            await self._checks.update_one({"_id": campaign_id}, {"$set": {"suspect": True}})
            await self._books.update_one({"_id": campaign_id}, {"$set": UNCHECKED})

    async def round(self) -> Round | None:
        with sorted_errors():
            row = await self._database.collection("cursors").find_one({"_id": DAILY})
        return ROUNDS.value(row) if row else None

    async def keep_round(self, round_: Round) -> None:
        document = ROUNDS.document(DAILY, round_)
        with sorted_errors():
            await self._database.collection("cursors").replace_one(
                {"_id": DAILY}, document, upsert=True
            )

    async def _group(
        self, collection: str, match: Document, by: str | None, sums: Document, session: Session
    ) -> list[dict[str, Any]]:
        group = [{"$match": match}, {"$group": {"_id": by, **sums}}]
        return await self._rows(collection, group, session)

    async def _rows(
        self, collection: str, pipeline: list[Document], session: Session
    ) -> list[dict[str, Any]]:
        with sorted_errors():
            cursor = self._database.collection(collection).aggregate(pipeline, session=session)
            return await cursor.to_list(None)


def _compensated(rows: list[dict[str, Any]]) -> Compensated:
    standing = [row for row in rows if RefundState(row["_id"]) in STANDING]
    waiting = [row for row in rows if row["_id"] == RefundState.CLAIMABLE.value]
    return Compensated(
        by_platform=_sum(standing, "by_platform"),
        waiting=_sum(waiting, "beyond"),
        beyond_by_campaign=_sum(standing, "beyond_by_campaign"),
    )


def _sum(rows: list[dict[str, Any]], name: str) -> int:
    return sum(row[name] for row in rows)
