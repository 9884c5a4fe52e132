"""Preferences in MongoDB, one document for each person who asked for something."""

from collections.abc import Collection
from datetime import time

from notifier.adapters.documents import Document
from notifier.domain.cause import CauseKind
from notifier.domain.routing import Frequency, Mute, Preferences, QuietHours
from servicekit.mongo import Database, Session, sorted_errors


class MongoPreferences:
    """`ports.preferences.PreferenceStore` over the collection `preferences`."""

    def __init__(self, database: Database, session: Session | None) -> None:
        self._preferences = database.collection("preferences")
        self._session = session

    async def load(self, ids: Collection[str]) -> dict[str, Preferences]:
        with sorted_errors():
            cursor = self._preferences.find({"_id": {"$in": list(ids)}}, session=self._session)
            return {row["_id"]: _preferences_from(row) for row in await cursor.to_list(None)}

    async def save(self, person_id: str, preferences: Preferences) -> None:
        with sorted_errors():
            await self._preferences.replace_one(
                {"_id": person_id},
                _document(person_id, preferences),
                upsert=True,
                session=self._session,
            )

    async def forget(self, ids: Collection[str]) -> None:
        with sorted_errors():
            await self._preferences.delete_many({"_id": {"$in": list(ids)}}, session=self._session)


def _document(person_id: str, preferences: Preferences) -> Document:
    quiet = preferences.quiet
    return {
        "_id": person_id,
        "mutes": [
            {"campaign_id": one.campaign_id, "kind": one.kind.value if one.kind else None}
            for one in preferences.mutes
        ],
        "digest": preferences.digest.value,
        "quiet": [quiet.begin.isoformat(), quiet.end.isoformat()] if quiet else None,
    }


def _preferences_from(row: Document) -> Preferences:
    return Preferences(
        mutes=tuple(
            Mute(one["campaign_id"], CauseKind(one["kind"]) if one["kind"] else None)
            for one in row["mutes"]
        ),
        digest=Frequency(row["digest"]),
        quiet=QuietHours(*map(time.fromisoformat, row["quiet"])) if row["quiet"] else None,
    )
