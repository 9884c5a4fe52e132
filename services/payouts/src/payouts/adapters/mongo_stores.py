"""Books, pledges, refunds, stages and destinations in MongoDB."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from pymongo import InsertOne, ReplaceOne, UpdateOne

from payouts.adapters.documents import Document, Documents
from payouts.adapters.facts import OutboxLedger
from payouts.domain.acts import GIVING
from payouts.domain.block import Block, postings_in
from payouts.domain.book import Book
from payouts.domain.destination import Destination
from payouts.domain.dispute import Dispute, DisputeState
from payouts.domain.holding import Holding
from payouts.domain.integrity import STANDING
from payouts.domain.invoice import Invoice, Numbers
from payouts.domain.launch import LaunchTerms
from payouts.domain.ledger import Posting
from payouts.domain.period import Period
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.postings import Payer
from payouts.domain.receivable import Receivable
from payouts.domain.refund import UNANSWERED, Refund, RefundKind, RefundState
from payouts.domain.refund_run_end import MOVING, causes_of_run
from payouts.domain.stage import Stage
from payouts.metrics import BLOCKS
from servicekit.errors import Conflict
from servicekit.mongo import Collection as MongoCollection
from servicekit.mongo import Database, Session, sorted_errors

BOOKS = Documents(Book)
BLOCK_DOCUMENTS = Documents(Block)
POSTINGS = Documents(Posting)
PLEDGES = Documents(PledgeMoney)
REFUNDS = Documents(Refund)
STAGES = Documents(Stage)
DESTINATIONS = Documents(Destination)
LAUNCHES = Documents(LaunchTerms)
HOLDINGS = Documents(Holding)
# Stands on every book that is saved, until a check finds it right.
UNCHECKED: Document = {"unchecked": True}
DISPUTES = Documents(Dispute)
RECEIVABLES = Documents(Receivable)
INVOICES = Documents(Invoice)
PERIODS = Documents(Period)
NUMBERS = Documents(Numbers)


class Versioned(Protocol):
    """A value whose saves are guarded by its version."""

    @property
    def version(self) -> int: ...


V = TypeVar("V", bound=Versioned)


class _VersionedCollection(Generic[V]):
    """Inserts values of version 0, replaces loaded ones, and notices who was faster."""

    def __init__(
        self,
        collection: MongoCollection,
        session: Session,
        documents: Documents[V],
        beside: Document | None = None,
    ) -> None:
        self._beside = beside or {}
        self._collection = collection
        self._session = session
        self._documents = documents

    async def load(self, query: Document) -> list[V]:
        with sorted_errors():
            cursor = self._collection.find(query, session=self._session).sort("_id", 1)
            return [self._documents.value(row) for row in await cursor.to_list(None)]

    async def save(self, values: Sequence[tuple[str, V]]) -> None:
        if not values:
            return
        writes: list[Any] = [self._write(document_id, value) for document_id, value in values]
        known = sum(1 for _, value in values if value.version)
        with sorted_errors():
            result = await self._collection.bulk_write(writes, ordered=False, session=self._session)
        if result.matched_count != known:
            raise Conflict("a document was saved by somebody else")

    def _write(self, document_id: str, value: V) -> Any:
        document = self._documents.document(document_id, value) | self._beside
        document["version"] = value.version + 1
        if value.version == 0:
            return InsertOne(document)
        return ReplaceOne({"_id": document_id, "version": value.version}, document)


class MongoBooks:
    """`books`, and their `blocks` with numbers and causes that are unique per campaign."""

    def __init__(self, database: Database, session: Session, ledger: OutboxLedger) -> None:
        self._books = _VersionedCollection(database.collection("books"), session, BOOKS, UNCHECKED)
        self._blocks = database.collection("blocks")
        self._unclaimed = database.collection("unclaimed_postings")
        self._session = session
        self._ledger = ledger

    async def load(self, campaign_ids: Collection[str]) -> dict[str, Book]:
        found = await self._books.load({"_id": {"$in": list(campaign_ids)}})
        return {book.campaign_id: book for book in found}

    async def save(self, books: Sequence[Book]) -> None:
        await self._books.save([(book.campaign_id, book) for book in books])

    async def append(self, blocks: Sequence[Block]) -> None:
        if not blocks:
            return
        with sorted_errors():
            await self._blocks.insert_many(
                [block_document(block) for block in blocks], session=self._session
            )
        await self._ledger.add(blocks)
        BLOCKS.inc(len(blocks))

    async def take_back(self, block: Block) -> None:
        unclaimed = [
            POSTINGS.document(posting.cause, posting) | {"campaign_id": block.campaign_id}
            for posting in postings_in(block)
        ]
        with sorted_errors():
            await self._blocks.insert_one(block_document(block), session=self._session)
            await self._unclaimed.insert_many(unclaimed, session=self._session)

    async def sealed(self, causes: Collection[str]) -> dict[str, Posting]:
        wanted = {"_id": {"$in": list(causes)}}
        with sorted_errors():
            rows = await self._unclaimed.find(wanted, session=self._session).to_list(None)
        return {row["_id"]: posting_from(row) for row in rows}

    async def claim(self, causes: Collection[str]) -> None:
        with sorted_errors():
            await self._unclaimed.delete_many({"_id": {"$in": list(causes)}}, session=self._session)


def block_document(block: Block) -> Document:
    """Return the document of a block; `causes` is there for the unique index."""
    causes = sorted({sealed.cause for sealed in block.entries})
    document = BLOCK_DOCUMENTS.document(f"{block.campaign_id}|{block.number:012}", block)
    return document | {"causes": causes}


def block_from(document: Document) -> Block:
    return BLOCK_DOCUMENTS.value({n: v for n, v in document.items() if n != "causes"})


def posting_from(document: Document) -> Posting:
    return POSTINGS.value({n: v for n, v in document.items() if n != "campaign_id"})


class MongoPledges:
    """`pledge_money`; a validator refuses parts that are not the amount."""

    def __init__(self, database: Database, session: Session) -> None:
        self._pledges = database.collection("pledge_money")
        self._session = session
        # As they are in the database; None for those of which only that is known.
        self._known: dict[str, Document | None] = {}

    async def load(self, pledge_ids: Collection[str]) -> dict[str, PledgeMoney]:
        found = await self._find({"_id": {"$in": list(pledge_ids)}}, 0)
        return {money.pledge_id: money for money in found}

    async def save(self, pledges: Sequence[PledgeMoney]) -> None:
        if not pledges:
            return
        await self._learn([m.pledge_id for m in pledges if m.pledge_id not in self._known])
        documents = [PLEDGES.document(money.pledge_id, money) for money in pledges]
        new = [document for document in documents if document["_id"] not in self._known]
        changes = [
            change(self._known[document["_id"]], document)
            for document in documents
            if document["_id"] in self._known
        ]
        with sorted_errors():
            if new:
                await self._pledges.insert_many(new, ordered=False, session=self._session)
            if changes:
                await self._pledges.bulk_write(changes, ordered=False, session=self._session)
        self._known |= {document["_id"]: document for document in documents}

    async def _learn(self, pledge_ids: Sequence[str]) -> None:
        """See which of them exist: asking and inserting costs a fraction of an upsert."""
        if not pledge_ids:
            return
        query = {"_id": {"$in": list(pledge_ids)}}
        with sorted_errors():
            found = await self._pledges.find(query, {"_id": 1}, session=self._session).to_list(None)
        self._known |= {row["_id"]: None for row in found}

    async def page(self, campaign_id: str, after: str | None, limit: int) -> list[PledgeMoney]:
        query: Document = {"campaign_id": campaign_id, "_id": {"$gt": after or ""}}
        return await self._find(query, limit)

    async def of_payment(self, payment_reference: str) -> PledgeMoney | None:
        found = await self._find({"payment_reference": payment_reference}, 1)
        return found[0] if found else None

    async def _find(self, query: Document, limit: int) -> list[PledgeMoney]:
        with sorted_errors():
            cursor = self._pledges.find(query, session=self._session).sort("_id", 1).limit(limit)
            rows = await cursor.to_list(None)
        self._known |= {row["_id"]: row for row in rows}
        return [PLEDGES.value(row) for row in rows]


def change(known: Document | None, wanted: Document) -> UpdateOne | ReplaceOne[Document]:
    """Return the write that makes one document of another; without what is there, all of it.

    A document that is replaced is taken out of its indexes and put in again, word for word.
    """
    mine = {"_id": wanted["_id"]}
    if known is None:
        return ReplaceOne(mine, wanted)
    told = {name: value for name, value in wanted.items() if known.get(name, ...) != value}
    return UpdateOne(mine, {"$set": told}) if told else ReplaceOne(mine, wanted)


class MongoRefunds:
    """`refunds`, whose id is made of pledge and cause."""

    def __init__(self, database: Database, session: Session) -> None:
        self._rows = database.collection("refunds")
        self._refunds = _VersionedCollection(self._rows, session, REFUNDS)
        self._session = session

    async def load(self, refund_ids: Collection[str]) -> dict[str, Refund]:
        found = await self._refunds.load({"_id": {"$in": list(refund_ids)}})
        return {refund.refund_id: refund for refund in found}

    async def of_pledge(self, pledge_id: str) -> list[Refund]:
        found = await self._refunds.load({"pledge_id": pledge_id})
        return sorted(found, key=lambda refund: (refund.created_at, refund.refund_id))

    async def save(self, refunds: Sequence[Refund]) -> None:
        await self._refunds.save([(refund.refund_id, refund) for refund in refunds])

    async def unanswered(self, campaign_id: str, besides: Sequence[str]) -> int:
        causes = "|".join(re.escape(cause) for cause in besides)
        query = {
            "campaign_id": campaign_id,
            "state": {"$in": sorted(UNANSWERED)},
            "cause": {"$not": {"$regex": f"^({causes})"}},
        }
        with sorted_errors():
            return await self._rows.count_documents(query, session=self._session)

    async def run_moves(self, campaign_id: str, cause: str) -> bool:
        moving = {"state": {"$in": sorted(MOVING)}}
        query = {"campaign_id": campaign_id} | moving | _of_run(cause)
        with sorted_errors():
            return await self._rows.find_one(query, {"_id": 1}, session=self._session) is not None

    async def run_figures(
        self, campaign_id: str, cause: str
    ) -> Mapping[RefundState, tuple[int, int]]:
        group = {"_id": "$state", "count": {"$sum": 1}, "amount": {"$sum": "$amount"}}
        match = {"campaign_id": campaign_id} | _of_run(cause)
        stages: list[Document] = [{"$match": match}, {"$group": group}]
        with sorted_errors():
            rows = await self._rows.aggregate(stages, session=self._session).to_list(None)
        return {RefundState(row["_id"]): (row["count"], row["amount"]) for row in rows}

    async def compensations(self, campaign_id: str, person: str, since: datetime) -> list[Refund]:
        query = {
            "campaign_id": campaign_id,
            "kind": RefundKind.COMPENSATION.value,
            "acts": {
                "$elemMatch": {"by": person, "at": {"$gte": since}, "kind": {"$in": sorted(GIVING)}}
            },
        }
        return await self._refunds.load(query)

    async def of_platform(self, campaign_id: str) -> list[Refund]:
        query = {
            "campaign_id": campaign_id,
            "kind": RefundKind.COMPENSATION.value,
            "payer": Payer.PLATFORM.value,
            "beyond": {"$ne": True},
            "state": {"$in": sorted(STANDING)},
        }
        return sorted(await self._refunds.load(query), key=lambda refund: refund.refund_id)

    async def blocked(self, campaign_id: str) -> list[Refund]:
        query = {"campaign_id": campaign_id, "state": RefundState.BLOCKED.value}
        return await self._refunds.load(query)


def _of_run(cause: str) -> Document:
    return {"cause": {"$regex": causes_of_run(cause)}}


class MongoDisputes:
    """`disputes`, by the provider's id."""

    def __init__(self, database: Database, session: Session) -> None:
        self._disputes = _VersionedCollection(database.collection("disputes"), session, DISPUTES)

    async def load(self, dispute_id: str) -> Dispute | None:
        found = await self._disputes.load({"_id": dispute_id})
        return found[0] if found else None

    async def opened(self, campaign_id: str) -> list[Dispute]:
        query = {"campaign_id": campaign_id, "state": DisputeState.OPENED.value}
        return await self._disputes.load(query)

    async def save(self, dispute: Dispute) -> None:
        await self._disputes.save([(dispute.dispute_id, dispute)])


