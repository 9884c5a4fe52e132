"""Memberships, causes and chunks in MongoDB."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from operator import itemgetter
from typing import Any

from pymongo import InsertOne, ReplaceOne, UpdateOne

from notifier.adapters.documents import (
    Document,
    cause_document,
    cause_from,
    chunk_document,
    chunk_from,
)
from notifier.adapters.mongo_audience import MongoSieve
from notifier.adapters.places import beside_plans, in_plans
from notifier.adapters.schema import NOBODY
from notifier.domain.cause import Cause, Told, Totals, Withdrawal
from notifier.domain.chunk import ENDED, UNTOLD, Chunk, ChunkState, Member, without
from notifier.ports.unit import Departure, Membership
from servicekit.documents import read_as
from servicekit.errors import Conflict, DuplicateKey
from servicekit.mongo import Collection as Stored
from servicekit.mongo import Database, Session, sorted_errors

MEMBERS_PAGE = 10_000
_PAIR: Callable[[Document], Member] = itemgetter("backer_id", "key_hash")


class MongoMemberships:
    """The collection `memberships`, one document per collected pledge."""

    def __init__(self, database: Database, session: Session) -> None:
        self._memberships = database.collection("memberships")
        self._departures = database.collection("departures")
        self._session = session

    async def add(self, memberships: Sequence[Membership]) -> None:
        if not memberships:
            return
        joining = {_place(m): m for m in reversed(memberships)}
        ids = [_membership_id(place) for place in joining]
        with sorted_errors():
            cursor = self._memberships.find(
                {"_id": {"$in": ids}}, {"_id": 1}, session=self._session
            )
            known = {tuple(row["_id"].values()) for row in await cursor.to_list(None)}
            new = [
                {"_id": _membership_id(place), **_fields(membership)}
                for place, membership in joining.items()
                if place not in known
            ]
            if new:
                await self._memberships.insert_many(new, session=self._session)

    async def has_backed(self, campaign_id: str, person_id: str) -> bool:
        query = {"campaign_id": campaign_id, "backer_id": person_id}
        with sorted_errors():
            return await self._memberships.find_one(query, session=self._session) is not None

    async def belonging(self, campaign_id: str, backers: Collection[str], until: int) -> set[str]:
        mine = {"campaign_id": campaign_id, "backer_id": {"$in": list(backers)}}
        fields = {"_id": 0, "backer_id": 1, "key_hash": 1}
        with sorted_errors():
            joined = await self._memberships.find(
                {**mine, "joined": {"$lte": until}}, fields, session=self._session
            ).to_list(None)
            left = await self._departures.find(
                {**mine, "left": {"$lte": until}}, {"backer_id": 1}, session=self._session
            ).to_list(None)
        staying = without(map(_PAIR, joined), Counter(r["backer_id"] for r in left))
        return {backer_id for backer_id, _ in staying}

    async def left_by(self, campaign_id: str, pledges: Collection[str], at: datetime) -> set[str]:
        ids = [_membership_id((campaign_id, one)) for one in pledges]
        query = {"_id": {"$in": ids}, "left_at": {"$lte": at}}
        with sorted_errors():
            cursor = self._departures.find(query, {"pledge_id": 1}, session=self._session)
            return {row["pledge_id"] for row in await cursor.to_list(None)}

    async def behind(
        self, campaign_id: str, sequence: int, captured_until: datetime
    ) -> list[Membership]:
        query = {
            "campaign_id": campaign_id,
            "joined": {"$gt": sequence},
            "captured_at": {"$lte": captured_until},
        }
        with sorted_errors():
            cursor = self._memberships.find(query, {"_id": 0}, session=self._session)
            return [read_as(Membership, row) for row in await cursor.to_list(None)]

    async def leave(self, departures: Sequence[Departure]) -> None:
        if not departures:
            return
        writes = [
            UpdateOne(
                {"_id": _membership_id((one.campaign_id, one.pledge_id))},
                {"$setOnInsert": {name: getattr(one, name) for name in Departure.__slots__}},
                upsert=True,
            )
            for one in departures
        ]
        with sorted_errors():
            await self._departures.bulk_write(writes, ordered=False, session=self._session)


def _fields(membership: Membership) -> Document:
    return {name: getattr(membership, name) for name in Membership.__slots__}


def _place(membership: Membership) -> tuple[str, str]:
    return membership.campaign_id, membership.pledge_id


def _membership_id(place: tuple[str, str]) -> Document:
    """Two fields, because ids may contain any separator that one text could use."""
    return {"campaign_id": place[0], "pledge_id": place[1]}


class MongoCauses:
    """The collection `causes`, guarded by each document's version."""

    def __init__(self, database: Database, session: Session) -> None:
        self._causes = database.collection("causes")
        self._session = session

    async def load(self, names: Collection[str]) -> dict[str, Cause]:
        with sorted_errors():
            cursor = self._causes.find({"_id": {"$in": list(names)}}, session=self._session)
            return {row["_id"]: cause_from(row) for row in await cursor.to_list(None)}

    async def of_campaigns(self, campaign_ids: Collection[str], since: datetime) -> list[Cause]:
        query = {"campaign_id": {"$in": list(campaign_ids)}, "heard_at": {"$gte": since}}
        with sorted_errors():
            cursor = self._causes.find(query, session=self._session)
            return [cause_from(row) for row in await cursor.to_list(None)]

    async def save(self, causes: Sequence[Cause]) -> None:
        if not causes:
            return
        writes: list[Any] = [_cause_write(cause) for cause in causes]
        known = sum(1 for cause in causes if cause.version)
        with sorted_errors():
            result = await self._causes.bulk_write(writes, ordered=False, session=self._session)
        if result.matched_count != known:
            raise Conflict("a cause was saved by somebody else")


