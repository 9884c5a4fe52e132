"""How far each group has come in each key of each topic: guard, order, park flag, zombie fence.

One row per (group, topic, key) moves by compare-and-set in the transaction that saves what the
facts changed (decision 0004). A process that lost its partition meets a row that is not where
it left it, and its whole transaction is undone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pymongo import UpdateOne

from servicekit.errors import Conflict, DuplicateKey
from servicekit.memory import MemoryDatabase
from servicekit.mongo import Database, Session, sorted_errors


@dataclass(frozen=True, slots=True)
class StreamRow:
    """The last sequence applied for one key, and whether later facts of it are waiting."""

    last_sequence: int = 0
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """A row's step from what was read to what is now true."""

    key: str
    before: StreamRow
    after: StreamRow


class Streams(Protocol):
    """The rows, bound to one transaction."""

    async def load(self, group: str, topic: str, keys: Iterable[str]) -> dict[str, StreamRow]:
        """Return a row for every key asked for; a key never seen stands at sequence 0."""
        ...

    async def advance(self, group: str, topic: str, moves: Sequence[Move]) -> None:
        """Move every row, or raise `Conflict` if any is no longer where `before` says."""
        ...


class MongoStreams:
    """Streams rows in the collection `streams`."""

    def __init__(self, database: Database, session: Session) -> None:
        self._rows = database.collection("streams")
        self._session = session

    async def load(self, group: str, topic: str, keys: Iterable[str]) -> dict[str, StreamRow]:
        ids = {_row_id(group, topic, key): key for key in keys}
        with sorted_errors():
            found = await self._rows.find(
                {"_id": {"$in": list(ids)}}, session=self._session
            ).to_list(None)
        rows = {key: StreamRow() for key in ids.values()}
        for row in found:
            rows[ids[row["_id"]]] = StreamRow(row["last_sequence"], row["waiting"])
        return rows

    async def advance(self, group: str, topic: str, moves: Sequence[Move]) -> None:
        if not moves:
            return
        writes = [_write(group, topic, move) for move in moves]
        try:
            with sorted_errors():
                result = await self._rows.bulk_write(writes, ordered=False, session=self._session)
        except DuplicateKey as error:
            raise Conflict("a streams row was begun by somebody else") from error
        if result.matched_count + result.upserted_count != len(moves):
            raise Conflict("a streams row was moved by somebody else")


def _row_id(group: str, topic: str, key: str) -> str:
    return f"{group}|{topic}|{key}"


def _write(group: str, topic: str, move: Move) -> Any:
    row_id = _row_id(group, topic, move.key)
    after = {"last_sequence": move.after.last_sequence, "waiting": move.after.waiting}
    before = {"last_sequence": move.before.last_sequence, "waiting": move.before.waiting}
    # `revision` makes every step a real change: MongoDB skips a write that changes nothing,
    # and a skipped write would not fence a zombie.
    return UpdateOne(
        {"_id": row_id} | before,
        {
            "$set": after,
            "$inc": {"revision": 1},
            "$setOnInsert": {"group": group, "topic": topic, "key": move.key},
        },
        # Only a key at its beginning may lack a row; one that stands elsewhere is a duplicate.
        upsert=move.before == StreamRow(),
    )


class MemoryStreams:
    """Streams rows in memory."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._rows = database.table("streams")

    async def load(self, group: str, topic: str, keys: Iterable[str]) -> dict[str, StreamRow]:
        return {key: self._rows.get((group, topic, key), StreamRow()) for key in keys}

    async def advance(self, group: str, topic: str, moves: Sequence[Move]) -> None:
        for move in moves:
            if self._rows.get((group, topic, move.key), StreamRow()) != move.before:
                raise Conflict("a streams row was moved by somebody else")
            self._rows[group, topic, move.key] = move.after
