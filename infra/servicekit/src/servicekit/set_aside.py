"""Facts that could not be used, kept whole where a person or the missing fact can heal them.

Decision 0004: no dead-letter topics. Decision 0010: a fact without a sequence is set aside alone;
one with a sequence makes its key wait, and the key's later facts are kept here behind it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pymongo import ReplaceOne

from servicekit.documents import read_as
from servicekit.memory import MemoryDatabase
from servicekit.mongo import Database, Document, Session, sorted_errors
from sosst_contracts.codec import Record


@dataclass(frozen=True, slots=True)
class Search:
    """What a person looks for: None means any; `reason` is how the reason begins."""

    topic: str | None = None
    key: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SetAsideFact:
    """One record with what was wrong with it and where it was read.

    `key` is None where the fact cannot be attributed; `sequence` is None where it has none.
    `retryable` marks a fact that is tried again by itself: another fact may heal it, or its turn
    had come when it was left for the next save.
    """

    id: str
    group: str
    topic: str
    key: str | None
    sequence: int | None
    record: Record
    partition: int
    offset: int
    reason: str
    detail: str
    retryable: bool
    set_aside_at: datetime


class SetAside(Protocol):
    """The facts set aside, bound to one transaction."""

    async def add(self, facts: Sequence[SetAsideFact]) -> None:
        """Keep the facts; one that is already kept (same id) is replaced."""
        ...

    async def waiting(
        self, group: str, topic: str, keys: Iterable[str]
    ) -> dict[str, list[SetAsideFact]]:
        """Return the sequenced facts kept for each key, in order of sequence."""
        ...

    async def retryable(
        self, group: str, topic: str, limit: int, after: SetAsideFact | None = None
    ) -> list[SetAsideFact]:
        """Return facts that another fact may have healed, oldest first.

        `after` is the last fact of the page before.
        """
        ...

    async def search(self, wanted: Search, after: str, limit: int) -> list[SetAsideFact]:
        """Return facts in order of id, behind `after` ("" = from the first)."""
        ...

    async def load(self, fact_id: str) -> SetAsideFact | None: ...

    async def count(self, key: str) -> int:
        """Return how many facts are kept for this key, over all groups and topics."""
        ...

    async def remove(self, ids: Sequence[str]) -> None:
        """Forget facts that were applied or that turned out to be repeats."""
        ...


class MongoSetAside:
    """Facts set aside in the collection `set_aside`."""

    def __init__(self, database: Database, session: Session | None) -> None:
        self._facts = database.collection("set_aside")
        self._session = session

    async def add(self, facts: Sequence[SetAsideFact]) -> None:
        if not facts:
            return
        writes = [ReplaceOne({"_id": fact.id}, _document(fact), upsert=True) for fact in facts]
        with sorted_errors():
            await self._facts.bulk_write(writes, ordered=False, session=self._session)

    async def waiting(
        self, group: str, topic: str, keys: Iterable[str]
    ) -> dict[str, list[SetAsideFact]]:
        wanted = list(keys)
        found: dict[str, list[SetAsideFact]] = {key: [] for key in wanted}
        query = {"group": group, "topic": topic, "key": {"$in": wanted}, "sequence": {"$ne": None}}
        for fact in await self._find(query, [("sequence", 1)], 0):
            found[fact.key or ""].append(fact)
        return found

    async def retryable(
        self, group: str, topic: str, limit: int, after: SetAsideFact | None = None
    ) -> list[SetAsideFact]:
        query: Document = {"group": group, "topic": topic, "retryable": True}
        if after is not None:
            instant = after.set_aside_at
            same_instant = {"set_aside_at": instant, "_id": {"$gt": after.id}}
            query["$or"] = [{"set_aside_at": {"$gt": instant}}, same_instant]
        return await self._find(query, [("set_aside_at", 1), ("_id", 1)], limit)

    async def search(self, wanted: Search, after: str, limit: int) -> list[SetAsideFact]:
        query: Document = {"_id": {"$gt": after}}
        if wanted.topic is not None:
            query["topic"] = wanted.topic
        if wanted.key is not None:
            query["key"] = wanted.key
        if wanted.reason is not None:
            query["reason"] = {"$regex": f"^{re.escape(wanted.reason)}"}
        return await self._find(query, [("_id", 1)], limit)

    async def load(self, fact_id: str) -> SetAsideFact | None:
        found = await self._find({"_id": fact_id}, [("_id", 1)], 1)
        return found[0] if found else None

    async def count(self, key: str) -> int:
        with sorted_errors():
            return await self._facts.count_documents({"key": key}, session=self._session)

    async def remove(self, ids: Sequence[str]) -> None:
        if ids:
            with sorted_errors():
                await self._facts.delete_many({"_id": {"$in": list(ids)}}, session=self._session)

    async def _find(
        self, query: Document, order: list[tuple[str, int]], limit: int
    ) -> list[SetAsideFact]:
        with sorted_errors():
            cursor = self._facts.find(query, session=self._session).sort(order).limit(limit)
            return [_fact(document) for document in await cursor.to_list(None)]


class MemorySetAside:
    """Facts set aside in memory."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._facts: dict[str, SetAsideFact] = database.table("set_aside")

    async def add(self, facts: Sequence[SetAsideFact]) -> None:
        self._facts.update({fact.id: fact for fact in facts})

    async def waiting(
        self, group: str, topic: str, keys: Iterable[str]
    ) -> dict[str, list[SetAsideFact]]:
        found: dict[str, list[SetAsideFact]] = {key: [] for key in keys}
        for fact in self._facts.values():
            if (fact.group, fact.topic) == (group, topic) and fact.sequence is not None:
                found.get(fact.key or "", []).append(fact)
        return {key: sorted(facts, key=lambda f: f.sequence or 0) for key, facts in found.items()}

    async def retryable(
        self, group: str, topic: str, limit: int, after: SetAsideFact | None = None
    ) -> list[SetAsideFact]:
        found = [f for f in self._facts.values() if f.retryable and f.group == group]
        found = [f for f in found if f.topic == topic]
        if after is not None:
            found = [f for f in found if _age(f) > _age(after)]
        return sorted(found, key=_age)[:limit]

    async def search(self, wanted: Search, after: str, limit: int) -> list[SetAsideFact]:
        found = [self._facts[fact_id] for fact_id in sorted(self._facts) if fact_id > after]
        return [fact for fact in found if _is_wanted(fact, wanted)][:limit]

    async def load(self, fact_id: str) -> SetAsideFact | None:
        return self._facts.get(fact_id)

    async def count(self, key: str) -> int:
        return sum(1 for fact in self._facts.values() if fact.key == key)

    async def remove(self, ids: Sequence[str]) -> None:
        for fact_id in ids:
            self._facts.pop(fact_id, None)


def _is_wanted(fact: SetAsideFact, wanted: Search) -> bool:
    return (
        wanted.topic in (None, fact.topic)
        and wanted.key in (None, fact.key)
        and fact.reason.startswith(wanted.reason or "")
    )


def _age(fact: SetAsideFact) -> tuple[datetime, str]:
    return fact.set_aside_at, fact.id


def _document(fact: SetAsideFact) -> Document:
    return {
        "_id": fact.id,
        "group": fact.group,
        "topic": fact.topic,
        "key": fact.key,
        "sequence": fact.sequence,
        "record_key": fact.record.key,
        "bytes": fact.record.value,
        "headers": [[name, value] for name, value in fact.record.headers],
        "partition": fact.partition,
        "offset": fact.offset,
        "reason": fact.reason,
        "detail": fact.detail,
        "retryable": fact.retryable,
        "set_aside_at": fact.set_aside_at,
    }


def _fact(document: Document) -> SetAsideFact:
    headers = tuple((name, value) for name, value in document["headers"])
    record = Record(document["topic"], document["record_key"], document["bytes"], headers)
    return read_as(SetAsideFact, document, id=document["_id"], record=record)
