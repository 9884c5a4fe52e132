"""How old the project view is, by each topic that it is made of, and whether its gate is shut."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from updates.metrics import VIEW_AGE, VIEW_GATE_SHUT
from updates.ports.view import SourcePosition, ViewSources


@dataclass(frozen=True, slots=True)
class MeasureView:
    """Notes which topics are in the view as far as they go, and says how long ago each was.

    What is noted is shared, so every replica says the same, also one that reads no topic.
    """

    positions: Mapping[str, SourcePosition]
    sources: ViewSources

    async def __call__(self, now: datetime) -> int:
        """Look at the gate and every topic; 0, so that it rests between."""
        # First, because it needs no broker.
        VIEW_GATE_SHUT.set(await self.sources.gate_shut())
        for topic, position in self.positions.items():
            # The end is read behind `now`, so whatever stood there at `now` is before it.
            ends, committed = await position.ends(), await position.committed()
            if all(committed.get(partition, 0) >= end for partition, end in ends.items()):
                await self.sources.note_whole(topic, now)
        whole = await self.sources.whole_at()
        for topic in self.positions:
            age = (now - whole[topic]).total_seconds() if topic in whole else 0
            VIEW_AGE.labels(topic).set(max(0, age))
        return 0
