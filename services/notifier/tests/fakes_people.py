"""People in memory; `test_people.py` holds them and the real ones to one suite."""

from collections.abc import Collection, Sequence
from datetime import datetime

from notifier.domain.person import Person, PersonRole
from servicekit.memory import MemoryDatabase


class MemoryPeople:
    def __init__(self, database: MemoryDatabase) -> None:
        self._people: dict[str, Person] = database.table("people")

    async def load(self, ids: Collection[str]) -> dict[str, Person]:
        return {one: self._people[one] for one in ids if one in self._people}

    async def save(self, people: Sequence[Person]) -> None:
        self._people.update({person.person_id: person for person in people})

    async def with_role(self, role: PersonRole) -> list[str]:
        return sorted(one for one, person in self._people.items() if role in person.roles)


class MemoryReaders:
    def __init__(self, database: MemoryDatabase) -> None:
        self._readers: dict[str, datetime] = database.table("readers")
        self._hidden: dict[tuple[str, str], datetime] = database.table("hidden")

    async def forget(self, ids: Collection[str]) -> None:
        for one in ids:
            self._readers.pop(one, None)
        for place in [place for place in self._hidden if place[0] in ids]:
            del self._hidden[place]
