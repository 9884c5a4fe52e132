"""Appeals that wait for a ruling in memory."""

from datetime import datetime

from servicekit.memory import MemoryDatabase
from updates.domain.open_appeal import OpenAppeal
from updates.domain.report import Thing
from updates.ports.appeals import AppealsWaiting


class MemoryAppeals:
    def __init__(self, database: MemoryDatabase) -> None:
        self._appeals: dict[Thing, OpenAppeal] = database.table("open_appeals")

    async def add(self, appeal: OpenAppeal) -> None:
        self._appeals[appeal.thing] = appeal

    async def remove(self, thing: Thing) -> None:
        self._appeals.pop(thing, None)

    async def appeals_waiting(
        self, after: tuple[datetime, Thing] | None, limit: int
    ) -> list[OpenAppeal]:
        found = sorted(self._appeals.values(), key=lambda one: _place(one.appealed_at, one.thing))
        behind = [
            one
            for one in found
            if after is None or _place(one.appealed_at, one.thing) > _place(*after)
        ]
        return behind[:limit]

    async def waiting(self) -> AppealsWaiting:
        first = await self.appeals_waiting(None, 1)
        return AppealsWaiting(len(self._appeals), first[0].appealed_at if first else None)


def _place(at: datetime, thing: Thing) -> tuple[datetime, str]:
    return at, f"{thing.campaign_id}|{thing.update_id}|{thing.comment_id or ''}"
