"""Reads outside a transaction: pages for people, sums for the gate, cursors of the provider."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime

from payouts.adapters.mongo_stores import (
    BOOKS,
    DESTINATIONS,
    DISPUTES,
    HOLDINGS,
    INVOICES,
    PERIODS,
    RECEIVABLES,
    REFUNDS,
    STAGES,
    block_from,
)
from payouts.adapters.schema import ANY_TIME, LAST_APPROVED_WITH_MONEY, RUN_FINISHED_WITH_MONEY
from payouts.domain.block import Block
from payouts.domain.book import Book
from payouts.domain.book_state import BookState
from payouts.domain.closing import DUSTY, RESULT
from payouts.domain.destination import Destination
from payouts.domain.dispute import OVER as DECIDED
from payouts.domain.dispute import Dispute, DisputeState
from payouts.domain.holding import Holding, Inflow
from payouts.domain.invoice import Invoice
from payouts.domain.ledger import Account, Row
from payouts.domain.payout_attempt import UNKNOWN
from payouts.domain.period import Period
from payouts.domain.plan import StageKind
from payouts.domain.quantum import QUANTUM_MAX
from payouts.domain.receivable import Receivable, ReceivableState
from payouts.domain.refund import Refund, RefundState
from payouts.domain.refund_window import WAITS
from payouts.domain.stage import Stage, StageState
from payouts.domain.trial_balance import TrialBalance
from payouts.handlers.work_kinds import CLAIM
from payouts.ports.queries import Queue
from servicekit.mongo import Database, Document, sorted_errors
from servicekit.outbox import rows_of
from sosst_contracts.chain import read_block
from sosst_contracts.payouts import BlockSealed

# Sent, and not yet booked as cash.
_LEAVING = [RefundState.SUBMITTED.value, RefundState.UNKNOWN.value]
_UNDECIDED = [state.value for state in DisputeState if state not in DECIDED]
_MUST_BE_ZERO = [account for account in Account if account not in RESULT | DUSTY]
_OWED = [ReceivableState.ARISEN.value, ReceivableState.PART_SETTLED.value]


class MongoQueries:
    """`ports.Queries` and `ports.Ledger` over the service's own collections."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def book(self, campaign_id: str) -> Book | None:
        row = await self._one("books", {"_id": campaign_id})
        return BOOKS.value(row) if row else None

    async def books(self, after: str, limit: int) -> list[Book]:
        return [BOOKS.value(row) for row in await self._page("books", {}, after, limit)]

    async def books_to_close(self, after: str, limit: int) -> list[Book]:
        query: Document = {"life.state": {"$ne": BookState.CLOSED.value}, "verdict": {"$ne": None}}
        query |= {f"balances.{account.value}": {"$in": [0, None]} for account in _MUST_BE_ZERO}
        query |= {f"balances.{account.value}": {"$lt": QUANTUM_MAX} for account in DUSTY}
        return [BOOKS.value(row) for row in await self._page("books", query, after, limit)]

    async def book_states(self) -> Mapping[BookState, int]:
        # Books of an earlier release say nothing: they are open.
        counts = dict.fromkeys(BookState, 0)
        for row in await self._groups("books", {}, "$life.state", "$version"):
            counts[BookState(row["_id"] or BookState.OPEN)] += row["count"]
        return counts

    async def shared_with_money_left(self, after: str, limit: int) -> list[str]:
        query: Document = {**RUN_FINISHED_WITH_MONEY, "cancellation": {"$ne": None}}
        return await self._names("books", query, after, limit)

    async def paid_with_money_left(self, after: str, limit: int) -> list[str]:
        # As the index says it that has those only.
        query: Document = {**LAST_APPROVED_WITH_MONEY, "cancellation": None}
        return await self._names("books", query, after, limit)

    async def blocks(self, campaign_id: str, after: int, limit: int) -> list[Block]:
        query = {"campaign_id": campaign_id, "number": {"$gt": after}}
        with sorted_errors():
            cursor = self._database.collection("blocks").find(query).sort("number", 1).limit(limit)
            return [block_from(row) for row in await cursor.to_list(None)]

    async def block_with(self, cause: str) -> Block | None:
        with sorted_errors():
            row = await self._database.collection("blocks").find_one({"causes": cause})
        return block_from(row) if row else None

    async def unclaimed(self, campaign_id: str, beginning: str, limit: int) -> list[str]:
        behind = {"$gte": beginning, "$lt": f"{beginning}\uffff"}
        query = {"campaign_id": campaign_id, "_id": behind}
        with sorted_errors():
            cursor = self._database.collection("unclaimed_postings").find(query, {"_id": 1})
            return [row["_id"] for row in await cursor.sort("_id", 1).limit(limit).to_list(None)]

    async def books_with_unclaimed(self, after: str, limit: int) -> list[Book]:
        found = await self._page("books", {"unclaimed": {"$gt": 0}}, after, limit)
        return [BOOKS.value(row) for row in found]

    async def claims_waiting(self) -> list[datetime]:
        looked_at = {"kind": CLAIM, "attempt": {"$gt": 0}, "payload.heard_at": {"$ne": None}}
        with sorted_errors():
            found = self._database.collection("work").find(looked_at, {"payload.heard_at": 1})
            return [row["payload"]["heard_at"] for row in await found.to_list(None)]

    async def blocks_waiting(self) -> Mapping[str, int]:
        first: dict[str, int] = {}
        with sorted_errors():
            cursor = self._database.collection("outbox").find({"topic": BlockSealed.topic})
            async for document in cursor.sort("position", 1):
                for row in rows_of(document):
                    block = read_block(row.record.value or b"")
                    first.setdefault((row.record.key or b"").decode(), block["number"])
        return first

    async def refund(self, campaign_id: str, refund_id: str) -> Refund | None:
        row = await self._one("refunds", {"_id": refund_id, "campaign_id": campaign_id})
        return REFUNDS.value(row) if row else None

    async def refunds_named(self, refund_ids: Collection[str]) -> dict[str, Refund]:
        if not refund_ids:
            return {}
        query = {"_id": {"$in": list(refund_ids)}}
        with sorted_errors():
            rows = await self._database.collection("refunds").find(query).to_list(None)
        return {row["_id"]: REFUNDS.value(row) for row in rows}

    async def refunds(self, campaign_id: str, after: str, limit: int) -> list[Refund]:
        found = await self._page("refunds", {"campaign_id": campaign_id}, after, limit)
        return [REFUNDS.value(row) for row in found]

    async def refund_queue(
        self, state: RefundState, after: tuple[datetime, str] | None, limit: int
    ) -> list[Refund]:
        rows = await self._queue("refunds", {"state": state.value}, "created_at", after, limit)
        return [REFUNDS.value(row) for row in rows]

    async def stage_queue(
        self, states: Collection[StageState], after: tuple[datetime, str] | None, limit: int
    ) -> list[Stage]:
        query = {"state": {"$in": [state.value for state in states]}}
        rows = await self._queue("stages", query, "due_at", after, limit)
        return [STAGES.value(row) for row in rows]

    async def stages_unknown(self, after: tuple[datetime, str] | None, limit: int) -> list[Stage]:
        query = {"attempts.state": {"$in": [state.value for state in UNKNOWN]}}
        rows = await self._queue("stages", query, "due_at", after, limit)
        return [STAGES.value(row) for row in rows]

    async def receivable_queue(
        self, after: tuple[datetime, str] | None, limit: int
    ) -> list[Receivable]:
        query = {"state": {"$in": _OWED}}
        rows = await self._queue("receivables", query, "arisen_at", after, limit)
        return [RECEIVABLES.value(row) for row in rows]

    async def windows_closing(
        self, until: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> list[Refund]:
        query: Document = {
            "state": {"$in": [state.value for state in WAITS]},
            # The index has those only that have an end: the question must say so as well.
            "refundable_until": {"$gt": ANY_TIME, "$lte": until},
        }
        rows = await self._queue("refunds", query, "refundable_until", after, limit)
        return [REFUNDS.value(row) for row in rows]

    async def reminders_due(self, now: datetime, limit: int, skip: int = 0) -> list[Refund]:
        query = {"state": RefundState.CLAIMABLE.value, "remind_at": {"$lte": now}}
        with sorted_errors():
            cursor = self._database.collection("refunds").find(query).skip(skip).limit(limit)
            return [REFUNDS.value(row) for row in await cursor.to_list(None)]

    async def refund_figures(self, campaign_id: str) -> Mapping[str, tuple[int, int]]:
        groups = await self._groups("refunds", {"campaign_id": campaign_id}, "$state", "$amount")
        return {row["_id"]: (row["count"], row["sum"]) for row in groups}

    async def refunds_of_provider(self, provider_refund_ids: Collection[str]) -> list[Refund]:
        if not provider_refund_ids:
            return []
        query = {"attempts.provider_refund_id": {"$in": list(provider_refund_ids)}}
        with sorted_errors():
            rows = await self._database.collection("refunds").find(query).to_list(None)
        return [REFUNDS.value(row) for row in rows]

    async def dispute(self, dispute_id: str) -> Dispute | None:
        row = await self._one("disputes", {"_id": dispute_id})
        return DISPUTES.value(row) if row else None

    async def disputes(self, campaign_id: str, after: str, limit: int) -> list[Dispute]:
        found = await self._page("disputes", {"campaign_id": campaign_id}, after, limit)
        return [DISPUTES.value(row) for row in found]

    async def undecided_disputes(self, after: str, limit: int) -> list[Dispute]:
        found = await self._page("disputes", {"state": {"$in": _UNDECIDED}}, after, limit)
        return [DISPUTES.value(row) for row in found]

    async def dispute_queues(self) -> Mapping[DisputeState, Queue]:
        rows = await self._queues("disputes", "$state", "$seen_at")
        return {DisputeState(row["_id"]): Queue(row["count"], row["oldest"]) for row in rows}

    async def receivables(self, campaign_id: str) -> list[Receivable]:
        with sorted_errors():
            cursor = self._database.collection("receivables").find({"campaign_id": campaign_id})
            rows = await cursor.sort([("arisen_at", 1), ("_id", 1)]).to_list(None)
        return [RECEIVABLES.value(row) for row in rows]

    async def inflows(self, campaign_id: str, before: int | None, limit: int) -> list[Inflow]:
        collected = {"$eq": ["$$one.row", Row.PLEDGE_COLLECTED.value]}
        cash = {"$eq": ["$$one.entry.debit", Account.PROVIDER_BALANCE.value]}
        came = {"$filter": {"input": "$entries", "as": "one", "cond": {"$and": [collected, cash]}}}
        match: Document = {"campaign_id": campaign_id, "entries.row": Row.PLEDGE_COLLECTED.value}
        if before is not None:
            match["number"] = {"$lt": before}
        stages: list[Document] = [
            {"$match": match},
            {"$sort": {"number": -1}},
            {"$limit": limit},
            {"$project": {"number": 1, "sealed_at": 1, "came": came}},
            {"$addFields": {"amount": {"$sum": "$came.entry.amount"}}},
        ]
        with sorted_errors():
            rows = await self._database.collection("blocks").aggregate(stages).to_list(None)
        return [Inflow(row["number"], row["sealed_at"], row["amount"]) for row in rows]

    async def providers(self, campaign_id: str) -> list[str]:
        pledges = self._database.collection("pledge_money")
        with sorted_errors():
            return await pledges.distinct("provider", {"campaign_id": campaign_id})

    async def holdings_near(self, after: str, limit: int) -> list[Holding]:
        found = await self._page("holdings", {"told_at": {"$ne": None}}, after, limit)
        return [HOLDINGS.value(row) for row in found]

    async def open_receivables(self) -> int:
        match = {"state": {"$in": _OWED}}
        groups = await self._groups("receivables", match, None, "$amount")
        return sum(row["count"] for row in groups)

    async def periods(self) -> list[Period]:
        with sorted_errors():
            rows = await self._database.collection("periods").find({}).sort("_id", 1).to_list(None)
        return [PERIODS.value(row) for row in rows]

    async def invoices(self, campaign_id: str) -> list[Invoice]:
        with sorted_errors():
            cursor = self._database.collection("invoices").find({"campaign_id": campaign_id})
            rows = await cursor.sort([("issued_at", 1), ("_id", 1)]).to_list(None)
        return [INVOICES.value(row) for row in rows]

    async def stages(self, campaign_id: str) -> list[Stage]:
        with sorted_errors():
            cursor = self._database.collection("stages").find({"campaign_id": campaign_id})
            return [STAGES.value(row) for row in await cursor.sort("number", 1).to_list(None)]

    async def transfers_known(self, transfer_ids: Collection[str]) -> set[str | None]:
        if not transfer_ids:
            return set()
        query = {"attempts.transfer_id": {"$in": list(transfer_ids)}}
        with sorted_errors():
            rows = await self._database.collection("stages").find(query).to_list(None)
        return {attempt.transfer_id for row in rows for attempt in STAGES.value(row).attempts}

    async def destination(self, campaign_id: str) -> Destination | None:
        row = await self._one("destinations", {"_id": campaign_id})
        return DESTINATIONS.value(row) if row else None

    async def creator(self, campaign_id: str) -> str | None:
        row = await self._one("creators", {"_id": campaign_id})
        return row["creator_id"] if row else None

    async def is_backer(self, campaign_id: str, person_id: str) -> bool:
        query = {"campaign_id": campaign_id, "backer_id": person_id}
        return await self._one("pledge_money", query) is not None

    async def cursor(self, name: str) -> str | None:
        row = await self._one("cursors", {"_id": name})
        return row["cursor"] if row else None

    async def move_cursor(self, name: str, cursor: str) -> None:
        with sorted_errors():
            await self._database.collection("cursors").update_one(
                {"_id": name}, {"$set": {"cursor": cursor}}, upsert=True
            )

    async def booked_and_leaving(self, currency: str) -> tuple[int, int]:
        match = {"currency": currency}
        booked = await self._groups("books", match, None, "$balances.provider_balance")
        leaving = await self._groups(
            "refunds", match | {"state": {"$in": _LEAVING}}, None, "$amount"
        )
        return sum(row["sum"] for row in booked), sum(row["sum"] for row in leaving)

    async def lendings(self, currency: str) -> int:
        row = await self._one("lendings", {"_id": currency})
        return row["count"] if row else 0

    async def refund_queues(self) -> Mapping[RefundState, Queue]:
        rows = await self._queues("refunds", "$state", "$created_at")
        return {RefundState(row["_id"]): Queue(row["count"], row["oldest"]) for row in rows}

    async def still_to_create(self) -> int:
        waiting = 0
        with sorted_errors():
            async for row in self._database.collection("books").find({"run.finished": False}):
                behind = {"campaign_id": row["_id"], "_id": {"$gt": row["run"]["cursor"] or ""}}
                waiting += await self._database.collection("pledge_money").count_documents(behind)
        return waiting

    async def stage_queues(self) -> Mapping[tuple[StageKind, StageState], Queue]:
        by = {"kind": "$kind", "state": "$state"}
        return {
            (StageKind(row["_id"]["kind"]), StageState(row["_id"]["state"])): Queue(
                row["count"], row["oldest"]
            )
            for row in await self._queues("stages", by, "$due_at")
        }

    async def in_transit_since(self) -> datetime | None:
        asked = {"$last": "$attempts.first_sent_at"}
        stages: list[Document] = [
            {"$match": {"state": StageState.IN_TRANSIT.value}},
            {"$group": {"_id": None, "oldest": {"$min": asked}}},
        ]
        with sorted_errors():
            cursor = self._database.collection("stages").aggregate(stages)
            rows = await cursor.to_list(None)
        return rows[0]["oldest"] if rows else None

    async def trial_balances(self, as_of: datetime) -> list[TrialBalance]:
        last = {"$last": "$$ROOT.balances"}
        stages: list[Document] = [
            {"$match": {"sealed_at": {"$lte": as_of}}},
            {"$sort": {"campaign_id": 1, "number": 1}},
            {
                "$group": {
                    "_id": "$campaign_id",
                    "currency": {"$last": "$currency"},
                    "balances": last,
                }
            },
        ]
        sums: dict[str, Counter[str]] = {}
        books: Counter[str] = Counter()
        with sorted_errors():
            cursor = self._database.collection("blocks").aggregate(stages, allowDiskUse=True)
            async for row in cursor:
                sums.setdefault(row["currency"], Counter()).update(row["balances"])
                books[row["currency"]] += 1
        return [
            TrialBalance(currency, books[currency], {Account(a): n for a, n in found.items()})
            for currency, found in sorted(sums.items())
        ]

    async def currencies(self) -> list[str]:
        groups = await self._groups("books", {}, "$currency", "$version")
        return [row["_id"] for row in groups]

    async def awaiting_funds(self) -> Mapping[str, tuple[int, int]]:
        match = {"state": RefundState.AWAITING_FUNDS.value}
        groups = await self._groups("refunds", match, "$currency", "$amount")
        return {row["_id"]: (row["count"], row["sum"]) for row in groups}

    async def _one(self, collection: str, query: Document) -> Document | None:
        with sorted_errors():
            return await self._database.collection(collection).find_one(query)

    async def _page(
        self,
        collection: str,
        query: Document,
        after: str,
        limit: int,
        fields: Document | None = None,
    ) -> list[Document]:
        behind = query | {"_id": {"$gt": after}}
        with sorted_errors():
            cursor = self._database.collection(collection).find(behind, fields)
            return await cursor.sort("_id", 1).limit(limit).to_list(None)

    async def _names(self, collection: str, query: Document, after: str, limit: int) -> list[str]:
        """Return only what the documents of a page are called."""
        rows = await self._page(collection, query, after, limit, {"_id": 1})
        return [row["_id"] for row in rows]

    async def _queue(
        self,
        collection: str,
        query: Document,
        since: str,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[Document]:
        """Return a page in order of (since, id), which an index has behind what is equal."""
        if after is not None:
            at, one = after
            # The bound is said beside the choice: in a choice alone no index begins there.
            bound: Document = {since: {"$gte": at}}
            behind: Document = {"$or": [{since: {"$gt": at}}, {"_id": {"$gt": one}}]}
            query = {"$and": [query, bound, behind]}
        with sorted_errors():
            cursor = self._database.collection(collection).find(query)
            return await cursor.sort([(since, 1), ("_id", 1)]).limit(limit).to_list(None)

    async def _queues(self, collection: str, by: str | Document, since: str) -> list[Document]:
        group = {"_id": by, "count": {"$sum": 1}, "oldest": {"$min": since}}
        with sorted_errors():
            cursor = self._database.collection(collection).aggregate([{"$group": group}])
            return await cursor.to_list(None)

    async def _groups(
        self, collection: str, match: Document, by: str | None, amount: str
    ) -> list[Document]:
        group = {"_id": by, "count": {"$sum": 1}, "sum": {"$sum": amount}}
        with sorted_errors():
            cursor = self._database.collection(collection).aggregate(
                [{"$match": match}, {"$group": group}]
            )
            return await cursor.to_list(None)
