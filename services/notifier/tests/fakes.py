"""Notifier's stores in memory; `test_stores.py` holds them and the real ones to one suite."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from notifier import wire
from notifier.adapters.facts import OutboxFacts
from notifier.domain.cause import Cause, CauseState, Totals, Withdrawal
from notifier.domain.chunk import Chunk, ChunkState, Member, withdraw
from notifier.ports import Departure, InboxEntry, Membership, NotifierUnit
from servicekit.clock import Clock
from servicekit.errors import Conflict
from servicekit.memory import MemoryDatabase
from servicekit.units import MemoryUnitsOfWork, Plumbing

PAGE = 2


class MemoryMemberships:
    def __init__(self, database: MemoryDatabase) -> None:
        self._memberships = database.table("memberships")
        self._departures = database.table("departures")

    async def add(self, memberships: Sequence[Membership]) -> None:
        for one in memberships:
            self._memberships.setdefault((one.campaign_id, one.pledge_id), one)

    async def leave(self, departures: Sequence[Departure]) -> None:
        for one in departures:
            self._departures.setdefault((one.campaign_id, one.pledge_id), one)


class MemoryCauses:
    def __init__(self, database: MemoryDatabase) -> None:
        self._causes: dict[str, Cause] = database.table("causes")

    async def load(self, names: Collection[str]) -> dict[str, Cause]:
        return {name: self._causes[name] for name in names if name in self._causes}

    async def save(self, causes: Sequence[Cause]) -> None:
        for cause in causes:
            stored = self._causes.get(cause.name)
            if (stored.version if stored else 0) != cause.version:
                raise Conflict("a cause was saved by somebody else")
            self._causes[cause.name] = replace(cause, version=cause.version + 1)


class MemoryChunks:
    def __init__(self, database: MemoryDatabase) -> None:
        self._chunks: dict[str, Chunk] = database.table("chunks")

    async def add_new(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        new = [chunk for chunk in chunks if chunk.chunk_id not in self._chunks]
        self._chunks.update({chunk.chunk_id: chunk for chunk in new})
        return new

    async def load(self, chunk_ids: Collection[str]) -> dict[str, Chunk]:
        return {one: self._chunks[one] for one in chunk_ids if one in self._chunks}

    async def done(self, chunk_ids: Collection[str], at: datetime) -> None:
        for one in chunk_ids:
            if self._chunks[one].state is ChunkState.PENDING:
                self._chunks[one] = replace(self._chunks[one], state=ChunkState.DONE)

    async def withdraw(self, withdrawals: Sequence[Withdrawal]) -> None:
        for name, chunk in list(self._chunks.items()):
            if any(
                name.startswith(one.beginning) and chunk.told.caused_at <= one.until
                for one in withdrawals
            ):
                self._chunks[name] = withdraw(chunk)

    async def totals(self, cause: str) -> Totals:
        return _totals(_planned_for(self._chunks, cause))


class MemoryCreators:
    def __init__(self, database: MemoryDatabase) -> None:
        self._creators: dict[str, str] = database.table("creators")

    async def add(self, creators: Mapping[str, str]) -> None:
        for campaign_id, creator_id in creators.items():
            self._creators.setdefault(campaign_id, creator_id)


class MemoryAudience:
    """`fail_after` stores lets a test crash the planner between two chunks."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._memberships: dict[Any, Membership] = database.table("memberships")
        self._departures: dict[Any, Departure] = database.table("departures")
        self._chunks: dict[str, Chunk] = database.table("chunks")
        self.chunks_until_crash: int | None = None

    async def members(self, campaign_id: str, until: int) -> AsyncIterator[list[Member]]:
        gone = {place for place, one in self._departures.items() if one.left <= until}
        found = [
            Member(m.backer_id, m.key_hash)
            for m in sorted(self._memberships.values(), key=lambda m: m.backer_id)
            if m.campaign_id == campaign_id
            and m.joined <= until
            and (m.campaign_id, m.pledge_id) not in gone
        ]
        for begin in range(0, len(found), PAGE):
            yield found[begin : begin + PAGE]

    async def store(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            if self.chunks_until_crash is not None:
                if self.chunks_until_crash == 0:
                    raise Crashed
                self.chunks_until_crash -= 1
            self._chunks.setdefault(chunk.chunk_id, chunk)


class Crashed(BaseException):
    """Stands for kill -9: no handler may catch it."""


class MemoryQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._causes: dict[str, Cause] = database.table("causes")
        self._chunks: dict[str, Chunk] = database.table("chunks")
        self._readers: dict[str, datetime] = database.table("readers")
        self._creators: dict[str, str] = database.table("creators")

    async def inbox(
        self, person_id: str, before: tuple[datetime, str] | None, limit: int
    ) -> list[InboxEntry]:
        entries = [
            InboxEntry(replace(c, recipients=(person_id,)), (c.told.caused_at, c.chunk_id))
            for c in self._chunks.values()
            if person_id in c.recipients and c.state is not ChunkState.WITHDRAWN
        ]
        entries.sort(key=lambda entry: entry.place, reverse=True)
        return [e for e in entries if before is None or e.place < before][:limit]

    async def read_until(self, person_id: str) -> datetime | None:
        return self._readers.get(person_id)

    async def mark_read(self, person_id: str, until: datetime) -> datetime:
        self._readers[person_id] = max(until, self._readers.get(person_id, until))
        return self._readers[person_id]

    async def causes(self, campaign_id: str) -> list[Cause]:
        found = [c for c in self._causes.values() if c.told.campaign_id == campaign_id]
        return sorted(found, key=lambda cause: cause.heard_at, reverse=True)

    async def cause(self, name: str) -> Cause | None:
        return self._causes.get(name)

    async def chunk(self, chunk_id: str) -> Chunk | None:
        return self._chunks.get(chunk_id)

    async def totals(self, cause: str) -> Totals:
        return _totals(_planned_for(self._chunks, cause))

    async def creator(self, campaign_id: str) -> str | None:
        return self._creators.get(campaign_id)

    async def incomplete(self, limit: int) -> list[Cause]:
        found = [c for c in self._causes.values() if c.state is not CauseState.COMPLETED]
        return sorted(found, key=lambda cause: cause.heard_at)[:limit]


def _planned_for(chunks: dict[str, Chunk], cause: str) -> list[Chunk]:
    return [c for c in chunks.values() if c.told.cause == cause and c.partition is not None]


def _totals(chunks: Sequence[Chunk]) -> Totals:
    people = dict.fromkeys(ChunkState, 0)
    for chunk in chunks:
        people[chunk.state] += len(chunk.recipients)
    return Totals(delivered=people[ChunkState.DONE], pending=people[ChunkState.PENDING])


def memory_units(database: MemoryDatabase, clock: Clock) -> MemoryUnitsOfWork[NotifierUnit]:
    """Units over the fakes, with the same facts as the service's own."""

    def bind(database: MemoryDatabase, plumbing: Plumbing) -> NotifierUnit:
        return NotifierUnit(
            plumbing=plumbing,
            memberships=MemoryMemberships(database),
            causes=MemoryCauses(database),
            chunks=MemoryChunks(database),
            creators=MemoryCreators(database),
            facts=OutboxFacts(plumbing.outbox, wire.planned, wire.completed),
        )

    return MemoryUnitsOfWork(database, clock, bind)
