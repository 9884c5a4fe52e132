"""Whether input topics were read as far as they went when money was decided about, and later."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from servicekit.clock import Clock
from servicekit.errors import DependencyAway
from servicekit.positions import TopicPositions

# What was read before the time to object began says nothing of an emergency within it, of which a
# reader that has stopped since would never hear.
FRESH_FOR = timedelta(minutes=1)
# How old the ends may be that a reader has come to. Longer than the pause after which work asks
# again: of ends that are read at each asking a busy reader is always a little short.
REACHED_WITHIN = timedelta(minutes=5)


class TopicFreshness:
    """`ports.Freshness` over the positions of this service's groups.

    The ends are read when a decision is first asked about, which is after it was made, and the
    answer turns to yes once every group has committed past them. A minute later the same is asked
    of the ends as they are then; so it is where five minutes passed before they were reached: a
    reader that stood still for a day and comes to where the topic ended then has not read the day.
    Several may ask at once, people who look at the gate beside the worker: each goes by what it
    read itself.
    """

    def __init__(self, positions: Sequence[TopicPositions], clock: Clock) -> None:
        self._positions = positions
        self._clock = clock
        self._ends: dict[str, tuple[datetime, list[dict[int, int]]]] = {}
        self._since: dict[str, datetime] = {}

    async def fresh_since(self, decision_id: str) -> datetime | None:
        now = self._clock.now()
        since = self._since.get(decision_id)
        if since is not None and now - since < FRESH_FOR:
            return since
        try:
            read_at, ends_then = self._ends.get(decision_id, (now, None))
            if ends_then is None or now - read_at >= REACHED_WITHIN:
                ends_then = [await topic.ends() for topic in self._positions]
                self._ends[decision_id] = now, ends_then
            committed = [await topic.committed() for topic in self._positions]
        except DependencyAway:
            return None
        for ends, reached in zip(ends_then, committed, strict=True):
            if any(reached.get(partition, 0) < end for partition, end in ends.items()):
                return None
        self._ends.pop(decision_id, None)
        self._since[decision_id] = now
        return now
