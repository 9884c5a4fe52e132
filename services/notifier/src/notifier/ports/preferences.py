"""What people asked for."""

from collections.abc import Collection
from typing import Protocol

from notifier.domain.routing import Preferences


class PreferenceStore(Protocol):
    """The preferences of people, bound to one transaction."""

    async def load(self, ids: Collection[str]) -> dict[str, Preferences]:
        """Return those of them who asked for something."""
        ...

    async def save(self, person_id: str, preferences: Preferences) -> None:
        """Keep these in the place of all that the person asked for before."""
        ...

    async def forget(self, ids: Collection[str]) -> None: ...
