"""Which events exist on which topic: the one place that lists them all."""

from collections.abc import Iterable

from sosst_contracts import funding, notifier, payouts, platform, updates
from sosst_contracts.event import Event


class Registry:
    """All events by topic and wire name."""

    def __init__(self, event_types: Iterable[type[Event]]) -> None:
        self.event_types = tuple(event_types)
        self._by_type = {(e.topic, e.type_name()): e for e in self.event_types}
        self._names = {(e.topic, e.owner(), e.name) for e in self.event_types}
        if len(self._by_type) != len(self.event_types):
            raise ValueError("two events share a topic and a wire name")

    def topics(self) -> list[str]:
        """Return the logical names of all topics, sorted."""
        return sorted({event_type.topic for event_type in self.event_types})

    def on_topic(self, topic: str) -> list[type[Event]]:
        return [event_type for event_type in self.event_types if event_type.topic == topic]

    def is_compacted(self, topic: str) -> bool:
        """Return whether a record without a value erases its key there."""
        return any(event_type.compacted for event_type in self.on_topic(topic))

    def event_type(self, topic: str, type_name: str) -> type[Event] | None:
        """Return the event of this wire name on this topic, None if there is none."""
        return self._by_type.get((topic, type_name))

    def has_other_major(self, topic: str, owner: str, name: str) -> bool:
        """Return whether the event exists on this topic, in whatever major."""
        return (topic, owner, name) in self._names


def _events_in(module: object) -> list[type[Event]]:
    """Return the events that a module defines, in the order in which they stand there."""
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Event) and "name" in vars(value)
    ]


REGISTRY = Registry(
    event_type
    for module in (platform, funding, payouts, updates, notifier)
    for event_type in _events_in(module)
)
