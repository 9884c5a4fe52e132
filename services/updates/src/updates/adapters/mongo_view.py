"""The gate in front of the project view and how far it is whole, in MongoDB."""

from datetime import datetime

from servicekit.errors import DependencyAway
from servicekit.mongo import Database, Session, sorted_errors

GATE = "view_gate"
SOURCES = "view_sources"
SHUT = {"_id": "gate", "shut": True}


class MongoViewGate:
    """The one document of `view_gate`; the way it is shut is in `rebuilt_view.py`."""

    def __init__(self, database: Database, session: Session) -> None:
        self._gate = database.collection(GATE)
        self._session = session

    async def pass_through(self) -> None:
        with sorted_errors():
            shut = await self._gate.find_one(SHUT, session=self._session)
        if shut is not None:
            raise DependencyAway("the project view is being exchanged for a rebuilt one")


class MongoViewSources:
    """The collection `view_sources`, one document per topic; the gate is only looked at."""

    def __init__(self, database: Database) -> None:
        self._sources = database.collection(SOURCES)
        self._gate = database.collection(GATE)

    async def gate_shut(self) -> bool:
        with sorted_errors():
            return await self._gate.find_one(SHUT) is not None

    async def note_whole(self, topic: str, at: datetime) -> None:
        with sorted_errors():
            await self._sources.update_one({"_id": topic}, {"$max": {"whole_at": at}}, upsert=True)

    async def whole_at(self) -> dict[str, datetime]:
        with sorted_errors():
            rows = await self._sources.find().to_list(None)
        return {row["_id"]: row["whole_at"] for row in rows}
