"""Questionnaires and replies in memory; `test_questionnaire_stores.py` holds both kinds to one."""

from collections.abc import Collection, Sequence
from datetime import datetime

from servicekit.memory import MemoryDatabase
from services.updates.tests.fakes_saving import save_versioned
from updates.domain.address_export import AddressExport
from updates.domain.pledge import Pledge
from updates.domain.questionnaire import Questionnaire
from updates.domain.reward_reply import RewardReply
from updates.ports.questionnaires import ReplyPlace


class MemoryQuestionnaires:
    def __init__(self, database: MemoryDatabase) -> None:
        self._known: dict[tuple[str, str], Questionnaire] = database.table("questionnaires")

    async def load(self, campaign_id: str, reward_id: str) -> Questionnaire | None:
        return self._known.get((campaign_id, reward_id))

    async def save(self, questionnaire: Questionnaire) -> None:
        place = (questionnaire.campaign_id, questionnaire.reward_id)
        save_versioned(self._known, place, questionnaire)


class MemoryRewardReplies:
    def __init__(self, database: MemoryDatabase) -> None:
        self._replies: dict[ReplyPlace, RewardReply] = database.table("reward_replies")
        self._pledges: dict[ReplyPlace, Pledge] = database.table("pledges")

    async def load(self, places: Collection[ReplyPlace]) -> dict[ReplyPlace, RewardReply]:
        return {place: self._replies[place] for place in places if place in self._replies}

    async def of_reward(
        self, campaign_id: str, reward_id: str, after: str, limit: int
    ) -> list[RewardReply]:
        found = [
            one
            for _, one in sorted(self._replies.items())
            if (one.campaign_id, one.reward_id) == (campaign_id, reward_id)
        ]
        return [one for one in found if one.pledge_id > after][:limit]

    async def of_backers(self, backers: Collection[str]) -> list[RewardReply]:
        return [one for one in self._replies.values() if one.backer_id in backers and one.sealed]

    async def save(self, replies: Sequence[RewardReply]) -> None:
        for one in replies:
            save_versioned(self._replies, (one.campaign_id, one.pledge_id), one)

    async def pledges(
        self, campaign_id: str, reward_id: str, after: str, limit: int
    ) -> list[Pledge]:
        found = [
            one
            for (campaign, pledge), one in sorted(self._pledges.items())
            if campaign == campaign_id and pledge > after
        ]
        chose = [one for one in found if one.promise and one.promise.reward_id == reward_id]
        return chose[:limit]


class MemoryAddressExports:
    def __init__(self, database: MemoryDatabase) -> None:
        self._exports: dict[tuple[str, str, str], AddressExport] = database.table("exports")

    async def load(self, campaign_id: str, reward_id: str, export_id: str) -> AddressExport | None:
        return self._exports.get((campaign_id, reward_id, export_id))

    async def save(self, export: AddressExport) -> None:
        place = (export.campaign_id, export.reward_id, export.export_id)
        save_versioned(self._exports, place, export)


class MemoryQuestionnaireQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._known: dict[tuple[str, str], Questionnaire] = database.table("questionnaires")
        self._replies: dict[ReplyPlace, RewardReply] = database.table("reward_replies")
        self._exports: dict[tuple[str, str, str], AddressExport] = database.table("exports")

    async def questionnaires(self, campaign_id: str) -> list[Questionnaire]:
        return [one for place, one in sorted(self._known.items()) if place[0] == campaign_id]

    async def due_questionnaires(
        self, now: datetime | None, limit: int, skip: int = 0
    ) -> list[Questionnaire]:
        found = [(one.next_due, place, one) for place, one in self._known.items() if one.next_due]
        return [one for at, _, one in sorted(found) if now is None or at <= now][
            skip : skip + limit
        ]

    async def due_erasures(
        self, now: datetime | None, limit: int, skip: int = 0
    ) -> list[RewardReply]:
        found = [(one.next_due, place, one) for place, one in self._replies.items() if one.next_due]
        return [one for at, _, one in sorted(found) if now is None or at <= now][
            skip : skip + limit
        ]

    async def sealed_otherwise(
        self, key_id: str, after: ReplyPlace | None, limit: int
    ) -> list[RewardReply]:
        found = [one for place, one in sorted(self._replies.items()) if not after or place > after]
        return [one for one in found if one.sealed and one.sealed.key_id != key_id][:limit]

    async def exports(
        self, campaign_id: str, reward_id: str, after: str, limit: int
    ) -> list[AddressExport]:
        found = [
            one
            for place, one in sorted(self._exports.items())
            if place[:2] == (campaign_id, reward_id) and place[2] > after
        ]
        return found[:limit]
