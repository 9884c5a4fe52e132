"""The place beside the project view in MongoDB, and how it takes the view's place."""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from servicekit.audit import AuditEntry, MongoAudit
from servicekit.errors import DuplicateKey
from servicekit.mongo import Collection, Database, Document, Session, sorted_errors
from servicekit.schema import Schema, migrate
from updates.adapters.mongo_view import GATE, SHUT
from updates.adapters.schema import SCHEMA
from updates.handlers.rebuild_view import Rebuilding

PREFIX = "rebuilt-"
REBUILD = "rebuild"
# What the view's groups write, and nobody else.
VIEW = ("projects", "backers", "returns", "pledges")
# Where the view's groups have their rows among those of others.
SHARED = ("streams", "set_aside")
PAGE = 1_000


class MongoRebuiltView:
    """`handlers.rebuild_view.RebuiltView` over collections with a prefix."""

    def __init__(self, database: Database, groups: Sequence[str]) -> None:
        self._database = database
        self._groups = list(groups)
        self._gate = database.collection(GATE)
        self._token = uuid4().hex
        self.beside = database.beside(PREFIX)

    async def begin(self, by: str, now: datetime, *, take_over: bool) -> None:
        mine = {"_id": REBUILD, "token": self._token, "by": by, "begun_at": now}
        with sorted_errors():
            if take_over:
                await self._gate.replace_one({"_id": REBUILD}, mine, upsert=True)
            else:
                await self._take(mine)
        await self.beside.drop()
        collections = tuple(one for one in SCHEMA.collections if one.name in (*VIEW, GATE))
        await migrate(self.beside, Schema(SCHEMA.version, collections))

    async def shut_gate(self) -> None:
        await self._check_mine()
        with sorted_errors():
            await self._gate.replace_one({"_id": SHUT["_id"]}, SHUT, upsert=True)

    async def take_place(self, by: str, why: str, now: datetime) -> int:
        await self._check_mine()
        with sorted_errors():
            campaigns = await self.beside.collection("projects").count_documents({})
            for name in VIEW:
                # Waits for every transaction that touched the collection, and makes one fail that
                # has passed the gate before and touches it later.
                live = self._database.collection(name).name
                await self.beside.collection(name).rename(live, dropTarget=True)
            for name in SHARED:
                await self._exchange_rows(name)
        await self._database.transaction(lambda session: self._open(session, by, why, now))
        await self.beside.drop()
        return campaigns

    async def _take(self, mine: Document) -> None:
        try:
            with sorted_errors():
                await self._gate.insert_one(mine)
        except DuplicateKey:
            await self._check_mine()

    async def _check_mine(self) -> None:
        with sorted_errors():
            found = await self._gate.find_one({"_id": REBUILD})
        if found is None or found["token"] != self._token:
            whose = f"begun by {found['by']} at {found['begun_at']}" if found else "not begun"
            raise Rebuilding(f"another rebuild has the place: {whose}")

    async def _exchange_rows(self, name: str) -> None:
        live = self._database.collection(name)
        await live.delete_many({"group": {"$in": self._groups}})
        page: list[Document] = []
        async for row in self.beside.collection(name).find({"group": {"$in": self._groups}}):
            page.append(row)
            if len(page) == PAGE:
                await _insert(live, page)
                page = []
        await _insert(live, page)

    async def _open(self, session: Session, by: str, why: str, now: datetime) -> None:
        both = [SHUT["_id"], REBUILD]
        await self._gate.delete_many({"_id": {"$in": both}}, session=session)
        entry = AuditEntry(now, by, "rebuild-view", {"groups": self._groups}, why, "exchanged")
        await MongoAudit(self._database, session).add(entry)


async def _insert(collection: Collection, rows: list[Document]) -> None:
    if rows:
        await collection.insert_many(rows)
