"""Outgoing facts, saved with the state that made them and published afterwards by the relay."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from pymongo import InsertOne, UpdateOne

from servicekit.causes import Causes, Made, explain
from servicekit.clock import Clock
from servicekit.errors import Conflict, DuplicateKey
from servicekit.memory import MemoryDatabase
from servicekit.mongo import Database, Document, Session, sorted_errors
from sosst_contracts.codec import Draft, Record
from sosst_contracts.envelope import sequenced_id

# A page is one document: inserted, read and deleted as one, whatever number of facts it holds.
PAGE_FACTS_MAX = 500
PAGE_BYTES_MAX = 1024 * 1024
# How many documents the relay asks for first: a calm outbox holds less, and one of large pages
# would be read for nothing beyond what is sent at once.
FIRST_DOCUMENTS = 8
# Of more documents the facts are estimated: a full one is half a megabyte to read.
COUNTED_DOCUMENTS = 200
COUNT_MILLISECONDS = 2_000
# What `values_of` needs.
VALUES = ["key", "value", "facts.key", "facts.sequence", "facts.value"]


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A sealed record that waits for the broker's acknowledgement.

    `page` is the document that it stands in, together with `page_facts` facts in all.
    """

    sequence: int
    record: Record
    saved_at: datetime
    page: str
    page_facts: int = 1

    @property
    def id(self) -> str:
        return row_id(self.record.topic, (self.record.key or b"").decode(), self.sequence)


def row_id(topic: str, key: str, sequence: int) -> str:
    """Return the place of a fact; as text, the facts of one key are in their order."""
    return f"{topic}|{key}|{sequence:020}"


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
        """Return the oldest rows; within one key always in order and without a hole.

        They may be more than `limit`: what was saved in one document is read as a whole.
        """
        ...

    async def remove(self, rows: Sequence[OutboxRow]) -> None:
        """Forget rows that the broker acknowledged; repeating it is harmless."""
        ...

    async def note_reached(self, reached: Mapping[tuple[str, int], int]) -> None:
        """Remember the last acknowledged offset by topic and partition; it never falls."""
        ...

    async def reached(self) -> dict[tuple[str, int], int]:
        """Return the last acknowledged offsets that were remembered."""
        ...

    async def backlog(self) -> tuple[int, datetime | None]:
        """Return how many rows wait, and since when the oldest does.

        Exact up to some hundred documents; of more the oldest are counted, and the others are
        taken to be like them.
        """
        ...


