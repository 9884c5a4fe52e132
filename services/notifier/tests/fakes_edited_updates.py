"""Changed updates in memory."""

from collections.abc import Collection, Mapping

from notifier.domain.edited_update import EditedWords
from servicekit.memory import MemoryDatabase


class MemoryEditedUpdates:
    def __init__(self, database: MemoryDatabase) -> None:
        self._updates: dict[str, EditedWords] = database.table("edited_updates")

    async def keep(self, edited: Mapping[str, EditedWords]) -> None:
        self._updates.update(edited)

    async def words_of(self, updates: Collection[str]) -> dict[str, EditedWords]:
        return {one: self._updates[one] for one in updates if one in self._updates}
