"""People in MongoDB: the one collection of the suite that holds addresses."""

from collections.abc import Collection, Sequence

from pymongo import ReplaceOne

from notifier.adapters.documents import Document
from notifier.domain.person import Person, PersonRole
from servicekit.mongo import Database, Session, sorted_errors


class MongoPeople:
    """`ports.people.People` over the collection `people`."""

    def __init__(self, database: Database, session: Session | None) -> None:
        self._people = database.collection("people")
        self._session = session

    async def load(self, ids: Collection[str]) -> dict[str, Person]:
        with sorted_errors():
            cursor = self._people.find({"_id": {"$in": list(ids)}}, session=self._session)
            return {row["_id"]: _person_from(row) for row in await cursor.to_list(None)}

    async def save(self, people: Sequence[Person]) -> None:
        if not people:
            return
        # Two transactions that write one person conflict, so that neither overlooks the other.
        writes = [
            ReplaceOne({"_id": person.person_id}, _document(person), upsert=True)
            for person in people
        ]
        with sorted_errors():
            await self._people.bulk_write(writes, ordered=False, session=self._session)

    async def with_role(self, role: PersonRole) -> list[str]:
        with sorted_errors():
            cursor = self._people.find({"roles": role.value}, {"_id": 1}, session=self._session)
            return [row["_id"] for row in await cursor.sort("_id", 1).to_list(None)]


class MongoReaders:
    """`ports.unit.Readers` over the collection `readers`."""

    def __init__(self, database: Database, session: Session) -> None:
        self._readers = database.collection("readers")
        self._hidden = database.collection("hidden")
        self._session = session

    async def forget(self, ids: Collection[str]) -> None:
        with sorted_errors():
            await self._readers.delete_many({"_id": {"$in": list(ids)}}, session=self._session)
            mine = {"person_id": {"$in": list(ids)}}
            await self._hidden.delete_many(mine, session=self._session)


def _document(person: Person) -> Document:
    return {
        "_id": person.person_id,
        "described_at": person.described_at,
        "address": person.address,
        "display_name": person.display_name,
        "language": person.language,
        "zone": person.zone,
        "roles": sorted(role.value for role in person.roles),
        "erased": person.erased,
    }


def _person_from(row: Document) -> Person:
    return Person(
        person_id=row["_id"],
        described_at=row["described_at"],
        address=row["address"],
        display_name=row["display_name"],
        language=row["language"],
        zone=row["zone"],
        roles=frozenset(PersonRole(role) for role in row["roles"]),
        erased=row["erased"],
    )