class MongoReceivables:
    """`receivables`, whose id is made of campaign and cause."""

    def __init__(self, database: Database, session: Session) -> None:
        collection = database.collection("receivables")
        self._receivables = _VersionedCollection(collection, session, RECEIVABLES)

    async def load(self, campaign_id: str) -> dict[str, Receivable]:
        found = await self._receivables.load({"campaign_id": campaign_id})
        return {one.receivable_id: one for one in found}

    async def save(self, receivables: Sequence[Receivable]) -> None:
        await self._receivables.save([(one.receivable_id, one) for one in receivables])


class MongoStages:
    """`stages`, three per campaign and its supplements."""

    def __init__(self, database: Database, session: Session) -> None:
        self._stages = _VersionedCollection(database.collection("stages"), session, STAGES)

    async def load(self, campaign_id: str) -> list[Stage]:
        found = await self._stages.load({"campaign_id": campaign_id})
        return sorted(found, key=lambda stage: stage.number)

    async def save(self, stages: Sequence[Stage]) -> None:
        await self._stages.save([(stage.stage_id, stage) for stage in stages])


class MongoInvoices:
    """`invoices` by number, and `invoice_numbers`, how far each series is given."""

    def __init__(self, database: Database, session: Session) -> None:
        self._invoices = database.collection("invoices")
        numbers = database.collection("invoice_numbers")
        self._numbers = _VersionedCollection(numbers, session, NUMBERS)
        self._session = session

    async def of_campaign(self, campaign_id: str) -> list[Invoice]:
        with sorted_errors():
            cursor = self._invoices.find({"campaign_id": campaign_id}, session=self._session)
            rows = await cursor.sort([("issued_at", 1), ("_id", 1)]).to_list(None)
        return [INVOICES.value(row) for row in rows]

    async def numbers(self, series: str) -> Numbers:
        found = await self._numbers.load({"_id": series})
        return found[0] if found else Numbers(series)

    async def add(self, invoice: Invoice, numbers: Numbers) -> None:
        await self._numbers.save([(numbers.series, numbers)])
        document = INVOICES.document(f"{invoice.seller.siren}/{invoice.number}", invoice)
        with sorted_errors():
            await self._invoices.insert_one(document, session=self._session)


