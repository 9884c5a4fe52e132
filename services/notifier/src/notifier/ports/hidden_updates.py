"""Which updates are hidden now."""

from collections.abc import Collection, Mapping
from typing import Protocol


class HiddenUpdates(Protocol):
    """Hidden updates by the subjects of their publications, bound to one transaction."""

    async def keep(self, hidden: Mapping[str, bool]) -> None:
        """Keep which are hidden and which no more; the same again changes nothing."""
        ...

    async def among(self, updates: Collection[str]) -> set[str]:
        """Return which of these are hidden."""
        ...
