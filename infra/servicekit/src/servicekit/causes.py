"""Why something is done: which fact or command caused it, and whose story it belongs to (0015).

Whoever calls a handler (consume loop, HTTP, worker, lane) says it; the outbox, the work queue and
the log read it. No handler passes it on.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from itertools import chain, permutations
from typing import Any, NamedTuple

from servicekit import traces
from sosst_contracts.codec import Decoded, Draft, Record
from sosst_contracts.envelope import sequenced_id
from sosst_contracts.registry import REGISTRY

# What a fact, a command or a piece of work is about, as (field, value); a fact's key stands first.
Things = tuple[tuple[str, str], ...]
_LOGGED_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Cause:
    """The origin of what is saved next.

    `causation_id` is the id of the fact behind it, None where a person or another system asked.
    `correlation_id` is that of the story's first fact or command.
    """

    correlation_id: str
    causation_id: str | None = None
    traceparent: str | None = None
    things: Things = ()


class Made(NamedTuple):
    """A fact that was made and explained, with its number: the cause of what follows from it."""

    draft: Draft
    sequence: int


Origin = Cause | Decoded | Made


class Causes:
    """All causes of what is done now, the latest last; each effect finds its own.

    Facts are looked into only when something asks: a projection that makes nothing pays nothing.
    """

    def __init__(self, origins: Iterable[Origin] = ()) -> None:
        self._origins: list[Origin] = list(origins)
        self._indexed = 0
        self._by_place: dict[Things, Cause] = {}

    def __iter__(self) -> Iterator[Cause]:
        return map(_cause, self._origins)

    def add(self, origin: Origin) -> None:
        self._origins.append(origin)

    def of(self, things: Things) -> Cause | None:
        """Return the cause that is about the same thing, else the latest of the same key."""
        self._index()
        # Which of them is the key is known of facts only, so every one is tried as such.
        for place in chain(permutations(things, 2), permutations(things, 1)):
            if (cause := self._by_place.get(place)) is not None:
                return cause
        return None

    def behind(self, things: Things) -> Cause | None:
        """Return the cause of these things; one that stands alone caused all there is.

        None where several have nothing in common with them: a wrong cause is worse than none.
        """
        return _cause(self._origins[0]) if len(self._origins) == 1 else self.of(things)

    def _index(self) -> None:
        for cause in map(_cause, self._origins[self._indexed :]):
            if cause.things:
                key, *about = cause.things
                # Ids are unique within their key only, so a thing is nothing without its key.
                self._by_place[(key,)] = cause
                for thing in about:
                    self._by_place[key, thing] = cause
        self._indexed = len(self._origins)


_current: ContextVar[Causes] = ContextVar("causes")


def current() -> Causes:
    """Return the causes of what this task does now."""
    return _current.get(None) or Causes()


@contextmanager
def because_of(origins: Iterable[Origin]) -> Iterator[None]:
    """Everything inside is caused by one of these; none means by nothing that is known."""
    token = _current.set(Causes(origins))
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def about(**things: str) -> Iterator[None]:
    """Say which thing a command is about, so that in a lane it is told from its neighbours."""
    more = tuple(things.items())
    narrowed = [replace(c, things=tuple(dict.fromkeys((*c.things, *more)))) for c in current()]
    with because_of(narrowed):
        yield


def of_record(record: Record) -> Cause:
    """Return a record that may be unreadable as a cause, as far as its headers can be read."""
    headers = {name: _text(value) for name, value in record.headers}
    known = REGISTRY.on_topic(record.topic)
    things = ((known[0].key_field, _text(record.key)),) if known and record.key else ()
    fact_id = headers.get("ce_id")
    correlation_id = headers.get("ce_correlationid") or fact_id or "unknown"
    return Cause(correlation_id, fact_id, headers.get("traceparent"), things)


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")[:_LOGGED_CHARACTERS_MAX]


def _cause(origin: Origin) -> Cause:
    if isinstance(origin, Cause):
        return origin
    if isinstance(origin, Made):
        draft, sequence = origin
        assert draft.correlation_id is not None
        fact_id = sequenced_id(draft.topic, draft.key, sequence)
        return Cause(draft.correlation_id, fact_id, draft.traceparent, draft.event.things)
    envelope = origin.envelope
    # A fact without a story is the first of its own.
    return Cause(
        envelope.correlation_id or envelope.id,
        envelope.id,
        envelope.traceparent,
        origin.event.things,
    )


def explain(draft: Draft, story: str) -> Draft:
    """Fill in why the fact is made: what it says itself goes before what it was made in.

    `story` is the correlation of what nothing known caused.
    """
    cause = current().behind(draft.event.things) or Cause(story)
    traceparent = draft.traceparent or traces.current_traceparent() or cause.traceparent
    # Made field by field, once for each fact: `replace` costs as much as all the rest.
    return Draft(
        event=draft.event,
        occurred_at=draft.occurred_at,
        identity=draft.identity,
        correlation_id=draft.correlation_id or cause.correlation_id,
        causation_id=draft.causation_id or cause.causation_id,
        traceparent=traceparent or traces.new_traceparent(),
    )


def add_to_line(_: object, __: str, line: Any) -> Any:
    """Say in a line of the log what it concerns: all that its causes have in common."""
    found = list(current())
    if found:
        for name, value in _in_common([_words(cause) for cause in found]).items():
            line.setdefault(name, value)
    return line


def _words(cause: Cause) -> Mapping[str, str | None]:
    trace_id = traces.trace_id_of(traces.current_traceparent() or cause.traceparent)
    names = {"correlation_id": cause.correlation_id, "causation_id": cause.causation_id}
    return dict(cause.things) | names | {"trace_id": trace_id}


def _in_common(words: list[Mapping[str, str | None]]) -> Mapping[str, str]:
    first, *others = words
    return {
        name: value
        for name, value in first.items()
        if value is not None and all(other.get(name) == value for other in others)
    }