class MongoPeriods:
    """`periods`, by the month's name."""

    def __init__(self, database: Database, session: Session) -> None:
        self._periods = _VersionedCollection(database.collection("periods"), session, PERIODS)

    async def load(self, month: str) -> Period | None:
        found = await self._periods.load({"_id": month})
        return found[0] if found else None

    async def last_closed(self) -> Period | None:
        # Twelve a year.
        found = await self._periods.load({"closed_at": {"$ne": None}})
        return found[-1] if found else None

    async def save(self, period: Period) -> None:
        await self._periods.save([(period.month, period)])


class MongoDestinations:
    """`destinations`, one per campaign, guarded by its version."""

    def __init__(self, database: Database, session: Session) -> None:
        self._destinations = database.collection("destinations")
        self._session = session

    async def load(self, campaign_id: str) -> Destination | None:
        with sorted_errors():
            row = await self._destinations.find_one({"_id": campaign_id}, session=self._session)
        return DESTINATIONS.value(row) if row else None

    async def save(self, destination: Destination) -> None:
        document = DESTINATIONS.document(destination.campaign_id, destination)
        not_later = {"_id": destination.campaign_id, "version": {"$lte": destination.version}}
        # A later version makes the filter miss, and the insert that follows meets its id.
        with sorted_errors():
            await self._destinations.replace_one(
                not_later, document, upsert=True, session=self._session
            )


