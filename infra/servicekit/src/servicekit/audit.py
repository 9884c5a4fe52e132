"""What operators did: who, when, what, why and with which outcome, saved with what it changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import uuid4

from servicekit.memory import MemoryDatabase
from servicekit.mongo import Database, Session, sorted_errors


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act; `what` names its object, `outcome` says what came of it."""

    at: datetime
    by: str
    command: str
    what: Mapping[str, Any]
    why: str
    outcome: str


class Audit(Protocol):
    """The record of what operators did, bound to one transaction; entries are only ever added."""

    async def add(self, entry: AuditEntry) -> None: ...


class MongoAudit:
    """Entries in the collection `audit`."""

    def __init__(self, database: Database, session: Session) -> None:
        self._entries = database.collection("audit")
        self._session = session

    async def add(self, entry: AuditEntry) -> None:
        document = {
            "_id": uuid4().hex,
            "at": entry.at,
            "by": entry.by,
            "command": entry.command,
            "what": dict(entry.what),
            "why": entry.why,
            "outcome": entry.outcome,
        }
        with sorted_errors():
            await self._entries.insert_one(document, session=self._session)


class MemoryAudit:
    """Entries in memory."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._entries: dict[str, AuditEntry] = database.table("audit")

    async def add(self, entry: AuditEntry) -> None:
        self._entries[uuid4().hex] = entry
