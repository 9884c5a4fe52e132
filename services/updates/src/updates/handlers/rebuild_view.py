"""The project view made anew from other services' topics, beside the one that is read meanwhile.

Everything that the view knows stands on topics that are kept for ever, so it may be thrown away
(decision 0006). It is built by the very handlers that build it otherwise, and takes the place of
the one before only when it is at least as far.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from servicekit.consume import BatchConsumer
from servicekit.ordering import Incoming
from updates.ports.unit import UpdatesUnit


class TopicPages(Protocol):
    """One topic, read from given offsets to where it ends now; `DependencyAway`."""

    @property
    def ends(self) -> Mapping[int, int]: ...

    def read(self, begins: Mapping[int, int]) -> AsyncIterator[list[Incoming]]: ...


class RebuiltView(Protocol):
    """The place beside the view."""

    async def begin(self, by: str, now: datetime, *, take_over: bool) -> None:
        """Make it empty for this rebuild alone.

        `Rebuilding` where another one has begun and not ended, unless it is taken over: then what
        that one does later is refused.
        """
        ...

    async def shut_gate(self) -> None:
        """Let nobody move or count the view; it is read on. `Rebuilding` for one taken over."""
        ...

    async def take_place(self, by: str, why: str, now: datetime) -> int:
        """Put it where the view is, with how far it has read, and open the gate.

        Whoever was moving the view before the gate was shut is done, or undone, by then. Return
        how many campaigns it has. `Rebuilding` for one taken over.
        """
        ...


class Rebuilding(Exception):
    """Another rebuild has the place; the message says whose."""


@dataclass(slots=True)
class Rebuild:
    """One rebuild: `topics` and `consumers` are those of the view, each by its topic."""

    place: RebuiltView
    topics: Mapping[str, TopicPages]
    consumers: Mapping[str, BatchConsumer[UpdatesUnit]]
    read: dict[str, int] = field(default_factory=dict)

    async def run(self, by: str, why: str, now: datetime, *, take_over: bool) -> int:
        """Build it, shut the gate, read what came meanwhile, exchange the two.

        Where it ends in between it is begun again, and the gate opens at the end of that.
        """
        await self.place.begin(by, now, take_over=take_over)
        await self._read_on()
        await self.place.shut_gate()
        # What the view had applied by now was on the topics by now.
        await self._read_on()
        return await self.place.take_place(by, why, now)

    async def _read_on(self) -> None:
        for topic, pages in self.topics.items():
            async for page in pages.read(pages.ends):
                await self.consumers[topic].process(_in_order(page))
                self.read[topic] = self.read.get(topic, 0) + len(page)


def _in_order(page: Sequence[Incoming]) -> Sequence[Incoming]:
    return sorted(page, key=lambda one: (one.partition, one.offset))
