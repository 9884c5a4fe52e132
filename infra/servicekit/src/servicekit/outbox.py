"""Outgoing facts, saved with the state that made them and published afterwards by the relay."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from pymongo import InsertOne, UpdateOne

from servicekit.causes import Causes, explain, made_by
from servicekit.clock import Clock
from servicekit.errors import Conflict, DuplicateKey
from servicekit.memory import MemoryDatabase
from servicekit.mongo import Database, Document, Session, sorted_errors
from sosst_contracts.codec import Draft, Record
from sosst_contracts.envelope import sequenced_id


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A sealed record that waits for the broker's acknowledgement."""

    id: str
    record: Record
    saved_at: datetime


class Outbox(Protocol):
    """Where handlers leave what happened, bound to one transaction."""

    async def add(self, drafts: Sequence[Draft]) -> list[int]:
        """Give each draft the next sequence of its (topic, key) and keep it for the relay.

        Sequences are gap-free from 1 and become visible with the transaction. Two transactions
        that add to the same key conflict, so they commit in the order of their sequences.
        What a draft does not say of its cause is filled in: the current cause that is about the
        same thing, and where nothing known caused it, the story of the key's first fact.
        """
        ...

    async def last_sequence(self, topic: str, key: str) -> int:
        """Return the last sequence given out for this key, 0 if none, as this transaction sees it.

        A caller that needs it to stay true until it commits must also write a document that
        every maker of such facts writes.
        """
        ...


class OutboxQueue(Protocol):
    """The relay's side: not bound to a transaction."""

    async def page(self, limit: int, without_topics: Collection[str] = ()) -> list[OutboxRow]:
        """Return the oldest rows; within one key always in order and without a hole."""
        ...

    async def remove(self, ids: Sequence[str]) -> None:
        """Forget rows that the broker acknowledged; repeating it is harmless."""
        ...

    async def note_reached(self, reached: Mapping[tuple[str, int], int]) -> None:
        """Remember the last acknowledged offset by topic and partition; it never falls."""
        ...

    async def reached(self) -> dict[tuple[str, int], int]:
        """Return the last acknowledged offsets that were remembered."""
        ...

    async def backlog(self) -> tuple[int, datetime | None]:
        """Return how many rows wait, and since when the oldest does."""
        ...


class MongoOutbox:
    """Sequences in `sequences`, rows in `outbox`; what it makes is told to `made`."""

    def __init__(self, database: Database, session: Session, clock: Clock, made: Causes) -> None:
        self._sequences = database.collection("sequences")
        self._rows = database.collection("outbox")
        self._session = session
        self._clock = clock
        self._made = made
        self.added = False

    async def add(self, drafts: Sequence[Draft]) -> list[int]:
        if not drafts:
            return []
        self.added = True
        streams: dict[tuple[str, str], list[Draft]] = {}
        for draft in drafts:
            streams.setdefault((draft.topic, draft.key), []).append(draft)
        now = self._clock.now()
        heads = await self._reserve(streams, now)
        rows, sequences = _seal(drafts, heads, now, self._made)
        with sorted_errors():
            await self._rows.insert_many(rows, session=self._session)
        return sequences

    async def last_sequence(self, topic: str, key: str) -> int:
        with sorted_errors():
            row = await self._sequences.find_one({"_id": f"{topic}|{key}"}, session=self._session)
        return row["last"] if row else 0

    async def _reserve(
        self, streams: Mapping[tuple[str, str], Sequence[Draft]], now: datetime
    ) -> "dict[tuple[str, str], _Head]":
        """Move each stream's head by its drafts; return the heads as they were before the first.

        All are read at once and written at once. One that somebody else moved since this
        transaction began makes the write conflict, so what was read is true until the commit.
        """
        ids = {f"{topic}|{key}": (topic, key) for topic, key in streams}
        with sorted_errors():
            cursor = self._sequences.find({"_id": {"$in": list(ids)}}, session=self._session)
            known = {ids[row["_id"]]: row for row in await cursor.to_list(None)}
        heads, writes = {}, []
        for stream_id, stream in ids.items():
            drafts, row = streams[stream], known.get(stream)
            heads[stream] = head = _head(row, stream, drafts, now)
            moved = {
                "last": head.sequence + len(drafts),
                "position": head.position + len(drafts),
                "story": head.story,
            }
            writes.append(_move(stream_id, moved, begun=row is not None))
        try:
            with sorted_errors():
                await self._sequences.bulk_write(writes, ordered=False, session=self._session)
        except DuplicateKey as error:
            raise Conflict("a stream of facts was begun by somebody else") from error
        return heads


@dataclass(slots=True)
class _Head:
    """Where a stream of outgoing facts stands, and whose story its first fact belongs to."""

    sequence: int
    position: int
    story: str


def _head(
    row: Document | None, stream: tuple[str, str], drafts: Sequence[Draft], now: datetime
) -> _Head:
    """Return the head as it is, ready for the drafts.

    The position orders the relay's pages. It follows the clock but never runs backwards within a
    key, whatever the clock says, so a page can never hold 2 without 1.
    """
    known, count = row or {}, len(drafts)
    position = max(_microseconds(now), known.get("position", 0) + count) - count
    story = known.get("story") or first_story(*stream, drafts)
    return _Head(known.get("last", 0), position, story)


def _move(stream_id: str, moved: Document, *, begun: bool) -> Any:
    if begun:
        return UpdateOne({"_id": stream_id}, {"$set": moved})
    return InsertOne({"_id": stream_id, **moved})