class MongoCreators:
    """`creators`, one document per campaign."""

    def __init__(self, database: Database, session: Session) -> None:
        self._creators = database.collection("creators")
        self._session = session

    async def add(self, creators: Mapping[str, str]) -> None:
        if not creators:
            return
        writes = [
            UpdateOne({"_id": campaign}, {"$setOnInsert": {"creator_id": creator}}, upsert=True)
            for campaign, creator in creators.items()
        ]
        with sorted_errors():
            await self._creators.bulk_write(writes, ordered=False, session=self._session)

    async def of(self, campaign_id: str) -> str | None:
        with sorted_errors():
            row = await self._creators.find_one({"_id": campaign_id}, session=self._session)
        return row["creator_id"] if row else None


class MongoLendings:
    """`lendings`, one counter for each currency."""

    def __init__(self, database: Database, session: Session) -> None:
        self._lendings = database.collection("lendings")
        self._session = session

    async def count(self, currency: str) -> int:
        with sorted_errors():
            row = await self._lendings.find_one({"_id": currency}, session=self._session)
        return row["count"] if row else 0

    async def add(self, currency: str) -> None:
        with sorted_errors():
            await self._lendings.update_one(
                {"_id": currency}, {"$inc": {"count": 1}}, upsert=True, session=self._session
            )


class MongoHoldings:
    """`holdings`, one document for each campaign whose money is old."""

    def __init__(self, database: Database, session: Session) -> None:
        self._rows = database.collection("holdings")
        self._holdings = _VersionedCollection(self._rows, session, HOLDINGS)
        self._session = session

    async def load(self, campaign_id: str) -> Holding | None:
        found = await self._holdings.load({"_id": campaign_id})
        return found[0] if found else None

    async def save(self, holding: Holding) -> None:
        await self._holdings.save([(holding.campaign_id, holding)])

    async def remove(self, campaign_id: str) -> None:
        with sorted_errors():
            await self._rows.delete_one({"_id": campaign_id}, session=self._session)


class MongoLaunches:
    """`launches`, one document per campaign."""

    def __init__(self, database: Database, session: Session) -> None:
        self._launches = database.collection("launches")
        self._session = session

    async def add(self, launches: Sequence[LaunchTerms]) -> None:
        if not launches:
            return
        documents = [LAUNCHES.document(one.campaign_id, one) for one in launches]
        writes = [
            UpdateOne({"_id": one.pop("_id")}, {"$setOnInsert": one}, upsert=True)
            for one in documents
        ]
        with sorted_errors():
            await self._launches.bulk_write(writes, ordered=False, session=self._session)

    async def load(self, campaign_id: str) -> LaunchTerms | None:
        with sorted_errors():
            row = await self._launches.find_one({"_id": campaign_id}, session=self._session)
        return LAUNCHES.value(row) if row else None