def _cause_write(cause: Cause) -> Any:
    document = cause_document(replace(cause, version=cause.version + 1))
    if cause.version == 0:
        return InsertOne(document)
    return ReplaceOne({"_id": cause.name, "version": cause.version}, document)


async def _found(
    chunks: Stored, chunk_ids: Collection[str], query: Document, session: Session | None
) -> dict[str, Chunk]:
    with sorted_errors():
        cursor = chunks.find({"_id": {"$in": list(chunk_ids)}} | query, session=session)
        return {row["_id"]: chunk_from(row) for row in await cursor.to_list(None)}


class MongoChunks:
    """The collection `chunks`, bound to a transaction."""

    def __init__(self, database: Database, session: Session, partitions: int) -> None:
        self._chunks = database.collection("chunks")
        self._session = session
        self._partitions = partitions

    async def add_new(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        if not chunks:
            return []
        ids = [chunk.chunk_id for chunk in chunks]
        with sorted_errors():
            cursor = self._chunks.find({"_id": {"$in": ids}}, {"_id": 1}, session=self._session)
            known = {row["_id"] for row in await cursor.to_list(None)}
            new = [chunk for chunk in chunks if chunk.chunk_id not in known]
            if new:
                await self._chunks.insert_many(
                    [chunk_document(chunk) for chunk in new], session=self._session
                )
        return new

    async def load(self, chunk_ids: Collection[str]) -> dict[str, Chunk]:
        return await _found(self._chunks, chunk_ids, {}, self._session)

    async def holding(
        self, chunk_ids: Collection[str], people: Collection[str]
    ) -> dict[str, Chunk]:
        held = {"recipients": {"$in": list(people)}}
        return await _found(self._chunks, chunk_ids, held, self._session)

    async def told_since(
        self, campaign_id: str, people: Collection[str], since: datetime, most: int
    ) -> list[str]:
        found: list[Document] = []
        planned = in_plans(campaign_id, people, self._partitions)
        for place in (beside_plans(people), planned):
            with sorted_errors():
                cursor = self._chunks.find(
                    place | {"caused_at": {"$gte": since}}, {"caused_at": 1}, session=self._session
                )
                # As the index has each person's: so many are read, however many there are.
                found += await cursor.sort("caused_at", -1).limit(most).to_list(None)
        found.sort(key=lambda row: row["caused_at"], reverse=True)
        return [row["_id"] for row in found[:most]]

    async def done(self, chunk_ids: Collection[str], at: datetime) -> None:
        with sorted_errors():
            await self._chunks.update_many(
                {"_id": {"$in": list(chunk_ids)}, "state": ChunkState.PENDING.value},
                {"$set": {"state": ChunkState.DONE.value, "told_at": at}},
                session=self._session,
            )

    async def told_beside(self, told: Told, people: Collection[str]) -> set[str]:
        if not people:
            return set()
        of_cause = {"caused_at": told.caused_at, "cause": told.cause}
        query = beside_plans(people) | of_cause
        with sorted_errors():
            fields = {"recipients": 1, "suppressed": 1}
            cursor = self._chunks.find(query, fields, session=self._session)
            rows = await cursor.to_list(None)
        told_of = {one for row in rows for one in {*row["recipients"]} - _hushed_in(row)}
        return told_of & set(people)

    async def hushed_among(self, told: Told, people: Collection[str]) -> set[str]:
        if not people:
            return set()
        # By the index of sums: nearly always nobody is hushed, and no chunk is read.
        query = _planned_for([told.cause]) | {
            "hushed": {"$gt": 0},
            "suppressed.person": {"$in": list(people)},
        }
        with sorted_errors():
            cursor = self._chunks.find(query, {"suppressed": 1}, session=self._session)
            rows = await cursor.to_list(None)
        return {one for row in rows for one in _hushed_in(row)} & set(people)

    async def address(self, chunk: Chunk) -> None:
        fields = chunk_document(chunk)
        changed = {name: fields[name] for name in ("recipients", "size", "state")}
        with sorted_errors():
            await self._chunks.update_one(
                {"_id": chunk.chunk_id}, {"$set": changed}, session=self._session
            )

    async def withdraw(self, withdrawals: Sequence[Withdrawal]) -> list[str]:
        if not withdrawals:
            return []
        # Looked for once: nearly always, as for every payment, there is none.
        query = _reminders_of(withdrawals)
        with sorted_errors():
            cursor = self._chunks.find(query, {"_id": 1}, session=self._session)
            found = [row["_id"] for row in await cursor.to_list(None)]
            if found:
                concerned: Document = {"_id": {"$in": found}}
                await self._chunks.update_many(
                    concerned | {"state": {"$in": [one.value for one in UNTOLD]}},
                    {"$set": {"state": ChunkState.WITHDRAWN.value}},
                    session=self._session,
                )
                await self._chunks.update_many(
                    concerned, {"$set": {"reason_gone": True}}, session=self._session
                )
        return found

    async def forget(self, recipients: Collection[str]) -> None:
        people = {"$literal": list(recipients)}
        # Noted in the chunk, because who is erased one by one is known by nothing else later on.
        before = {"$ifNull": ["$erased", []]}
        erased = {"$setUnion": [before, {"$setIntersection": ["$recipients", people]}]}
        nobody_else = {"$setIsSubset": ["$recipients", "$erased"]}
        content = {"$cond": [nobody_else, {"$literal": {}}, "$content"]}
        # A plan's chunks say to each what they say to the whole campaign.
        told = beside_plans(recipients) | {"partition": None}
        with sorted_errors():
            await self._chunks.update_many(
                told,
                [{"$set": {"erased": erased}}, {"$set": {"content": content}}],
                session=self._session,
            )

    async def shed(self, chunk_ids: Collection[str]) -> None:
        # `size` and `hushed` stay, of which the totals are made.
        shed: Document = {"recipients": [], "content": {}, "forgotten": True, "first": NOBODY}
        names = dict.fromkeys(("suppressed", "erased", "last"), "")
        query = {"_id": {"$in": list(chunk_ids)}, "state": {"$in": [one.value for one in ENDED]}}
        with sorted_errors():
            await self._chunks.update_many(
                query, {"$set": shed, "$unset": names}, session=self._session
            )

    async def totals(self, cause: str) -> Totals:
        with sorted_errors():
            cursor = self._chunks.aggregate(totals_pipeline([cause]), session=self._session)
            return totals_from(await cursor.to_list(None))


def _hushed_in(row: Document) -> set[str]:
    return {one["person"] for one in row.get("suppressed", ())}


def _reminders_of(withdrawals: Sequence[Withdrawal]) -> Document:
    """Return what finds the chunks that have lost their reason, by their ids."""
    alone = [one.beginning for one in withdrawals if one.alone]
    others = [_beginning_so(one) for one in withdrawals if not one.alone]
    return {"$or": [{"_id": {"$in": alone}}, *others]}


def _beginning_so(withdrawal: Withdrawal) -> Document:
    begin, until = withdrawal.beginning, withdrawal.until
    named = {"$gte": begin, "$lt": f"{begin}\uffff"}
    if withdrawal.numbers:
        named["$regex"] = withdrawal.pattern
    return {"_id": named} | ({} if until is None else {"caused_at": {"$lte": until}})


def _planned_for(causes: Collection[str]) -> Document:
    """The partial index holds chunks with a partition; a query must say so to be given it."""
    return {"cause": {"$in": list(causes)}, "partition": {"$gte": 0}}


def totals_pipeline(causes: Collection[str]) -> list[Document]:
    """Sums the index alone; no recipients are read."""
    return [
        {"$match": _planned_for(causes)},
        {
            "$group": {
                "_id": {"cause": "$cause", "state": "$state", "supplement": "$supplement"},
                "people": {"$sum": "$size"},
                "hushed": {"$sum": "$hushed"},
            }
        },
    ]


def totals_from(rows: Sequence[Document]) -> Totals:
    people: Counter[str] = Counter()
    for row in rows:
        people[row["_id"]["state"]] += row["people"] - row["hushed"]
    return Totals(
        delivered=people[ChunkState.DONE.value],
        pending=people[ChunkState.PENDING.value],
        suppressed=people[ChunkState.WITHDRAWN.value] + sum(row["hushed"] for row in rows),
        supplements=sum(row["people"] for row in rows if row["_id"].get("supplement")),
    )


class MongoAudience(MongoSieve):
    """`ports.Audience`: streams memberships, stores chunks; no transaction, so any size fits."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, None)
        self._chunks = database.collection("chunks")

    async def members(self, campaign_id: str, until: int) -> AsyncIterator[list[Member]]:
        fields = {"_id": 0, "backer_id": 1, "key_hash": 1}
        query = {"campaign_id": campaign_id, "joined": {"$lte": until}}
        in_order = [("campaign_id", 1), ("backer_id", 1)]
        left = await self._departed(campaign_id, until)
        with sorted_errors():
            cursor = self._memberships.find(query, fields, batch_size=MEMBERS_PAGE).sort(in_order)
            page = cursor.to_list(MEMBERS_PAGE)
            while rows := await page:
                # On its way while this one is cut.
                page = cursor.to_list(MEMBERS_PAGE)
                members = list(map(_PAIR, rows))
                yield without(members, left) if left else members

    async def _departed(self, campaign_id: str, until: int) -> Counter[str]:
        """Return how many pledges each backer had withdrawn by then; few ever do."""
        query = {"campaign_id": campaign_id, "left": {"$lte": until}}
        groups: list[Document] = [
            {"$match": query},
            {"$group": {"_id": "$backer_id", "pledges": {"$sum": 1}}},
        ]
        with sorted_errors():
            rows = await self._departures.aggregate(groups).to_list(None)
        return Counter({row["_id"]: row["pledges"] for row in rows})

    async def store(self, chunks: Sequence[Chunk]) -> None:
        if not chunks:
            return
        ids = [chunk.chunk_id for chunk in chunks]
        with sorted_errors():
            cursor = self._chunks.find({"_id": {"$in": ids}}, {"_id": 1})
            known = {row["_id"] for row in await cursor.to_list(None)}
        new = [chunk_document(chunk) for chunk in chunks if chunk.chunk_id not in known]
        try:
            with sorted_errors():
                if new:
                    await self._chunks.insert_many(new, ordered=False)
        except DuplicateKey:
            pass  # Another planner of this cause put the same chunks there meanwhile.

    async def load(self, chunk_ids: Collection[str]) -> dict[str, Chunk]:
        return await _found(self._chunks, chunk_ids, {}, None)
