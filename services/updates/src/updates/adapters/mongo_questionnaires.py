"""Questionnaires, replies and the record of exports in MongoDB."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from servicekit.mongo import Database, Session, sorted_errors
from updates.adapters.claim_documents import Document, pledge_from
from updates.adapters.document_ids import plain_id
from updates.adapters.mongo_stores import save_versioned
from updates.adapters.questionnaire_documents import (
    export_document,
    export_from,
    questionnaire_document,
    questionnaire_from,
    reply_document,
    reply_from,
)
from updates.domain.address_export import AddressExport
from updates.domain.pledge import Pledge
from updates.domain.questionnaire import Questionnaire
from updates.domain.reward_reply import RewardReply
from updates.ports.questionnaires import ReplyPlace


class MongoQuestionnaires:
    """The collection `questionnaires`."""

    def __init__(self, database: Database, session: Session) -> None:
        self._questionnaires = database.collection("questionnaires")
        self._session = session

    async def load(self, campaign_id: str, reward_id: str) -> Questionnaire | None:
        wanted = {"_id": plain_id(campaign_id, reward_id)}
        with sorted_errors():
            row = await self._questionnaires.find_one(wanted, session=self._session)
        return questionnaire_from(row) if row else None

    async def save(self, questionnaire: Questionnaire) -> None:
        saved = replace(questionnaire, version=questionnaire.version + 1)
        await save_versioned(self._questionnaires, self._session, [questionnaire_document(saved)])


class MongoRewardReplies:
    """The collection `reward_replies`, beside `pledges`."""

    def __init__(self, database: Database, session: Session) -> None:
        self._replies = database.collection("reward_replies")
        self._pledges = database.collection("pledges")
        self._session = session

    async def load(self, places: Collection[ReplyPlace]) -> dict[ReplyPlace, RewardReply]:
        ids = [plain_id(*place) for place in places]
        with sorted_errors():
            cursor = self._replies.find({"_id": {"$in": ids}}, session=self._session)
            found = [reply_from(row) for row in await cursor.to_list(None)]
        return {(one.campaign_id, one.pledge_id): one for one in found}

    async def of_reward(
        self, campaign_id: str, reward_id: str, after: str, limit: int
    ) -> list[RewardReply]:
        wanted = {
            "campaign_id": campaign_id,
            "reward_id": reward_id,
            "pledge_id": {"$gt": after},
        }
        with sorted_errors():
            cursor = self._replies.find(wanted, session=self._session)
            rows = await cursor.sort("pledge_id", 1).limit(limit).to_list(None)
        return [reply_from(row) for row in rows]

    async def of_backers(self, backers: Collection[str]) -> list[RewardReply]:
        # The type names the index: without it, MongoDB reads the whole collection.
        wanted = {"backer_id": {"$in": list(backers)}, "sealed.key_id": {"$type": "string"}}
        with sorted_errors():
            rows = await self._replies.find(wanted, session=self._session).to_list(None)
        return [reply_from(row) for row in rows]

    async def save(self, replies: Sequence[RewardReply]) -> None:
        saved = [replace(one, version=one.version + 1) for one in replies]
        await save_versioned(self._replies, self._session, [reply_document(one) for one in saved])

    async def pledges(
        self, campaign_id: str, reward_id: str, after: str, limit: int
    ) -> list[Pledge]:
        wanted: Document = {"campaign_id": campaign_id, "promise.reward_id": reward_id}
        if after:
            wanted["_id"] = {"$gt": plain_id(campaign_id, after)}
        with sorted_errors():
            cursor = self._pledges.find(wanted, session=self._session)
            rows = await cursor.sort("_id", 1).limit(limit).to_list(None)
        return [pledge_from(row) for row in rows]


class MongoAddressExports:
    """The collection `address_exports`."""

    def __init__(self, database: Database, session: Session) -> None:
        self._exports = database.collection("address_exports")
        self._session = session

    async def load(self, campaign_id: str, reward_id: str, export_id: str) -> AddressExport | None:
        wanted = {"_id": plain_id(campaign_id, reward_id, export_id)}
        with sorted_errors():
            row = await self._exports.find_one(wanted, session=self._session)
        return export_from(row) if row else None

    async def save(self, export: AddressExport) -> None:
        saved = replace(export, version=export.version + 1)
        await save_versioned(self._exports, self._session, [export_document(saved)])


class MongoQuestionnaireQueries:
    """`ports.questionnaires.QuestionnaireQueries` over the same collections."""

    def __init__(self, database: Database) -> None:
        self._questionnaires = database.collection("questionnaires")
        self._replies = database.collection("reward_replies")
        self._exports = database.collection("address_exports")

    async def questionnaires(self, campaign_id: str) -> list[Questionnaire]:
        with sorted_errors():
            cursor = self._questionnaires.find({"campaign_id": campaign_id})
            rows = await cursor.sort("reward_id", 1).to_list(None)
        return [questionnaire_from(row) for row in rows]

    async def due_questionnaires(
        self, now: datetime | None, limit: int, skip: int = 0
    ) -> list[Questionnaire]:
        with sorted_errors():
            cursor = (
                self._questionnaires.find(_due(now)).sort("next_due", 1).skip(skip).limit(limit)
            )
            return [questionnaire_from(row) for row in await cursor.to_list(None)]

    async def due_erasures(
        self, now: datetime | None, limit: int, skip: int = 0
    ) -> list[RewardReply]:
        with sorted_errors():
            cursor = self._replies.find(_due(now)).sort("next_due", 1).skip(skip).limit(limit)
            return [reply_from(row) for row in await cursor.to_list(None)]

    async def sealed_otherwise(
        self, key_id: str, after: ReplyPlace | None, limit: int
    ) -> list[RewardReply]:
        wanted: Document = {"sealed.key_id": {"$exists": True, "$ne": key_id}}
        if after is not None:
            wanted["_id"] = {"$gt": plain_id(*after)}
        with sorted_errors():
            cursor = self._replies.find(wanted).sort("_id", 1).limit(limit)
            return [reply_from(row) for row in await cursor.to_list(None)]

    async def exports(
        self, campaign_id: str, reward_id: str, after: str, limit: int
    ) -> list[AddressExport]:
        wanted = {
            "campaign_id": campaign_id,
            "reward_id": reward_id,
            "export_id": {"$gt": after},
        }
        with sorted_errors():
            cursor = self._exports.find(wanted).sort("export_id", 1).limit(limit)
            return [export_from(row) for row in await cursor.to_list(None)]


def _due(now: datetime | None) -> Document:
    # The index names the type: without it here, MongoDB reads the whole collection.
    return {"next_due": {"$type": "date"} | ({} if now is None else {"$lte": now})}
