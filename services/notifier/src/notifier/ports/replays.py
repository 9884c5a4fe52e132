"""Where replays are kept."""

from typing import Protocol

from notifier.domain.replay import Replay


class Replays(Protocol):
    """Replays of causes, bound to one transaction."""

    async def load(self, cause: str, replay_id: str) -> Replay | None: ...

    async def save(self, replay: Replay) -> None:
        """Keep it in the place of what was known; who saves it at the same time conflicts."""
        ...
