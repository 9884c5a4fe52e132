"""Hidden updates in MongoDB: few, so each is a document that is there or not."""

from collections.abc import Collection, Mapping

from servicekit.mongo import Database, Session, sorted_errors


class MongoHiddenUpdates:
    """`ports.hidden_updates.HiddenUpdates` over the collection `hidden_updates`."""

    def __init__(self, database: Database, session: Session | None) -> None:
        self._updates = database.collection("hidden_updates")
        self._session = session

    async def keep(self, hidden: Mapping[str, bool]) -> None:
        with sorted_errors():
            for name, hides in hidden.items():
                place = {"_id": name}
                if hides:
                    await self._updates.replace_one(
                        place, place, upsert=True, session=self._session
                    )
                else:
                    await self._updates.delete_one(place, session=self._session)

    async def among(self, updates: Collection[str]) -> set[str]:
        if not updates:
            return set()
        with sorted_errors():
            cursor = self._updates.find({"_id": {"$in": list(updates)}}, session=self._session)
            return {row["_id"] for row in await cursor.to_list(None)}
