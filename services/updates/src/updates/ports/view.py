"""Whether the project view may be moved, and how far it is whole."""

from datetime import datetime
from typing import Protocol


class ViewGate(Protocol):
    """Bound to one transaction: shut while a rebuilt view takes the place of the one before."""

    async def pass_through(self) -> None:
        """Return where the view may be moved and counted; `DependencyAway` while it is shut.

        Whoever passes sees one view from here to the end of the transaction, or is undone.
        """
        ...


class ViewSources(Protocol):
    """When each topic was last known to be in the view as far as it went, and the gate."""

    async def note_whole(self, topic: str, at: datetime) -> None:
        """Keep the instant unless a later one is kept."""
        ...

    async def whole_at(self) -> dict[str, datetime]: ...

    async def gate_shut(self) -> bool:
        """Whether the gate is shut, so that nothing is published."""
        ...


class SourcePosition(Protocol):
    """How far a topic goes, and how far the view's group has committed; `DependencyAway`."""

    async def ends(self) -> dict[int, int]: ...

    async def committed(self) -> dict[int, int]: ...
