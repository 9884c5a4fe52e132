"""Endings, returned pledges and consents in MongoDB."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from pymongo import ReplaceOne

from notifier.adapters.documents import Document
from notifier.adapters.schema import BY_CHOICE
from notifier.domain.audience import CampaignEnd, Consent, Ending
from notifier.ports.audience import Returned
from servicekit.mongo import Database, Session, sorted_errors


class MongoEndings:
    """`ports.audience.Endings`, one document per campaign."""

    def __init__(self, database: Database, session: Session) -> None:
        self._endings = database.collection("endings")
        self._session = session

    async def add(self, endings: Mapping[str, CampaignEnd]) -> None:
        if not endings:
            return
        writes = [
            ReplaceOne(
                {"_id": campaign_id},
                {
                    "_id": campaign_id,
                    "ending": end.ending.value,
                    "at": end.at,
                    "sequence": end.sequence,
                },
                upsert=True,
            )
            for campaign_id, end in endings.items()
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
        "at": one.at,
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

    async def page(
        self, campaign_id: str, choices: Collection[Consent], after: str, limit: int
    ) -> list[str]:
        query = {
            "campaign_id": campaign_id,
            "choice": {"$in": [one.value for one in choices]},
            "person_id": {"$gt": after},
        }
        with sorted_errors():
            cursor = self._consents.find(query, {"person_id": 1}, session=self._session)
            # By people it would be in order as well, and read what they chose of other campaigns.
            found = cursor.hint(BY_CHOICE).sort("person_id", 1).limit(limit)
            rows = await found.to_list(None)
        return [row["person_id"] for row in rows]

    async def forget(self, people: Collection[str]) -> None:
        query = {"person_id": {"$in": list(people)}}
        with sorted_errors():
            await self._consents.delete_many(query, session=self._session)


class MongoSieve:
    """`ports.audience.Sieve`, in a transaction where a session is given."""

    def __init__(self, database: Database, session: Session | None) -> None:
        self._memberships = database.collection("memberships")
        self._departures = database.collection("departures")
        self._endings = database.collection("endings")
        self._returned = database.collection("returned")
        self._consents = MongoConsents(database, session)
        self._session = session

    async def ending(self, campaign_id: str) -> CampaignEnd | None:
        with sorted_errors():
            row = await self._endings.find_one({"_id": campaign_id}, session=self._session)
        if row is None:
            return None
        # Documents of a release before this one have neither.
        return CampaignEnd(Ending(row["ending"]), row.get("at"), row.get("sequence"))

    async def refunded(self, campaign_id: str, until: int, at: datetime) -> set[str]:
        # As a release before this one kept it, it has no instant: that is found by None.
        by_then = [{"at": {"$lte": at}}, {"at": None}]
        query: Document = {"campaign_id": campaign_id, "again": False, "$or": by_then}
        with sorted_errors():
            cursor = self._returned.find(query, session=self._session)
            returned = await cursor.to_list(None)
            if not returned:
                return set()
            query = {
                "campaign_id": campaign_id,
                "backer_id": {"$in": list({row["backer_id"] for row in returned})},
                "joined": {"$lte": until},
            }
            pledges = await self._memberships.find(query, session=self._session).to_list(None)
        gone = await self._withdrawn(campaign_id, until)
        standing = [row for row in pledges if row["pledge_id"] not in gone]
        back = {row["pledge_id"] for row in returned}
        kept = {row["backer_id"] for row in standing if row["pledge_id"] not in back}
        return {row["backer_id"] for row in standing} - kept

    async def consenting(self, campaign_id: str, choices: Collection[Consent]) -> set[str]:
        return set(await self._consents.among(campaign_id, choices))

    async def with_rewards(
        self, campaign_id: str, until: int, rewards: Collection[str]
    ) -> set[str]:
        query = {
            "campaign_id": campaign_id,
            "joined": {"$lte": until},
            "reward_id": {"$in": list(rewards)},
        }
        gone = await self._withdrawn(campaign_id, until)
        if gone:
            query["pledge_id"] = {"$nin": list(gone)}
        with sorted_errors():
            return set(await self._memberships.distinct("backer_id", query, session=self._session))

    async def _withdrawn(self, campaign_id: str, until: int) -> set[str]:
        """Return which pledges had been withdrawn by then; few ever are."""
        query = {"campaign_id": campaign_id, "left": {"$lte": until}}
        with sorted_errors():
            cursor = self._departures.find(query, {"pledge_id": 1}, session=self._session)
            return {row["pledge_id"] for row in await cursor.to_list(None)}