class MongoOutbox:
    """Sequences in `sequences`, facts in `outbox`; what it makes is told to `made`.

    `pages` says that the facts of a transaction share documents (decision 0024); else each has a
    document of its own, which is all that the release before this one can read.
    """

    def __init__(
        self,
        database: Database,
        session: Session,
        clock: Clock,
        made: Causes,
        *,
        pages: bool = True,
    ) -> None:
        self._sequences = database.collection("sequences")
        self._rows = database.collection("outbox")
        self._session = session
        self._clock = clock
        self._made = made
        self._pages = pages
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
        sealed = _seal(drafts, heads, self._made)
        pages = _filled(sealed) if self._pages else [[one] for one in sealed]
        document = _page_document if self._pages else _row_document
        with sorted_errors():
            await self._rows.insert_many(
                [document(page, now) for page in pages], session=self._session
            )
        return [one.sequence for one in sealed]

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
        begins = _positions(streams, known, now)
        heads, writes = {}, []
        for stream_id, stream in ids.items():
            drafts, row = streams[stream], known.get(stream)
            begin, end = begins[stream[0]]
            heads[stream] = head = _head(row, stream, drafts, begin)
            moved = {
                "last": head.sequence + len(drafts),
                "position": end,
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
    """Where a stream of outgoing facts stands, and whose story its first fact belongs to.

    `position` is that of the last fact of any stream of the same topic in this transaction.
    """

    sequence: int
    position: int
    story: str


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A fact with its place: the sequence in its stream, the position among all that wait."""

    sequence: int
    position: int
    record: Record


def _positions(
    streams: Mapping[tuple[str, str], Sequence[Draft]],
    known: Mapping[tuple[str, str], Document],
    now: datetime,
) -> dict[str, tuple[int, int]]:
    """Return for each topic behind which position its drafts begin, and the last that they take.

    The position orders what the relay reads. It follows the clock but never runs backwards within
    a key, whatever the clock says, so nobody can ever read 2 without 1.
    """
    counts: Counter[str] = Counter()
    last: dict[str, int] = {}
    for stream, drafts in streams.items():
        topic = stream[0]
        counts[topic] += len(drafts)
        last[topic] = max(last.get(topic, 0), known.get(stream, {}).get("position", 0))
    ends = {topic: max(_microseconds(now), last[topic] + counts[topic]) for topic in counts}
    return {topic: (end - counts[topic], end) for topic, end in ends.items()}


def _head(
    row: Document | None, stream: tuple[str, str], drafts: Sequence[Draft], position: int
) -> _Head:
    """Return the head as it is, ready for the drafts."""
    known = row or {}
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
    drafts: Sequence[Draft], heads: Mapping[tuple[str, str], _Head], made: Causes
) -> list[_Sealed]:
    """Give each draft its number and its place; the facts of a topic stand in the given order."""
    positions = {topic: head.position for (topic, _), head in heads.items()}
    sealed: list[_Sealed] = []
    for draft in drafts:
        topic, key = draft.topic, draft.key
        head = heads[topic, key]
        head.sequence = sequence = head.sequence + 1
        positions[topic] = position = positions[topic] + 1
        explained = explain(draft, head.story)
        made.add(Made(explained, sequence))
        sealed.append(_Sealed(sequence, position, explained.seal(sequence)))
    return sealed


def _filled(sealed: Sequence[_Sealed]) -> list[list[_Sealed]]:
    """Put the facts on pages, each of one topic: a topic that takes nothing blocks no other."""
    pages: list[list[_Sealed]] = []
    filling: dict[str, list[_Sealed]] = {}
    room: dict[str, int] = {}
    for one in sealed:
        topic, size = one.record.topic, _size(one.record)
        page = filling.get(topic)
        if page is None or len(page) == PAGE_FACTS_MAX or room[topic] < size:
            page = filling[topic] = []
            room[topic] = PAGE_BYTES_MAX
            pages.append(page)
        page.append(one)
        room[topic] -= size
    return pages


def _size(record: Record) -> int:
    return len(record.value or b"") + len(record.key or b"")


def _page_document(page: Sequence[_Sealed], now: datetime) -> Document:
    first = page[0]
    topic, key = first.record.topic, first.record.key or b""
    return {
        "_id": row_id(topic, key.decode(), first.sequence),
        "position": first.position,
        "topic": topic,
        "facts": [
            {
                "key": one.record.key,
                "sequence": one.sequence,
                "value": one.record.value,
                "headers": dict(one.record.headers),
            }
            for one in page
        ],
        "saved_at": now,
    }


def _row_document(page: Sequence[_Sealed], now: datetime) -> Document:
    (one,) = page
    record = one.record
    return {
        "_id": row_id(record.topic, (record.key or b"").decode(), one.sequence),
        "position": one.position,
        "topic": record.topic,
        "key": record.key,
        "value": record.value,
        "headers": [[name, value] for name, value in record.headers],
        "saved_at": now,
    }


def rows_of(document: Document) -> Iterator[OutboxRow]:
    """Return the facts of a document of the outbox, whichever release wrote it."""
    page, topic, saved_at = document["_id"], document["topic"], document["saved_at"]
    if "facts" not in document:
        headers = tuple((name, value) for name, value in document["headers"])
        record = Record(topic, document["key"], document["value"], headers)
        yield OutboxRow(int(page.rpartition("|")[2]), record, saved_at, page)
        return
    facts = document["facts"]
    for fact in facts:
        record = Record(topic, fact["key"], fact["value"], tuple(fact["headers"].items()))
        yield OutboxRow(fact["sequence"], record, saved_at, page, len(facts))


async def _read(cursor: AsyncIterator[Document], rows: list[OutboxRow], limit: int) -> int:
    """Read documents until there are enough rows; return how many.

    What lies behind small pages may be a thousand full ones, each of two megabytes once its rows
    are made. The server sends no more than 16 MiB at once, and no more is asked of it.
    """
    seen = 0
    async for document in cursor:
        rows += rows_of(document)
        seen += 1
        if len(rows) >= limit:
            break
    return seen


def values_of(document: Document) -> Iterator[tuple[str, int, bytes | None]]:
    """Return key, sequence and value of each fact, of a document read with `VALUES` only."""
    if "facts" not in document:
        sequence = int(document["_id"].rpartition("|")[2])
        yield (document["key"] or b"").decode(), sequence, document["value"]
        return
    for fact in document["facts"]:
        yield (fact["key"] or b"").decode(), fact["sequence"], fact["value"]


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
        rows: list[OutboxRow] = []
        found, asked = 0, FIRST_DOCUMENTS
        # A plain sorted scan was seen to return sequence 2 without 1 (`stack.md` 4); all reads
        # of a snapshot see one instant.
        with sorted_errors():
            async with await self._database.snapshot_session() as session:
                while len(rows) < limit:
                    cursor = self._rows.find(wanted, session=session)
                    cursor = cursor.sort("position", 1).skip(found).limit(asked)
                    seen = await _read(cursor, rows, limit)
                    found += seen
                    if seen < asked:
                        break
                    # As many as hold what is still wanted, if they are like those before.
                    asked = max(1, (limit - len(rows)) * found // max(1, len(rows)))
        return rows

    async def remove(self, rows: Sequence[OutboxRow]) -> None:
        pages: dict[str, list[OutboxRow]] = defaultdict(list)
        for row in rows:
            pages[row.page].append(row)
        whole = [page for page, some in pages.items() if len(some) == some[0].page_facts]
        with sorted_errors():
            if whole:
                await self._rows.delete_many({"_id": {"$in": whole}})
            for page in pages.keys() - set(whole):
                gone = [{"key": row.record.key, "sequence": row.sequence} for row in pages[page]]
                await self._rows.update_one({"_id": page}, {"$pull": {"facts": {"$or": gone}}})
                # What is left may have been taken out meanwhile by who relays beside us.
                await self._rows.delete_one({"_id": page, "facts": []})

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
        facts = {"$cond": [{"$isArray": "$facts"}, {"$size": {"$ifNull": ["$facts", []]}}, 1]}
        counted: list[Document] = [
            {"$sort": {"position": 1}},
            {"$limit": COUNTED_DOCUMENTS},
            {"$project": {"facts": facts, "saved_at": 1}},
            {
                "$group": {
                    "_id": None,
                    "documents": {"$sum": 1},
                    "facts": {"$sum": "$facts"},
                    "oldest": {"$min": "$saved_at"},
                }
            },
        ]
        with sorted_errors():
            found = await self._rows.aggregate(counted, maxTimeMS=COUNT_MILLISECONDS).to_list(None)
        if not found:
            return 0, None
        (first,) = found
        documents = first["documents"]
        if documents == COUNTED_DOCUMENTS:
            with sorted_errors():
                all_of_them = await self._rows.estimated_document_count(
                    maxTimeMS=COUNT_MILLISECONDS
                )
            documents = max(documents, all_of_them)
        return round(first["facts"] * documents / first["documents"]), first["oldest"]


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
            place = row_id(draft.topic, draft.key, sequence)
            record = explained.seal(sequence)
            self._rows[place] = OutboxRow(sequence, record, self._clock.now(), place)
            self._made.add(Made(explained, sequence))
            sequences.append(sequence)
        return sequences

    async def last_sequence(self, topic: str, key: str) -> int:
        return self._sequences.get((topic, key), 0)

    async def page(self, limit: int, without_topics: Collection[str] = ()) -> list[OutboxRow]:
        async def read() -> list[OutboxRow]:
            rows = self._rows.values()
            return [row for row in rows if row.record.topic not in without_topics][:limit]

        return await self._database.transaction(read)

    async def remove(self, rows: Sequence[OutboxRow]) -> None:
        async def forget() -> None:
            for row in rows:
                self._rows.pop(row.id, None)

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
