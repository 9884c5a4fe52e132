"""What a service's own topics say, compared with its database: a restored backup is behind them.

A sequence is given out in the transaction that makes the fact, so whatever our relays published,
the row of the key in `sequences` covers it: repeats, and facts whose acknowledgement was never
saved, are explained by that. A fact above the row, or with other bytes than the row of the outbox
has under its sequence, was made by a database that is gone (trap 23).

Topics without a sequence have no number to use again. Their facts are named by natural keys, so
whoever tells them again sends equal ids, which readers drop; nothing of them is compared.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog
from pymongo import UpdateOne

from servicekit.causes import Causes
from servicekit.clock import Clock
from servicekit.kafka import KafkaConnection
from servicekit.mongo import Database, Document, Session, sorted_errors
from servicekit.ordering import Incoming
from servicekit.outbox import (
    VALUES,
    MongoOutbox,
    MongoOutboxQueue,
    OutboxRow,
    row_id,
    rows_of,
    values_of,
)
from servicekit.topic_reader import TopicReader
from sosst_contracts.codec import Decoded, Draft, Record, attribution, decode
from sosst_contracts.registry import REGISTRY

log = structlog.get_logger()

Place = tuple[str, int]
# How much of a topic is compared at once.
COMPARED_RECORDS = 20_000
COMPARED_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Unexplained:
    """A fact on an own topic that the database does not know.

    `taken` says that the database gave its number to another fact, which still waits.
    """

    record: Record
    key: str
    sequence: int
    why: str
    taken: bool = False

    @property
    def topic(self) -> str:
        return self.record.topic


@dataclass(slots=True)
class Comparison:
    """What no row explains, in order per key, and where the topics ended when they were read.

    `heads` are the last sequences that were read, by topic and key.
    """

    unexplained: list[Unexplained] = field(default_factory=list)
    heads: dict[tuple[str, str], int] = field(default_factory=dict)
    ends: dict[Place, int] = field(default_factory=dict)


def own_topics(service: str) -> list[str]:
    """Return the topics with a sequence that this service alone produces."""
    owned = {e.topic for e in REGISTRY.event_types if e.sequenced and e.owner() == service}
    return sorted(owned)


class OwnTopics:
    """The comparison of one service's topics with its database."""

    def __init__(
        self,
        topics: Sequence[str],
        connection: KafkaConnection,
        database: Database,
        *,
        pages: bool = True,
    ) -> None:
        self._topics = topics
        self._pages = pages
        self._connection = connection
        self._database = database
        self._sequences = database.collection("sequences")
        self._rows = database.collection("outbox")
        self._queue = MongoOutboxQueue(database)

    @property
    def names(self) -> Sequence[str]:
        return self._topics

    async def compare(self, *, whole: bool = True) -> Comparison:
        """Read every own topic behind the remembered offsets; raises `DependencyAway`.

        Not `whole`: stop soon after the first record that nothing explains.
        """
        comparison = Comparison()
        reached = await self._queue.reached()
        for topic in self._topics:
            begins = {place[1]: at + 1 for place, at in reached.items() if place[0] == topic}
            reader = TopicReader(self._connection, topic)
            async for page in _gathered(reader.read(begins)):
                # The database is read after the topic: its rows can only be ahead by then.
                comparison.unexplained += await self._unexplained(topic, page, comparison.heads)
                if comparison.unexplained and not whole:
                    return comparison
            comparison.ends |= {(topic, part): end for part, end in reader.ends.items()}
        return comparison

    async def pass_over(self, comparison: Comparison, clock: Clock) -> None:
        """Give out no sequence again that the unexplained facts used; repeatable.

        A fact that waits under a number that is used gets the next free one, and those behind it.
        One that waits before it is on the topic as it is, and must not be told under a second.
        """
        above = {(one.topic, one.key) for one in comparison.unexplained}
        writes = [
            UpdateOne(
                {"_id": f"{topic}|{key}"},
                {"$max": {"last": comparison.heads[topic, key]}},
                upsert=True,
            )
            for topic, key in above
        ]
        if writes:
            with sorted_errors():
                await self._sequences.bulk_write(writes, ordered=False)
        taken = [one for one in comparison.unexplained if one.taken]
        # They stand in their order, and of one key the first is kept.
        for one in {(o.topic, o.key): o for o in reversed(taken)}.values():
            head = comparison.heads[one.topic, one.key]
            renumber = partial(self._renumber, clock=clock, first=one, head=head)
            await self._database.transaction(renumber)

    async def _renumber(
        self, session: Session, clock: Clock, first: Unexplained, head: int
    ) -> None:
        topic, key = first.topic, first.key.encode()
        holding = {"topic": topic, "$or": [{"key": key}, {"facts.key": key}]}
        taken: list[OutboxRow] = []
        with sorted_errors():
            cursor = self._rows.find(holding, session=session).sort("position", 1)
            for document in await cursor.to_list(None):
                rows = [row for row in rows_of(document) if _is_behind(row, first)]
                taken += rows
                await self._take_out(document, rows, session)
            await self._sequences.update_one(
                {"_id": f"{topic}|{first.key}"}, {"$set": {"last": head}}, session=session
            )
        drafts = [_draft_again(row.record) for row in taken]
        outbox = MongoOutbox(self._database, session, clock, Causes(), pages=self._pages)
        await outbox.add(drafts)

    async def _take_out(
        self, document: Document, rows: Sequence[OutboxRow], session: Session
    ) -> None:
        """Take these facts out of a document; what is left stands under its own first fact's id.

        Under its old id it would be in the way of who is given the number of the fact that gave
        the document its name.
        """
        if not rows:
            return
        await self._rows.delete_one({"_id": document["_id"]}, session=session)
        if len(rows) == rows[0].page_facts:
            return
        gone = {(row.record.key, row.sequence) for row in rows}
        left = [f for f in document["facts"] if (f["key"], f["sequence"]) not in gone]
        first = left[0]
        name = row_id(document["topic"], (first["key"] or b"").decode(), first["sequence"])
        await self._rows.insert_one({**document, "_id": name, "facts": left}, session=session)

    async def settle(self, ends: Mapping[Place, int]) -> None:
        """Remember that everything before these ends is explained."""
        await self._queue.note_reached({place: end - 1 for place, end in ends.items() if end})

    async def _unexplained(
        self, topic: str, page: Sequence[Incoming], heads: dict[tuple[str, str], int]
    ) -> list[Unexplained]:
        placed = [(one.record, *attribution(one.record)) for one in page]
        known = [(r, key, at) for r, key, at in placed if key is not None and at is not None]
        if len(known) < len(page):
            log.warning("records without key or sequence on our own topic", topic=topic)
        lasts = await self._lasts(topic, {key for _, key, _ in known})
        waiting = await self._waiting(topic, {(key, at) for _, key, at in known})
        found = []
        for record, key, at in known:
            heads[topic, key] = max(at, heads.get((topic, key), 0))
            if at > lasts.get(key, 0):
                why = f"our last sequence is {lasts.get(key, 0)}"
                found.append(Unexplained(record, key, at, why))
            elif waiting.get((key, at), record.value) != record.value:
                why = "the outbox holds another fact there"
                found.append(Unexplained(record, key, at, why, taken=True))
        return found

    async def _lasts(self, topic: str, keys: set[str]) -> dict[str, int]:
        ids = {f"{topic}|{key}": key for key in keys}
        with sorted_errors():
            rows = await self._sequences.find({"_id": {"$in": list(ids)}}).to_list(None)
        return {ids[row["_id"]]: row["last"] for row in rows}

    async def _waiting(
        self, topic: str, places: set[tuple[str, int]]
    ) -> dict[tuple[str, int], bytes | None]:
        keys = list({key.encode() for key, _ in places})
        holding = [{"key": {"$in": keys}}, {"facts.key": {"$in": keys}}]
        values: dict[tuple[str, int], bytes | None] = {}
        with sorted_errors():
            async for document in self._rows.find({"topic": topic, "$or": holding}, VALUES):
                for key, sequence, value in values_of(document):
                    if (key, sequence) in places:
                        values[key, sequence] = value
        return values


async def _gathered(pages: AsyncIterator[list[Incoming]]) -> AsyncIterator[list[Incoming]]:
    """Return the records of many pages at once, bounded in number and bytes.

    For each of these the whole outbox is read, which may hold what hours have made.
    """
    gathered: list[Incoming] = []
    size = 0
    async for page in pages:
        gathered += page
        size += sum(len(one.record.value or b"") for one in page)
        if len(gathered) >= COMPARED_RECORDS or size >= COMPARED_BYTES:
            yield gathered
            gathered, size = [], 0
    if gathered:
        yield gathered


def _is_behind(row: OutboxRow, first: Unexplained) -> bool:
    return row.record.key == first.key.encode() and row.sequence >= first.sequence


def _draft_again(record: Record) -> Draft:
    """Return a fact that waits without its number; we sealed it, so it can be read."""
    decoded = decode(record)
    assert isinstance(decoded, Decoded), decoded
    envelope = decoded.envelope
    return Draft(
        event=decoded.event,
        occurred_at=envelope.time,
        correlation_id=envelope.correlation_id,
        causation_id=envelope.causation_id,
        traceparent=envelope.traceparent,
    )
