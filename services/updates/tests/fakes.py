"""Updates' stores in memory; `test_stores.py` holds them and the real ones to one suite."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from servicekit.clock import Clock
from servicekit.errors import Conflict, DuplicateKey
from servicekit.memory import MemoryDatabase
from servicekit.units import MemoryUnitsOfWork, Plumbing
from updates import wire
from updates.adapters.facts import OutboxFacts
from updates.domain.project import Project
from updates.domain.update import Update, UpdateState, Visibility
from updates.ports import UpdatesUnit

V = TypeVar("V", Project, Update)


def _save(table: dict[str, V], key: str, value: V) -> None:
    known = table.get(key)
    if (known.version if known else 0) != value.version:
        raise Conflict("a document was saved by somebody else")
    table[key] = replace(value, version=value.version + 1)


class MemoryProjects:
    def __init__(self, database: MemoryDatabase) -> None:
        self._projects: dict[str, Project] = database.table("projects")

    async def load(self, campaign_ids: Collection[str]) -> dict[str, Project]:
        return {one: self._projects[one] for one in campaign_ids if one in self._projects}

    async def save(self, projects: Sequence[Project]) -> None:
        for project in projects:
            _save(self._projects, project.campaign_id, project)


class MemoryBackers:
    def __init__(self, database: MemoryDatabase) -> None:
        self._backers: dict[tuple[str, str], int] = database.table("backers")

    async def known(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
        return {pair: self._backers[pair] for pair in pairs if pair in self._backers}

    async def hold(self, pledges: Mapping[tuple[str, str], int]) -> None:
        self._backers.update(pledges)

    async def add(self, joined: Sequence[tuple[str, str, int]]) -> None:
        for campaign_id, backer_id, _ in joined:
            if (campaign_id, backer_id) in self._backers:
                raise DuplicateKey(backer_id)
            self._backers[campaign_id, backer_id] = 1


class MemoryReturns:
    def __init__(self, database: MemoryDatabase) -> None:
        self._returns: dict[str, bool] = database.table("returns")

    async def known(self, refund_ids: Collection[str]) -> set[str]:
        return set(refund_ids) & set(self._returns)

    async def add(self, refund_ids: Sequence[str]) -> None:
        self._returns.update(dict.fromkeys(refund_ids, True))

    async def remove(self, refund_ids: Sequence[str]) -> None:
        for refund_id in refund_ids:
            self._returns.pop(refund_id, None)


class MemoryUpdates:
    def __init__(self, database: MemoryDatabase) -> None:
        self._updates: dict[str, Update] = database.table("updates")

    async def load(self, campaign_id: str, update: str) -> Update | None:
        return self._updates.get(f"{campaign_id}|{update}")

    async def save(self, update: Update) -> None:
        _save(self._updates, f"{update.campaign_id}|{update.update_id}", update)


class MemoryQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._projects: dict[str, Project] = database.table("projects")
        self._updates: dict[str, Update] = database.table("updates")
        self._backers: dict[tuple[str, str], int] = database.table("backers")

    async def project(self, campaign_id: str) -> Project | None:
        return self._projects.get(campaign_id)

    async def update(self, campaign_id: str, update: str) -> Update | None:
        return self._updates.get(f"{campaign_id}|{update}")

    async def backs(self, campaign_id: str, person_id: str) -> bool:
        return (campaign_id, person_id) in self._backers

    async def published(
        self,
        campaign_id: str,
        before: tuple[datetime, str] | None,
        limit: int,
        visible: Collection[Visibility],
    ) -> list[Update]:
        found = [
            (one.published_at, one.update_id, one)
            for one in self._updates.values()
            if one.campaign_id == campaign_id
            and one.state is UpdateState.PUBLISHED
            and one.content.visibility in visible
            and one.published_at is not None
        ]
        places = sorted(found, key=lambda place: place[:2], reverse=True)
        return [one for at, name, one in places if before is None or (at, name) < before][:limit]


def memory_units(database: MemoryDatabase, clock: Clock) -> MemoryUnitsOfWork[UpdatesUnit]:
    """Return units of work over the memory database."""

    def bind(tables: MemoryDatabase, plumbing: Plumbing) -> UpdatesUnit:
        return UpdatesUnit(
            plumbing=plumbing,
            projects=MemoryProjects(tables),
            backers=MemoryBackers(tables),
            returns=MemoryReturns(tables),
            updates=MemoryUpdates(tables),
            facts=OutboxFacts(plumbing.outbox, wire.draft),
        )

    return MemoryUnitsOfWork(database, clock, bind)
