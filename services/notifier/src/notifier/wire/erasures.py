"""People who were erased, as an event and read back from it."""

from collections.abc import Sequence
from datetime import datetime

from servicekit.own_topics import Unexplained
from sosst_contracts import notifier
from sosst_contracts.codec import Decoded, Draft, decode


def erased(person_id: str, at: datetime) -> Draft:
    """Turn it into the event that says it."""
    return Draft(notifier.PersonErased(person_id=person_id, erased_at=at), at)


def erasures_from(unexplained: Sequence[Unexplained]) -> list[tuple[str, datetime]]:
    """Read our own facts back: who was erased, and when."""
    told = [one.event for one in map(_decoded, unexplained) if one is not None]
    return [(e.person_id, e.erased_at) for e in told if isinstance(e, notifier.PersonErased)]


def _decoded(one: Unexplained) -> Decoded | None:
    read = decode(one.record)
    return read if isinstance(read, Decoded) else None
