"""Whether the input topics were read as far as they went when a stage was to be paid."""

from collections.abc import Sequence
from datetime import datetime

from servicekit.clock import Clock
from servicekit.errors import DependencyAway
from servicekit.positions import TopicPositions


class TopicFreshness:
    """`ports.Freshness` over the positions of this service's groups.

    The ends are read when a stage is first asked about, which is after its approval, and the
    answer turns to yes once every group has committed past them.
    """

    def __init__(self, positions: Sequence[TopicPositions], clock: Clock) -> None:
        self._positions = positions
        self._clock = clock
        self._ends: dict[str, list[dict[int, int]]] = {}
        self._since: dict[str, datetime] = {}

    async def fresh_since(self, stage_id: str) -> datetime | None:
        if stage_id in self._since:
            return self._since[stage_id]
        try:
            if stage_id not in self._ends:
                self._ends[stage_id] = [await topic.ends() for topic in self._positions]
            committed = [await topic.committed() for topic in self._positions]
        except DependencyAway:
            return None
        for ends, reached in zip(self._ends[stage_id], committed, strict=True):
            if any(reached.get(partition, 0) < end for partition, end in ends.items()):
                return None
        self._since[stage_id] = self._clock.now()
        del self._ends[stage_id]
        return self._since[stage_id]
