"""Replays in memory; `test_replay.py` holds them and the real ones to one suite."""

from notifier.domain.replay import Replay
from servicekit.memory import MemoryDatabase


class MemoryReplays:
    def __init__(self, database: MemoryDatabase) -> None:
        self._replays: dict[tuple[str, str], Replay] = database.table("replays")

    async def load(self, cause: str, replay_id: str) -> Replay | None:
        return self._replays.get((cause, replay_id))

    async def save(self, replay: Replay) -> None:
        self._replays[replay.cause, replay.replay_id] = replay