def first_story(topic: str, key: str, drafts: Iterable[Draft]) -> str:
    """Return the story of a stream that begins with these drafts: its first fact's own at least."""
    first_id = sequenced_id(topic, key, 1)
    return explain(next(iter(drafts)), first_id).correlation_id or first_id


def _seal(
    drafts: Sequence[Draft], heads: dict[tuple[str, str], _Head], now: datetime, made: Causes
) -> tuple[list[Document], list[int]]:
    rows: list[Document] = []
    sequences: list[int] = []
    for draft in drafts:
        head = heads[draft.topic, draft.key]
        head.sequence, head.position = sequence, position = head.sequence + 1, head.position + 1
        explained = explain(draft, head.story)
        record = explained.seal(sequence)
        made.add(made_by(explained, sequenced_id(draft.topic, draft.key, sequence)))
        sequences.append(sequence)
        rows.append(
            {
                "_id": f"{draft.topic}|{draft.key}|{sequence:020}",
                "position": position,
                "topic": record.topic,
                "key": record.key,
                "value": record.value,
                "headers": [[name, value] for name, value in record.headers],
                "saved_at": now,
            }
        )
    return rows, sequences


def _microseconds(instant: datetime) -> int:
    return int((instant - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000)


class MongoOutboxQueue:
    """The relay's side of the collection `outbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = database.collection("outbox")
        self._reached = database.collection("reached")

    async def page(self, limit: int, without_topics: Collection[str] = ()) -> list[OutboxRow]:
        wanted = {"topic": {"$nin": list(without_topics)}} if without_topics else {}
        # A plain sorted scan was seen to return sequence 2 without 1 (`stack.md` 4); all batches
        # of a snapshot see one instant.
        with sorted_errors():
            async with await self._database.snapshot_session() as session:
                cursor = self._rows.find(wanted, session=session).sort("position", 1).limit(limit)
                documents = await cursor.to_list(None)
        return [_row(document) for document in documents]

    async def remove(self, ids: Sequence[str]) -> None:
        with sorted_errors():
            await self._rows.delete_many({"_id": {"$in": list(ids)}})

    async def note_reached(self, reached: Mapping[tuple[str, int], int]) -> None:
        writes = [
            UpdateOne(
                {"_id": f"{topic}|{partition}"},
                {
                    "$max": {"offset": offset},
                    "$setOnInsert": {"topic": topic, "partition": partition},
                },
                upsert=True,
            )
            for (topic, partition), offset in reached.items()
        ]
        if writes:
            with sorted_errors():
                await self._reached.bulk_write(writes, ordered=False)

    async def reached(self) -> dict[tuple[str, int], int]:
        with sorted_errors():
            rows = await self._reached.find().to_list(None)
        return {(row["topic"], row["partition"]): row["offset"] for row in rows}

    async def backlog(self) -> tuple[int, datetime | None]:
        with sorted_errors():
            count = await self._rows.estimated_document_count()
            oldest = await self._rows.find_one({}, sort=[("position", 1)])
        return count, oldest["saved_at"] if oldest else None


def _row(document: dict[str, Any]) -> OutboxRow:
    headers = tuple((name, value) for name, value in document["headers"])
    record = Record(document["topic"], document["key"], document["value"], headers)
    return OutboxRow(document["_id"], record, document["saved_at"])


class MemoryOutbox:
    """Sequences and rows in memory; both sides of the port in one class.

    The relay's side runs in transactions of its own, so it sees only what was committed.
    """

    def __init__(self, database: MemoryDatabase, clock: Clock, made: Causes | None = None) -> None:
        self._database = database
        self._sequences: dict[tuple[str, str], int] = database.table("sequences")
        self._stories: dict[tuple[str, str], str] = database.table("stories")
        self._rows: dict[str, OutboxRow] = database.table("outbox")
        self._reached: dict[tuple[str, int], int] = database.table("reached")
        self._clock = clock
        self._made = made if made is not None else Causes()

    async def add(self, drafts: Sequence[Draft]) -> list[int]:
        sequences = []
        for draft in drafts:
            stream = draft.topic, draft.key
            sequence = self._sequences.get(stream, 0) + 1
            self._sequences[stream] = sequence
            story = self._stories.setdefault(stream, first_story(*stream, [draft]))
            explained = explain(draft, story)
            row_id = f"{draft.topic}|{draft.key}|{sequence:020}"
            self._rows[row_id] = OutboxRow(row_id, explained.seal(sequence), self._clock.now())
            self._made.add(made_by(explained, sequenced_id(*stream, sequence)))
            sequences.append(sequence)
        return sequences

    async def last_sequence(self, topic: str, key: str) -> int:
        return self._sequences.get((topic, key), 0)

    async def page(self, limit: int, without_topics: Collection[str] = ()) -> list[OutboxRow]:
        async def read() -> list[OutboxRow]:
            rows = self._rows.values()
            return [row for row in rows if row.record.topic not in without_topics][:limit]

        return await self._database.transaction(read)

    async def remove(self, ids: Sequence[str]) -> None:
        async def forget() -> None:
            for row_id in ids:
                self._rows.pop(row_id, None)

        await self._database.transaction(forget)

    async def note_reached(self, reached: Mapping[tuple[str, int], int]) -> None:
        async def note() -> None:
            for place, offset in reached.items():
                self._reached[place] = max(offset, self._reached.get(place, -1))

        await self._database.transaction(note)

    async def reached(self) -> dict[tuple[str, int], int]:
        return dict(self._reached)

    async def backlog(self) -> tuple[int, datetime | None]:
        oldest = next(iter(self._rows.values()), None)
        return len(self._rows), oldest.saved_at if oldest else None
