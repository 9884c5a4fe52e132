"""Preferences in memory; `test_preferences.py` holds them and the real ones to one suite."""

from collections.abc import Collection

from notifier.domain.routing import Preferences
from servicekit.memory import MemoryDatabase


class MemoryPreferences:
    def __init__(self, database: MemoryDatabase) -> None:
        self._preferences: dict[str, Preferences] = database.table("preferences")

    async def load(self, ids: Collection[str]) -> dict[str, Preferences]:
        return {one: self._preferences[one] for one in ids if one in self._preferences}

    async def save(self, person_id: str, preferences: Preferences) -> None:
        self._preferences[person_id] = preferences

    async def forget(self, ids: Collection[str]) -> None:
        for one in ids:
            self._preferences.pop(one, None)
