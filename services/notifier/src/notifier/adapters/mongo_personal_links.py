"""Revocations of personal links in MongoDB, one document for each person and campaign."""

from datetime import datetime

from notifier.adapters.documents import Document
from servicekit.mongo import Database, Session, sorted_errors


class MongoRevocations:
    """`ports.personal_links.Revocations` over the collection `revocations`."""

    def __init__(self, database: Database, session: Session | None) -> None:
        self._revocations = database.collection("revocations")
        self._session = session

    async def load(self, person_id: str, campaign_id: str) -> datetime | None:
        with sorted_errors():
            row = await self._revocations.find_one(
                {"_id": _id(person_id, campaign_id)}, session=self._session
            )
        return row["until"] if row else None

    async def revoke(self, person_id: str, campaign_id: str, until: datetime) -> None:
        with sorted_errors():
            await self._revocations.update_one(
                {"_id": _id(person_id, campaign_id)},
                {"$max": {"until": until}},
                upsert=True,
                session=self._session,
            )


def _id(person_id: str, campaign_id: str) -> Document:
    return {"person_id": person_id, "campaign_id": campaign_id}
