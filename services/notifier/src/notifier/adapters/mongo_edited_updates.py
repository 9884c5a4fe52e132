"""Changed updates in MongoDB: a document for each that was, with its latest words."""

from collections.abc import Collection, Mapping

from notifier.domain.edited_update import EditedWords
from servicekit.mongo import Database, Session, sorted_errors


class MongoEditedUpdates:
    """`ports.edited_updates.EditedUpdates` over the collection `edited_updates`."""

    def __init__(self, database: Database, session: Session) -> None:
        self._updates = database.collection("edited_updates")
        self._session = session

    async def keep(self, edited: Mapping[str, EditedWords]) -> None:
        with sorted_errors():
            for name, words in edited.items():
                said = {"revision": words.revision, "texts": list(words.texts), "url": words.url}
                await self._updates.replace_one(
                    {"_id": name}, said, upsert=True, session=self._session
                )

    async def words_of(self, updates: Collection[str]) -> dict[str, EditedWords]:
        if not updates:
            return {}
        with sorted_errors():
            cursor = self._updates.find({"_id": {"$in": list(updates)}}, session=self._session)
            return {
                row["_id"]: EditedWords(row["revision"], row["texts"], row["url"])
                for row in await cursor.to_list(None)
            }
