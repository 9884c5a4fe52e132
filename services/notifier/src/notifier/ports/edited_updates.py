"""What updates say now that were changed after they were published."""

from collections.abc import Collection, Mapping
from typing import Protocol

from notifier.domain.edited_update import EditedWords


class EditedUpdates(Protocol):
    """Their latest words by the subjects of their publications, bound to one transaction."""

    async def keep(self, edited: Mapping[str, EditedWords]) -> None:
        """Keep these in the place of what they said before; the same again changes nothing."""
        ...

    async def words_of(self, updates: Collection[str]) -> dict[str, EditedWords]:
        """Return what those of these say that were changed."""
        ...
