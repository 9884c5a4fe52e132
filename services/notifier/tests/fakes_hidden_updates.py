"""Hidden updates in memory."""

from collections.abc import Collection, Mapping

from servicekit.memory import MemoryDatabase


class MemoryHiddenUpdates:
    def __init__(self, database: MemoryDatabase) -> None:
        self._updates: dict[str, bool] = database.table("hidden_updates")

    async def keep(self, hidden: Mapping[str, bool]) -> None:
        self._updates.update(hidden)

    async def among(self, updates: Collection[str]) -> set[str]:
        return {one for one in updates if self._updates.get(one)}
