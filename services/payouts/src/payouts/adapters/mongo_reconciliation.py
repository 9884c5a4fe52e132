"""What was compared between provider and books: movements, breaks, and how far each is read."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pymongo import UpdateOne

from payouts.adapters.documents import Document, Documents
from payouts.adapters.mongo_stores import block_from
from payouts.domain.block import Block
from payouts.domain.postings import LEGS
from payouts.domain.reconciliation import (
    PLATFORM,
    BookedCash,
    Break,
    Movement,
    cash_in,
    unbooked_id,
)
from payouts.ports.reconciliation import BlockPlace
from servicekit.errors import Conflict
from servicekit.mongo import Database, Session, sorted_errors

MOVEMENTS = Documents(Movement)
BREAKS = Documents(Break)
PLACES = Documents(BlockPlace)
PLACE = "reconciled-blocks"


class MongoReconciliation:
    """`ports.Reconciliation` over the service's own collections."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cursors = database.collection("cursors")
        self._blocks = database.collection("blocks")
        self._movements = database.collection("movements")
        self._breaks = database.collection("breaks")

    async def accounts(self, campaign_ids: Collection[str] | None = None) -> list[str]:
        of = {} if campaign_ids is None else {"campaign_id": {"$in": list(campaign_ids)}}
        stages = self._database.collection("stages")
        with sorted_errors():
            return sorted(await stages.distinct("attempts.account", of))

    async def cursor(self, account: str) -> str | None:
        with sorted_errors():
            row = await self._cursors.find_one({"_id": _of_account(account)})
        return row["cursor"] if row else None

    async def move_cursor(self, account: str, cursor: str) -> None:
        with sorted_errors():
            await self._cursors.update_one(
                {"_id": _of_account(account)}, {"$set": {"cursor": cursor}}, upsert=True
            )

    async def place(self) -> BlockPlace | None:
        with sorted_errors():
            row = await self._cursors.find_one({"_id": PLACE})
        return PLACES.value(row) if row else None

    async def move_place(self, place: BlockPlace) -> None:
        document = PLACES.document(PLACE, place)
        with sorted_errors():
            await self._cursors.replace_one({"_id": PLACE}, document, upsert=True)

    async def blocks_sealed(
        self, after: BlockPlace | None, until: datetime, limit: int
    ) -> list[Block]:
        query: Document = {"sealed_at": {"$lte": until}}
        if after is not None:
            behind = {"_id": {"$gt": f"{after.campaign_id}|{after.number:012}"}}
            query = {
                "sealed_at": {"$gte": after.sealed_at, "$lte": until},
                "$or": [
                    {"sealed_at": {"$gt": after.sealed_at}},
                    {"sealed_at": after.sealed_at} | behind,
                ],
            }
        with sorted_errors():
            cursor = self._blocks.find(query).sort([("sealed_at", 1), ("_id", 1)]).limit(limit)
            return [block_from(row) for row in await cursor.to_list(None)]

    async def booked(self, balance_transactions: Collection[str]) -> dict[str, BookedCash]:
        if not balance_transactions:
            return {}
        query = {
            "causes": {"$in": [f"{one}/{leg}" for one in balance_transactions for leg in LEGS]}
        }
        with sorted_errors():
            rows = await self._blocks.find(query).to_list(None)
        cash = [one for row in rows for one in cash_in(block_from(row))]
        wanted = set(balance_transactions)
        return {one.balance_transaction: one for one in cash if one.balance_transaction in wanted}

    async def unbooked_payouts(self, payout_ids: Collection[str]) -> set[str]:
        if not payout_ids:
            return set()
        ours = {"attempts.payout_id": {"$in": list(payout_ids)}}
        with sorted_errors():
            rows = await self._database.collection("stages").find(ours).to_list(None)
        attempts = [attempt for row in rows for attempt in row["attempts"]]
        unbooked = {
            one["payout_id"] for one in attempts if one["payout_balance_transaction"] is None
        }
        return unbooked & set(payout_ids)

    async def keep_movements(self, movements: Sequence[Movement]) -> None:
        writes: list[Any] = [
            UpdateOne(
                {"_id": one.id}, {"$setOnInsert": MOVEMENTS.document(one.id, one)}, upsert=True
            )
            for one in movements
        ]
        with sorted_errors():
            await self._movements.bulk_write(writes, ordered=False)

    async def movements(self, ids: Collection[str]) -> dict[str, Movement]:
        with sorted_errors():
            rows = await self._movements.find({"_id": {"$in": list(ids)}}).to_list(None)
        return {row["_id"]: MOVEMENTS.value(row) for row in rows}

    async def totals(self) -> Mapping[str, int]:
        net = {"$sum": {"$subtract": ["$amount", "$fee"]}}
        stages: list[Document] = [
            {"$match": {"account": PLATFORM}},
            {"$group": {"_id": "$currency", "net": net}},
        ]
        with sorted_errors():
            rows = await self._movements.aggregate(stages).to_list(None)
        return {row["_id"]: row["net"] for row in rows}

    async def open_breaks(self, breaks: Sequence[Break]) -> None:
        if not breaks:
            return
        writes: list[Any] = []
        for one in breaks:
            document = BREAKS.document(one.break_id, replace(one, version=1))
            insert = {"$setOnInsert": document}
            writes.append(UpdateOne({"_id": one.break_id}, insert, upsert=True))
        with sorted_errors():
            await self._breaks.bulk_write(writes, ordered=False)

    async def break_(self, break_id: str) -> Break | None:
        with sorted_errors():
            row = await self._breaks.find_one({"_id": break_id})
        return BREAKS.value(row) if row else None

    async def breaks(self, after: str, limit: int, *, open_only: bool) -> list[Break]:
        query: Document = {"_id": {"$gt": after}} | ({"gone_at": None} if open_only else {})
        with sorted_errors():
            rows = await self._breaks.find(query).sort("_id", 1).limit(limit).to_list(None)
        return [BREAKS.value(row) for row in rows]

    async def save_break(self, found: Break) -> Break:
        saved = replace(found, version=found.version + 1)
        with sorted_errors():
            done = await self._breaks.replace_one(
                {"_id": found.break_id, "version": found.version},
                BREAKS.document(found.break_id, saved),
            )
        if not done.matched_count:
            raise Conflict(f"{found.break_id} was saved by somebody else")
        return saved


class MongoBreaks:
    """`breaks`, read in one transaction."""

    def __init__(self, database: Database, session: Session) -> None:
        self._breaks = database.collection("breaks")
        self._session = session

    async def open_of(self, campaign_id: str) -> list[Break]:
        query = {"gone_at": None, "campaign_id": campaign_id}
        with sorted_errors():
            cursor = self._breaks.find(query, session=self._session).sort("_id", 1)
            return [BREAKS.value(row) for row in await cursor.to_list(None)]

    async def unbooked(self, balance_transactions: Collection[str]) -> list[Break]:
        names = [unbooked_id(one) for one in balance_transactions]
        with sorted_errors():
            cursor = self._breaks.find({"_id": {"$in": names}}, session=self._session)
            return [BREAKS.value(row) for row in await cursor.to_list(None)]


def _of_account(account: str) -> str:
    return f"reconciled/{account}"
