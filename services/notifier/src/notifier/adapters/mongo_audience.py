"""Endings, returned pledges and consents in MongoDB."""

from collections.abc import Collection, Mapping, Sequence

from pymongo import ReplaceOne

from notifier.adapters.documents import Document
from notifier.domain.audience import Consent, Ending
from notifier.ports.audience import Returned
from servicekit.mongo import Database, Session, sorted_errors


class MongoEndings:
    """`ports.audience.Endings`, one document per campaign."""

    def __init__(self, database: Database, session: Session) -> None:
        self._endings = database.collection("endings")
        self._session = session

    async def add(self, endings: Mapping[str, Ending]) -> None:
        if not endings:
            return
        writes = [
            ReplaceOne({"_id": campaign_id}, {"_id": campaign_id, "ending": one}, upsert=True)
            for campaign_id, one in endings.items()
        ]
        with sorted_errors():
            await self._endings.bulk_write(writes, session=self._session)


class MongoReturnedPledges:
    """`ports.audience.ReturnedPledges`, one document per pledge."""

    def __init__(self, database: Database, session: Session) -> None:
        self._returned = database.collection("returned")
        self._session = session

    async def save(self, returned: Sequence[Returned]) -> None:
        if not returned:
            return
        last = {(one.campaign_id, one.pledge_id): one for one in returned}
        writes = [
            ReplaceOne({"_id": _id(one)}, _document(one), upsert=True) for one in last.values()
        ]
        with sorted_errors():
            await self._returned.bulk_write(writes, ordered=False, session=self._session)


def _id(one: Returned) -> Document:
    return {"campaign_id": one.campaign_id, "pledge_id": one.pledge_id}


def _document(one: Returned) -> Document:
    return {
        "_id": _id(one),
        "campaign_id": one.campaign_id,
        "backer_id": one.backer_id,
        "pledge_id": one.pledge_id,
        "again": one.again,
    }


class MongoConsents:
    """`ports.audience.Consents`, one document per campaign and person."""

    def __init__(self, database: Database, session: Session | None) -> None:
        self._consents = database.collection("consents")
        self._session = session

    async def choose(self, campaign_id: str, person_id: str, choice: Consent) -> None:
        place = {"campaign_id": campaign_id, "person_id": person_id}
        document = {"_id": place, **place, "choice": choice.value}
        with sorted_errors():
            await self._consents.replace_one(
                {"_id": place}, document, upsert=True, session=self._session
            )

    async def of(self, campaign_id: str, person_id: str) -> Consent:
        place = {"campaign_id": campaign_id, "person_id": person_id}
        with sorted_errors():
            row = await self._consents.find_one({"_id": place}, session=self._session)
        return Consent(row["choice"]) if row else Consent.NOTHING

    async def among(self, campaign_id: str, choices: Collection[Consent]) -> list[str]:
        query = {"campaign_id": campaign_id, "choice": {"$in": [one.value for one in choices]}}
        with sorted_errors():
            cursor = self._consents.find(query, {"person_id": 1}, session=self._session)
            rows = await cursor.sort("person_id", 1).to_list(None)
        return [row["person_id"] for row in rows]

    async def forget(self, people: Collection[str]) -> None:
        query = {"person_id": {"$in": list(people)}}
        with sorted_errors():
            await self._consents.delete_many(query, session=self._session)
