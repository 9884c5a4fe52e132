"""The gate in front of the project view and how far it is whole, in memory."""

from datetime import datetime

from servicekit.errors import DependencyAway
from servicekit.memory import MemoryDatabase


class MemoryViewGate:
    def __init__(self, database: MemoryDatabase) -> None:
        self._gate: dict[str, bool] = database.table("view_gate")

    async def pass_through(self) -> None:
        if self._gate.get("shut"):
            raise DependencyAway("the project view is being exchanged for a rebuilt one")

    def shut(self) -> None:
        self._gate["shut"] = True


class MemoryViewSources:
    def __init__(self, database: MemoryDatabase) -> None:
        self._whole: dict[str, datetime] = database.table("view_sources")
        self._gate: dict[str, bool] = database.table("view_gate")

    async def gate_shut(self) -> bool:
        return self._gate.get("shut", False)

    async def note_whole(self, topic: str, at: datetime) -> None:
        self._whole[topic] = max(at, self._whole.get(topic, at))

    async def whole_at(self) -> dict[str, datetime]:
        return dict(self._whole)
