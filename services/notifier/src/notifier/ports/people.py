"""Who people are and how they are reached."""

from collections.abc import Collection, Sequence
from typing import Protocol

from notifier.domain.person import Person, PersonRole


class People(Protocol):
    """The people, bound to a transaction, or outside of one where it only reads (at the send)."""

    async def load(self, ids: Collection[str]) -> dict[str, Person]:
        """Return who of these is known, erased ones too: they have no address any more."""
        ...

    async def save(self, people: Sequence[Person]) -> None:
        """Keep them as they are now; a person that somebody else saved meanwhile is a `Conflict`.

        The first of each person is inserted, any later one replaces it.
        """
        ...

    async def with_role(self, role: PersonRole) -> list[str]:
        """Return the ids of all people with this role, in order."""
        ...
