"""Decisive messages that reached nobody by mail, in memory."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from notifier.domain.cause import Totals
from notifier.domain.unreached import Ended, Unreached, forget, totals_of
from notifier.ports.unreached import OpenUnreached
from servicekit.memory import MemoryDatabase


class MemoryUnreachedMessages:
    def __init__(self, database: MemoryDatabase) -> None:
        self._unreached: dict[str, Unreached] = database.table("unreached")

    async def load(self, notification_id: str) -> Unreached | None:
        return self._unreached.get(notification_id)

    async def add_new(self, unreached: Sequence[Unreached]) -> None:
        for one in unreached:
            self._unreached.setdefault(one.notification_id, one)

    async def save(self, unreached: Unreached) -> None:
        self._unreached[unreached.notification_id] = unreached

    async def end_of(self, people: Collection[str], until: datetime | None, ended: Ended) -> None:
        for one in list(self._unreached.values()):
            is_theirs = one.person_id in people and (until is None or one.caused_at <= until)
            self._end(one, is_theirs, ended)

    async def end_in(self, chunk_ids: Collection[str], ended: Ended) -> None:
        for one in list(self._unreached.values()):
            self._end(one, one.chunk_id in chunk_ids, ended)

    def _end(self, one: Unreached, is_concerned: bool, ended: Ended) -> None:
        if is_concerned and one.ended is None:
            self._unreached[one.notification_id] = replace(one, ended=ended)

    async def shed(self, chunk_ids: Collection[str]) -> None:
        for name, one in list(self._unreached.items()):
            if one.chunk_id in chunk_ids:
                self._unreached[name] = forget(one)


class MemoryUnreachedQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._unreached: dict[str, Unreached] = database.table("unreached")

    async def unreached(self, after: tuple[datetime, str] | None, limit: int) -> list[Unreached]:
        places = {(one.since, name): one for name, one in self._unreached.items() if not one.ended}
        return [places[p] for p in sorted(places) if after is None or p > after][:limit]

    async def unreached_of(self, person_id: str, most: int) -> list[Unreached]:
        mine = [o for o in self._unreached.values() if o.person_id == person_id and not o.ended]
        return sorted(mine, key=lambda one: one.caused_at, reverse=True)[:most]

    async def unreached_in(self, chunk_ids: Collection[str]) -> list[Unreached]:
        found = sorted(self._unreached.items())
        return [one for _, one in found if one.chunk_id in chunk_ids]

    async def unreached_totals(self, cause: str) -> Totals | None:
        found = [one.ended for one in self._unreached.values() if one.cause == cause]
        return totals_of(Counter(one.how if one else None for one in found)) if found else None

    async def open_unreached(self) -> OpenUnreached:
        since = [one.since for one in self._unreached.values() if one.ended is None]
        return OpenUnreached(len(since), min(since, default=None))
